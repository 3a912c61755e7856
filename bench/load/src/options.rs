//! The command line of the tool.

use std::path::PathBuf;

use crate::{ROWS, Row};

/// The measurements to run, and the files for the results.
pub(crate) struct Options {
    pub(crate) rows: Vec<&'static Row>,
    pub(crate) rounds: usize,
    pub(crate) json: Option<PathBuf>,
    pub(crate) svg: Option<PathBuf>,
}

impl Options {
    /// Parses the arguments. The error is text for people.
    pub(crate) fn parse(arguments: impl IntoIterator<Item = String>) -> Result<Options, String> {
        let mut options = Options { rows: Vec::new(), rounds: ROUNDS, json: None, svg: None };
        let mut arguments = arguments.into_iter();
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().ok_or_else(|| format!("{argument} has no value"));
            match argument.as_str() {
                "--rounds" => options.rounds = rounds(&value()?)?,
                "--json" => options.json = Some(value()?.into()),
                "--svg" => options.svg = Some(value()?.into()),
                name => options.rows.push(row(name)?),
            }
        }
        if options.rows.is_empty() {
            options.rows = ROWS.iter().collect();
        }
        Ok(options)
    }
}

fn rounds(value: &str) -> Result<usize, String> {
    let rounds = value.parse().ok().filter(|rounds| *rounds > 0);
    rounds.ok_or_else(|| format!("--rounds '{value}' is not more than 0"))
}

fn row(name: &str) -> Result<&'static Row, String> {
    let names = || ROWS.iter().map(|row| row.name).collect::<Vec<_>>().join(", ");
    let usage =
        || format!("'{name}' is no row\nusage: load [ROW…] [--rounds N] [--json FILE] [--svg FILE]\nrows: {}", names());
    ROWS.iter().find(|row| row.name == name).ok_or_else(usage)
}

const ROUNDS: usize = 3;

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Options, String> {
        Options::parse(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn rows_are_selected_by_name_and_default_to_all() {
        let options = parse("flood compute-100 --rounds 5 --json a").unwrap();
        assert_eq!(options.rows.iter().map(|row| row.name).collect::<Vec<_>>(), ["flood", "compute-100"]);
        assert_eq!((options.rounds, options.json), (5, Some("a".into())));
        assert_eq!(parse("").unwrap().rows.len(), ROWS.len());
    }

    #[test]
    fn unknown_option_is_named() {
        assert!(parse("compute-7").err().unwrap().contains("'compute-7'"));
        assert!(parse("--rounds 0").err().unwrap().contains("'0'"));
        assert!(parse("--svg").err().unwrap().contains("--svg has no value"));
    }
}
