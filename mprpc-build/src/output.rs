//! The output files of a compilation: one for each package and one that includes all packages, each with and without JSON,
//! and the descriptors of each package.
//! `mprpc::include_proto!` chooses between the two by the feature `json` of mprpc.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::Path;

use buffa_codegen::generated::descriptor::FileDescriptorProto;
use buffa_codegen::idents::escape_mod_ident;
use proc_macro2::TokenStream;

use crate::config::Config;
use crate::descriptors;
use crate::error::Error;
use crate::messages::{self, Messages};
use crate::paths::Door;
use crate::service;
use crate::source::Source;

/// An output file: its name in the output folder, and its content.
pub(crate) type File = (String, Vec<u8>);

pub(crate) fn generate(config: &Config, source: &Source) -> Result<Vec<File>, Error> {
    let door = Door::new(&config.crate_path)
        .map_err(|error| Error::new(format!("Config::crate_path, `{}`, is no path: {error}", config.crate_path)))?;
    let mut texts = generate_variant(config, source, &door, false)?;
    let with_json = match config.json {
        true => generate_variant(config, source, &door, true)?,
        false => texts.iter().map(|(name, _)| (json_name(name), format!("include!(\"{name}\");\n"))).collect(),
    };
    texts.extend(with_json);
    let mut files: Vec<File> = texts.into_iter().map(|(name, text)| (name, text.into_bytes())).collect();
    if config.descriptors {
        let packages: BTreeSet<&str> = messages::generated(config, source).map(package).collect();
        let sets = packages
            .into_iter()
            .filter_map(|package| descriptors::of_package(source, package).map(|set| (descriptors_name(package), set)));
        files.extend(sets);
    }
    Ok(files)
}

pub(crate) fn write(files: &[File], folder: &Path) -> Result<(), Error> {
    std::fs::create_dir_all(folder).map_err(|error| Error::at(folder, None, error.to_string()))?;
    for (name, content) in files {
        let path = folder.join(name);
        // An unchanged file keeps its timestamp, so that cargo compiles nothing again.
        if std::fs::read(&path).is_ok_and(|old| old == *content) {
            continue;
        }
        std::fs::write(&path, content).map_err(|error| Error::at(&path, None, error.to_string()))?;
    }
    Ok(())
}

fn generate_variant(config: &Config, source: &Source, door: &Door, json: bool) -> Result<Vec<(String, String)>, Error> {
    let messages = Messages::new(config, source, json);
    let mut packages: BTreeMap<String, TokenStream> = BTreeMap::new();
    for (package, tokens) in messages.generate()? {
        packages.entry(package).or_default().extend(door.rewrite(tokens));
    }
    let context = messages.context();
    for file in messages::generated(config, source) {
        let services = service::generate(source, file, &context, door, json, config.descriptors)?;
        packages.entry(package(file).to_owned()).or_default().extend(door.rewrite(services));
    }
    if config.descriptors {
        let with_services = messages::generated(config, source).filter(|file| !file.service.is_empty()).map(package);
        for package in with_services.collect::<BTreeSet<&str>>() {
            packages.entry(package.to_owned()).or_default().extend(service::files(&descriptors_name(package)));
        }
    }
    let prefix = if json { "mprpc-json" } else { "mprpc" };
    let mut tree = Module::default();
    let mut files = Vec::with_capacity(packages.len() + 1);
    for (package, tokens) in packages {
        let name = format!("{prefix}.{package}.rs");
        files.push((name.clone(), print(&package, tokens)?));
        tree.insert(&package, name);
    }
    files.push((format!("{prefix}.rs"), format!("{HEADER}{}", tree.print(0))));
    Ok(files)
}

fn package(file: &FileDescriptorProto) -> &str {
    file.package.as_deref().unwrap_or_default()
}

/// The name of the file with the descriptors of a package.
fn descriptors_name(package: &str) -> String {
    format!("mprpc.{package}.binpb")
}

fn json_name(name: &str) -> String {
    name.replacen("mprpc", "mprpc-json", 1)
}

/// Formats the code of a package. Each item gets its own lint attributes, because a file that is included into a user's
/// module cannot have attributes for the whole file.
fn print(package: &str, tokens: TokenStream) -> Result<String, Error> {
    let broken = |error: syn::Error| Error::new(format!("the code for package `{package}` is no Rust: {error}"));
    let file: syn::File = syn::parse2(tokens).map_err(broken)?;
    let allow = format!("#[allow({})]\n", LINTS.join(", "));
    let mut text = HEADER.to_owned();
    for item in file.items {
        if !matches!(item, syn::Item::Macro(_)) {
            text.push_str(&allow);
        }
        text.push_str(&prettyplease::unparse(&syn::File { shebang: None, attrs: Vec::new(), items: vec![item] }));
        text.push('\n');
    }
    Ok(text)
}

/// The module of a package, or of a part of a package name.
#[derive(Default)]
struct Module {
    file: Option<String>,
    modules: BTreeMap<String, Module>,
}

impl Module {
    fn insert(&mut self, package: &str, file: String) {
        let parts = package.split('.').filter(|part| !part.is_empty());
        let module = parts.fold(self, |module, part| module.modules.entry(part.to_owned()).or_default());
        module.file = Some(file);
    }

    fn print(&self, depth: usize) -> String {
        let indent = "    ".repeat(depth);
        let mut text = String::new();
        if let Some(file) = &self.file {
            let _ = writeln!(text, "{indent}include!(\"{file}\");");
        }
        for (name, module) in &self.modules {
            let _ = writeln!(text, "{indent}#[allow(missing_docs, clippy::allow_attributes_without_reason)]");
            let _ = writeln!(text, "{indent}pub mod {} {{", escape_mod_ident(name));
            text.push_str(&module.print(depth + 1));
            let _ = writeln!(text, "{indent}}}");
        }
        text
    }
}

const HEADER: &str = "// Made by mprpc-build from .proto files. Changes are lost with the next build.\n\n";

/// Lints that are meant for handwritten code.
const LINTS: [&str; 15] = [
    "deprecated",
    "missing_debug_implementations",
    "missing_docs",
    "nonstandard_style",
    "single_use_lifetimes",
    "unreachable_pub",
    "unused",
    "unused_qualifications",
    "clippy::all",
    "clippy::allow_attributes",
    "clippy::allow_attributes_without_reason",
    "clippy::nursery",
    "clippy::pedantic",
    "rustdoc::broken_intra_doc_links",
    "rustdoc::invalid_html_tags",
];
