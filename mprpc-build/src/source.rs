//! Parses `.proto` files to descriptors, and converts the parser's errors. Generates nothing.

use std::path::{Path, PathBuf};

use buffa::Message;
use buffa_codegen::generated::descriptor::{DescriptorProto, FileDescriptorProto, FileDescriptorSet};
use miette::{Diagnostic, SourceCode};
use protox::file::{ChainFileResolver, GoogleFileResolver, IncludeFileResolver};

use crate::error::{Error, Place};
use crate::keywords::{self, Renames};
use crate::options::{self, OptionsFiles};
use crate::protoc;

/// The files of a compilation and all their imports, parsed and checked.
pub(crate) struct Source {
    /// All files, with the names that types have in Rust; each file comes after the files that it imports.
    pub(crate) files: Vec<FileDescriptorProto>,
    /// The same files as they were written.
    pub(crate) originals: Vec<FileDescriptorProto>,
    pub(crate) renames: Renames,
    /// The files that were read from the file system.
    pub(crate) paths: Vec<PathBuf>,
    includes: Vec<PathBuf>,
}

impl Source {
    /// Reads files with the built-in parser.
    pub(crate) fn read(files: &[&Path], includes: &[PathBuf]) -> Result<Source, Error> {
        check_present(files)?;
        let located = |error| locate(&error, includes);
        let mut compiler = protox::Compiler::with_file_resolver(resolver(includes));
        compiler.include_source_info(true).include_imports(true);
        for file in files {
            compiler.open_file(file).map_err(located)?;
        }
        let encoded = compiler.encode_file_descriptor_set();
        let set = FileDescriptorSet::decode_from_slice(&encoded)
            .map_err(|error| Error::new(format!("the parser's descriptors do not decode: {error}")))?;
        let paths = compiler.files().filter_map(|file| file.path().map(Path::to_owned)).collect();
        Source::new(set, paths, includes)
    }

    /// Reads files with `protoc`, which needs `folder` for files of its own.
    pub(crate) fn read_with(
        protoc: &Path,
        files: &[&Path],
        includes: &[PathBuf],
        folder: &Path,
    ) -> Result<Source, Error> {
        check_present(files)?;
        let set = protoc::parse(protoc, files, includes, folder)?;
        let names = set.file.iter().filter_map(|file| file.name.as_deref());
        let paths = names.map(|name| on_disk(name, includes)).filter(|path| path.is_file()).collect();
        Source::new(set, paths, includes)
    }

    fn new(set: FileDescriptorSet, paths: Vec<PathBuf>, includes: &[PathBuf]) -> Result<Source, Error> {
        let (originals, includes) = (set.file.clone(), includes.to_vec());
        let mut source = Source { files: set.file, originals, renames: Renames::default(), paths, includes };
        options::check_numbers(&source)?;
        let renamed = keywords::rename(&mut source.files);
        source.renames =
            renamed.map_err(|taken| source.error(&source.originals[taken.file], &taken.path, taken.message))?;
        Ok(source)
    }

    /// Returns the message of this full name, `.app.User`.
    pub(crate) fn message(&self, full_name: &str) -> Option<&DescriptorProto> {
        fn find<'a>(messages: &'a [DescriptorProto], name: &str) -> Option<&'a DescriptorProto> {
            let (first, rest) = name.split_once('.').map_or((name, None), |(first, rest)| (first, Some(rest)));
            let message = messages.iter().find(|message| message.name.as_deref() == Some(first))?;
            rest.map_or(Some(message), |rest| find(&message.nested_type, rest))
        }
        self.files.iter().find_map(|file| {
            let package = file.package.as_deref().unwrap_or_default();
            let name = full_name.strip_prefix('.')?.strip_prefix(package)?;
            let name = if package.is_empty() { name } else { name.strip_prefix('.')? };
            find(&file.message_type, name)
        })
    }

    /// Creates an error at the item at `path` in `file`, or at its first part that has a place; `path` is a path of
    /// `SourceCodeInfo`.
    pub(crate) fn error(&self, file: &FileDescriptorProto, path: &[i32], message: impl Into<String>) -> Error {
        let locations = &file.source_code_info.location;
        let location = locations.iter().find(|location| location.path == path);
        let location = location.or_else(|| locations.iter().find(|location| location.path.starts_with(path)));
        let place = location.and_then(|location| match location.span.as_slice() {
            [line, column, ..] => Some(Place { line: *line as usize + 1, column: *column as usize + 1 }),
            _ => None,
        });
        Error::at(&on_disk(file.name.as_deref().unwrap_or_default(), &self.includes), place, message)
    }
}

fn check_present(files: &[&Path]) -> Result<(), Error> {
    let missing = files.iter().find(|file| !file.is_file());
    missing.map_or(Ok(()), |missing| Err(Error::at(missing, None, "no such file")))
}

/// The sources of the parser, in order: the options that this crate contains, the folders, the well-known types.
fn resolver(includes: &[PathBuf]) -> ChainFileResolver {
    let mut resolver = ChainFileResolver::new();
    resolver.add(OptionsFiles);
    for include in includes {
        resolver.add(IncludeFileResolver::new(include.clone()));
    }
    resolver.add(GoogleFileResolver::new());
    resolver
}

fn locate(error: &protox::Error, includes: &[PathBuf]) -> Error {
    let mut message = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        if !message.contains(&error.to_string()) {
            message = format!("{message}: {error}");
        }
        cause = error.source();
    }
    let editions = "the built-in parser knows proto2 and proto3; for editions, name a `protoc` by Config::protoc";
    let help = match message.ends_with("found 'edition'") {
        true => Some(editions.to_owned()),
        false => error.help().map(|help| help.to_string()),
    };
    match error.file() {
        Some(file) => Error::at(&on_disk(file, includes), place(error), message).with_help(help),
        None => Error::new(message).with_help(help),
    }
}

fn place(error: &protox::Error) -> Option<Place> {
    let label = error.labels()?.next()?;
    let source: &dyn SourceCode = error.source_code()?;
    let contents = source.read_span(label.inner(), 0, 0).ok()?;
    Some(Place { line: contents.line() + 1, column: contents.column() + 1 })
}

/// The path in the file system of an imported file.
pub(crate) fn on_disk(name: &str, includes: &[PathBuf]) -> PathBuf {
    let found = includes.iter().map(|folder| folder.join(name)).find(|path| path.is_file());
    let path = found.unwrap_or_else(|| PathBuf::from(name));
    path.strip_prefix(".").map(Path::to_owned).unwrap_or(path)
}
