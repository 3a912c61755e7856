//! The files of options that mprpc-build contains, and the values of `(mprpc.placement)`. Not the options of protobuf.

use std::path::Path;

use buffa::UnknownFieldData;
use buffa_codegen::generated::descriptor::{DescriptorProto, FieldDescriptorProto, FileDescriptorProto, MethodOptions};
use proc_macro2::Ident;
use protox::file::{File, FileResolver};
use quote::format_ident;

use crate::error::Error;
use crate::messages::{MESSAGE, NESTED};
use crate::source::Source;

/// The files of options: the names by which `.proto` files import them, and their texts.
const FILES: [(&str, &str); 3] = [
    ("mprpc/options.proto", include_str!("../proto/mprpc/options.proto")),
    ("google/api/annotations.proto", include_str!("../proto/google/api/annotations.proto")),
    ("google/api/http.proto", include_str!("../proto/google/api/http.proto")),
];

/// Whether this crate contains the file of this name. No code is generated for it.
pub(crate) fn is_built_in(name: &str) -> bool {
    FILES.iter().any(|(file, _)| *file == name)
}

/// Writes [`FILES`] into `folder`, for parsers that read from the file system.
pub(crate) fn write(folder: &Path) -> std::io::Result<()> {
    for (name, text) in FILES {
        let path = folder.join(name);
        path.parent().map_or(Ok(()), std::fs::create_dir_all)?;
        std::fs::write(path, text)?;
    }
    Ok(())
}

/// Resolves [`FILES`] to the copies in this crate.
pub(crate) struct OptionsFiles;

impl FileResolver for OptionsFiles {
    fn open_file(&self, name: &str) -> Result<File, protox::Error> {
        match FILES.iter().find(|(file, _)| *file == name) {
            Some((_, text)) => File::from_source(name, text),
            None => Err(protox::Error::file_not_found(name)),
        }
    }
}

/// Returns the variant of `mprpc::Placement` that `(mprpc.placement)` names; `None` if the method does not set the option.
pub(crate) fn placement(options: &MethodOptions) -> Result<Option<Ident>, String> {
    let values = options.__buffa_unknown_fields.iter().filter(|field| field.number == PLACEMENT as u32);
    match values.map(|field| &field.data).next_back() {
        None => Ok(None),
        Some(UnknownFieldData::Varint(0)) => Ok(Some(format_ident!("Measured"))),
        Some(UnknownFieldData::Varint(1)) => Ok(Some(format_ident!("Inline"))),
        Some(UnknownFieldData::Varint(2)) => Ok(Some(format_ident!("Spread"))),
        Some(UnknownFieldData::Varint(3)) => Ok(Some(format_ident!("Blocking"))),
        Some(other) => Err(format!("option (mprpc.placement) has the value {other:?}, which is none of its own")),
    }
}

/// Refuses a foreign method option with the number of an option of [`FILES`], whose value would be read as that option.
pub(crate) fn check_numbers(source: &Source) -> Result<(), Error> {
    for file in source.files.iter().filter(|file| !is_built_in(file.name.as_deref().unwrap_or_default())) {
        check_extensions(source, file, &[FILE_EXTENSION], &file.extension)?;
        for (index, message) in file.message_type.iter().enumerate() {
            check_message(source, file, &[MESSAGE, index as i32], message)?;
        }
    }
    Ok(())
}

fn check_message(
    source: &Source,
    file: &FileDescriptorProto,
    path: &[i32],
    message: &DescriptorProto,
) -> Result<(), Error> {
    check_extensions(source, file, &[path, &[MESSAGE_EXTENSION]].concat(), &message.extension)?;
    for (index, nested) in message.nested_type.iter().enumerate() {
        check_message(source, file, &[path, &[NESTED, index as i32]].concat(), nested)?;
    }
    Ok(())
}

fn check_extensions(
    source: &Source,
    file: &FileDescriptorProto,
    path: &[i32],
    extensions: &[FieldDescriptorProto],
) -> Result<(), Error> {
    for (index, extension) in extensions.iter().enumerate() {
        if extension.extendee.as_deref() != Some(".google.protobuf.MethodOptions") {
            continue;
        }
        let name = extension.name.as_deref().unwrap_or_default();
        let taken = match extension.number {
            Some(PLACEMENT) => "mprpc.placement",
            // Another copy of the file, under another name.
            Some(HTTP) if name == "http" && file.package.as_deref() == Some("google.api") => continue,
            Some(HTTP) => "google.api.http",
            _ => continue,
        };
        let number = extension.number.unwrap_or_default();
        let message = format!("option `{name}` has the number {number}, which is that of ({taken})");
        return Err(source.error(file, &[path, &[index as i32]].concat(), message));
    }
    Ok(())
}

/// The field numbers of `(mprpc.placement)` and `(google.api.http)`.
const PLACEMENT: i32 = 57_761;
pub(crate) const HTTP: i32 = 72_295_728;

/// Field numbers of `FileDescriptorProto` and `DescriptorProto`, by which `SourceCodeInfo` identifies places.
const FILE_EXTENSION: i32 = 7;
const MESSAGE_EXTENSION: i32 = 6;
