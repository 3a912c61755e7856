//! Generates messages, enums and views with buffa-codegen. Not services.

use buffa_codegen::context::CodeGenContext;
use buffa_codegen::generated::descriptor::FileDescriptorProto;
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
        let renamed = |path: &String| source.renames.path(path);
        codegen.extern_paths = config.extern_paths.iter().map(|(name, path)| (renamed(name), path.clone())).collect();
        codegen.bytes_fields = config.shared_bytes.iter().map(|path| (renamed(path), BytesRepr::Bytes)).collect();
        Messages { source, names, config: codegen }
    }

    /// Returns the code of each package, as buffa-codegen generates it.
    pub(crate) fn generate(&self) -> Result<Vec<(String, TokenStream)>, Error> {
        let files = buffa_codegen::generate(&self.source.files, &self.names, &self.config)
            .map_err(|error| Error::new(error.to_string()))?;
        let restored = |file: GeneratedFile| {
            let tokens = tokens(&file).map(|tokens| self.source.renames.restore(tokens));
            tokens.map(|tokens| (file.package, tokens))
        };
        files.into_iter().map(restored).collect()
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

/// Field numbers of `FileDescriptorProto` and `DescriptorProto`, by which `SourceCodeInfo` identifies places.
pub(crate) const MESSAGE: i32 = 4;
pub(crate) const ENUM: i32 = 5;
pub(crate) const NESTED: i32 = 3;
pub(crate) const NESTED_ENUM: i32 = 4;
pub(crate) const NAME: i32 = 1;

fn tokens(file: &GeneratedFile) -> Result<TokenStream, Error> {
    file.content.parse().map_err(|error| Error::new(format!("the messages of package `{}`: {error}", file.package)))
}
