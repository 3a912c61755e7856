//! The options of `mprpc/options.proto`: the file itself, and the values that methods set. Not the options of protobuf.

use buffa::UnknownFieldData;
use buffa_codegen::generated::descriptor::{DescriptorProto, FieldDescriptorProto, FileDescriptorProto, MethodOptions};
use proc_macro2::Ident;
use protox::file::{File, FileResolver};
use quote::format_ident;

use crate::error::Error;
use crate::messages::{MESSAGE, NESTED};
use crate::source::Source;

/// The file name by which `.proto` files import the options.
pub(crate) const NAME: &str = "mprpc/options.proto";

const TEXT: &str = include_str!("../proto/mprpc/options.proto");

/// Resolves [`NAME`] to the copy in this crate.
pub(crate) struct OptionsFile;

impl FileResolver for OptionsFile {
    fn open_file(&self, name: &str) -> Result<File, protox::Error> {
        if name == NAME { File::from_source(NAME, TEXT) } else { Err(protox::Error::file_not_found(name)) }
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

/// Refuses a foreign method option with the number of `(mprpc.placement)`, whose value would be read as a placement.
pub(crate) fn check_numbers(source: &Source) -> Result<(), Error> {
    for file in source.files.iter().filter(|file| file.name.as_deref() != Some(NAME)) {
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
    let is_taken = |extension: &FieldDescriptorProto| {
        extension.extendee.as_deref() == Some(".google.protobuf.MethodOptions") && extension.number == Some(PLACEMENT)
    };
    let Some(index) = extensions.iter().position(is_taken) else { return Ok(()) };
    let name = extensions[index].name.as_deref().unwrap_or_default();
    let message = format!("option `{name}` has the number {PLACEMENT}, which is that of (mprpc.placement)");
    Err(source.error(file, &[path, &[index as i32]].concat(), message))
}

/// The field number of `(mprpc.placement)`.
const PLACEMENT: i32 = 57_761;

/// Field numbers of `FileDescriptorProto` and `DescriptorProto`, by which `SourceCodeInfo` identifies places.
const FILE_EXTENSION: i32 = 7;
const MESSAGE_EXTENSION: i32 = 6;
