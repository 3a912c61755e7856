//! Parses the command line: `-i FILE`, `--key value`, and the remaining words for the program. Does not interpret
//! values.

use std::ffi::OsString;
use std::path::PathBuf;

use super::keys::nearest;
use crate::error::{Error, ErrorKind};

/// The parsed command line.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Arguments {
    /// The name by which the program was started, without its folder.
    pub(super) program: String,
    /// The conf file, given after `-i`.
    pub(super) file: Option<PathBuf>,
    /// The key and the value of each `--key=value`.
    pub(super) flags: Vec<(String, String)>,
    /// The remaining words, which are for the program.
    pub(super) rest: Vec<String>,
    /// The request to print something instead of running.
    pub(super) ask: Option<Ask>,
}

/// The output that a program prints instead of running.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ask {
    Help,
    Version,
    /// The effective configuration.
    Config,
}

impl Arguments {
    /// Parses a command line whose first word is the program. `known` are the keys that a flag may set. An unknown flag
    /// is an error, because nobody reads warnings while typing.
    pub(super) fn parse(words: impl IntoIterator<Item = OsString>, known: &[&str]) -> Result<Arguments, Error> {
        let mut words = words.into_iter();
        let mut arguments = Arguments { program: program(words.next()), ..Arguments::default() };
        let mut words = words.peekable();
        while let Some(word) = words.next() {
            let Some(text) = word.to_str() else {
                return Err(wrong(format!("argument {word:?} is not UTF-8")));
            };
            match text {
                "-h" | "--help" => arguments.ask = Some(Ask::Help),
                "-V" | "--version" => arguments.ask = Some(Ask::Version),
                "--print-config" => arguments.ask = Some(Ask::Config),
                "--" => {
                    for word in words.by_ref() {
                        arguments
                            .rest
                            .push(word.into_string().map_err(|w| wrong(format!("argument {w:?} is not UTF-8")))?);
                    }
                }
                "-i" => {
                    let file =
                        words.next().ok_or_else(|| wrong("-i needs the path of a conf file after it".to_owned()))?;
                    arguments.set_file(PathBuf::from(file))?;
                }
                _ if text.starts_with("--") => {
                    let (name, value) = match text[2..].split_once('=') {
                        Some((name, value)) => (name, Some(value.to_owned())),
                        None => (&text[2..], None),
                    };
                    let name = known_name(name, known)?;
                    let next = |word: &OsString| word.to_str().is_some_and(|word| !word.starts_with('-'));
                    let value = value.or_else(|| words.next_if(next).and_then(|word| word.into_string().ok()));
                    let value = value.ok_or_else(|| wrong(format!("--{name} needs a value: --{name}=VALUE")))?;
                    if arguments.flags.iter().any(|(other, _)| *other == name) {
                        return Err(wrong(format!("--{name} is given twice")));
                    }
                    arguments.flags.push((name, value));
                }
                _ if text.len() > 1 && text.starts_with('-') => match text.strip_prefix("-i") {
                    Some(file) => arguments.set_file(PathBuf::from(file))?,
                    None => return Err(wrong(format!("unknown flag {text}; --help lists them"))),
                },
                _ => arguments.rest.push(text.to_owned()),
            }
        }
        Ok(arguments)
    }

    fn set_file(&mut self, file: PathBuf) -> Result<(), Error> {
        match self.file.replace(file) {
            Some(first) => Err(wrong(format!("-i is given twice; the first is {}", first.display()))),
            None => Ok(()),
        }
    }
}

fn program(word: Option<OsString>) -> String {
    let path = PathBuf::from(word.unwrap_or_default());
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    if name.is_empty() { "mprpc".to_owned() } else { name }
}

/// Returns the key of a flag; the flag may have `-` in place of `_`.
fn known_name(name: &str, known: &[&str]) -> Result<String, Error> {
    if let Some(key) = known.iter().find(|key| **key == name || **key == name.replace('-', "_")) {
        return Ok((*key).to_owned());
    }
    let hint = match nearest(&name.replace('-', "_"), known.iter().copied()) {
        Some(near) => format!("did you mean --{near}?"),
        None => "--help lists them".to_owned(),
    };
    Err(wrong(format!("unknown flag --{name}; {hint}")))
}

fn wrong(what: String) -> Error {
    Error::new(ErrorKind::Config, what)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: &[&str] = &["registry", "demo", "limits.call_timeout"];

    fn parse(words: &[&str]) -> Result<Arguments, String> {
        let words = ["/bin/prog"].iter().chain(words).map(OsString::from);
        Arguments::parse(words, KNOWN).map_err(|error| error.to_string())
    }

    #[test]
    fn flags_are_parsed_in_every_usual_spelling() {
        let a =
            parse(&["-i", "u.conf", "--registry=file:/x=y", "--limits.call-timeout", "5s", "Login", "--", "--demo"])
                .unwrap();
        assert_eq!(a.program, "prog");
        assert_eq!(a.file.as_deref(), Some(std::path::Path::new("u.conf")));
        let flags =
            [("registry", "file:/x=y"), ("limits.call_timeout", "5s")].map(|(k, v)| (k.to_owned(), v.to_owned()));
        assert_eq!(a.flags, flags);
        assert_eq!(a.rest, ["Login", "--demo"]);
        assert_eq!(parse(&["-iu.conf"]).unwrap().file, Some("u.conf".into()));
        assert_eq!(parse(&["--help"]).unwrap().ask, Some(Ask::Help));
        assert_eq!(parse(&["-"]).unwrap().rest, ["-"]);
    }

    #[test]
    fn wrong_flags_produce_clear_errors() {
        for (words, expected) in [
            (&["-i"][..], "-i needs the path of a conf file after it"),
            (&["-i", "a", "-i", "b"], "-i is given twice; the first is a"),
            (&["--regsitry=x"], "unknown flag --regsitry; did you mean --registry?"),
            (&["--colour"], "unknown flag --colour; --help lists them"),
            (&["--demo"], "--demo needs a value: --demo=VALUE"),
            (&["--demo", "--registry=x"], "--demo needs a value: --demo=VALUE"),
            (&["--demo=1", "--demo=2"], "--demo is given twice"),
            (&["-x"], "unknown flag -x; --help lists them"),
        ] {
            assert_eq!(parse(words).unwrap_err(), expected);
        }
    }
}
