//! Generates messages, enums and views with buffa-codegen. Not services.

use buffa_codegen::context::CodeGenContext;
use buffa_codegen::generated::descriptor::{DescriptorProto, FileDescriptorProto};
use buffa_codegen::idents::is_rust_keyword;
use buffa_codegen::{BytesRepr, CodeGenConfig, GeneratedFile};
use proc_macro2::TokenStream;

use crate::config::Config;
use crate::error::Error;
use crate::options;
use crate::source::Source;

/// The input of buffa-codegen: the files and the settings.
pub(crate) struct Messages<'a> {
    source: &'a Source,
    names: Vec<String>,
    config: CodeGenConfig,
}

impl<'a> Messages<'a> {
    pub(crate) fn new(config: &Config, source: &'a Source, json: bool) -> Messages<'a> {
        let names = generated(config, source).filter_map(|file| file.name.clone()).collect();
        let mut codegen = CodeGenConfig::default();
        codegen.generate_json = json;
        codegen.file_per_package = true;
        codegen.extern_paths = config.extern_paths.clone();
        codegen.bytes_fields = config.shared_bytes.iter().map(|path| (path.clone(), BytesRepr::Bytes)).collect();
        Messages { source, names, config: codegen }
    }

    /// Returns the code of each package, as buffa-codegen generates it.
    pub(crate) fn generate(&self) -> Result<Vec<(String, TokenStream)>, Error> {
        for file in
            self.source.files.iter().filter(|file| self.names.iter().any(|name| file.name.as_ref() == Some(name)))
        {
            for (index, message) in file.message_type.iter().enumerate() {
                check_names(self.source, file, &[MESSAGE, index as i32], message)?;
            }
        }
        let files = buffa_codegen::generate(&self.source.files, &self.names, &self.config)
            .map_err(|error| Error::new(error.to_string()))?;
        files.into_iter().map(|file| tokens(&file).map(|tokens| (file.package, tokens))).collect()
    }

    /// The context that resolves the paths of messages.
    pub(crate) fn context(&self) -> CodeGenContext<'_> {
        CodeGenContext::for_generate(&self.source.files, &self.names, &self.config)
    }
}

/// The files for which code is generated: all but the well-known types, the options of mprpc, and files of other crates.
pub(crate) fn generated<'a>(config: &'a Config, source: &'a Source) -> impl Iterator<Item = &'a FileDescriptorProto> {
    let elsewhere = |package: &str| {
        package == "google.protobuf"
            || config.extern_paths.iter().any(|(name, _)| {
                let name = name.trim_start_matches('.');
                package == name || package.strip_prefix(name).is_some_and(|rest| rest.starts_with('.'))
            })
    };
    let files = source.files.iter().filter(|file| !options::is_built_in(file.name.as_deref().unwrap_or_default()));
    files.filter(move |file| !elsewhere(file.package.as_deref().unwrap_or_default()))
}

/// Refuses types named by a Rust keyword. buffa-codegen does not support them, and its error does not name the place.
fn check_names(
    source: &Source,
    file: &FileDescriptorProto,
    path: &[i32],
    message: &DescriptorProto,
) -> Result<(), Error> {
    let name = message.name.as_deref().unwrap_or_default();
    if is_rust_keyword(name) {
        let path = [path, &[NAME]].concat();
        return Err(source.error(file, &path, format!("a message cannot be named `{name}`, a keyword of Rust")));
    }
    for (index, nested) in message.nested_type.iter().enumerate() {
        check_names(source, file, &[path, &[NESTED, index as i32]].concat(), nested)?;
    }
    Ok(())
}

/// Field numbers of `FileDescriptorProto` and `DescriptorProto`, by which `SourceCodeInfo` identifies places.
pub(crate) const MESSAGE: i32 = 4;
pub(crate) const NESTED: i32 = 3;
const NAME: i32 = 1;

fn tokens(file: &GeneratedFile) -> Result<TokenStream, Error> {
    file.content.parse().map_err(|error| Error::new(format!("the messages of package `{}`: {error}", file.package)))
}
