//! The descriptor sets that generated code contains. Not the parsing of `.proto` files.

use std::collections::HashMap;

use buffa::Message;
use buffa_codegen::generated::descriptor::{FileDescriptorProto, FileDescriptorSet, SourceCodeInfo};

use crate::options;
use crate::source::Source;

/// Returns the files of `package` that have a service, and the files that they import, as an encoded
/// `google.protobuf.FileDescriptorSet`; each file comes after the files that it imports. Leaves out the files that mprpc
/// itself contains. `None` if no file of the package has a service.
pub(crate) fn of_package(source: &Source, package: &str) -> Option<Vec<u8>> {
    let files: HashMap<&str, &FileDescriptorProto> =
        source.originals.iter().map(|file| (file.name.as_deref().unwrap_or_default(), file)).collect();
    let has_service = |file: &&FileDescriptorProto| {
        file.package.as_deref().unwrap_or_default() == package && !file.service.is_empty()
    };
    let mut next: Vec<&FileDescriptorProto> = source.originals.iter().filter(has_service).collect();
    if next.is_empty() {
        return None;
    }
    let mut needed: Vec<&str> = Vec::new();
    while let Some(file) = next.pop() {
        let name = file.name.as_deref().unwrap_or_default();
        if needed.contains(&name) || is_in_mprpc(name) {
            continue;
        }
        needed.push(name);
        next.extend(file.dependency.iter().filter_map(|import| files.get(import.as_str())));
    }
    let is_needed = |file: &&FileDescriptorProto| needed.contains(&file.name.as_deref().unwrap_or_default());
    let file = source.originals.iter().filter(is_needed).map(with_comments_alone).collect();
    Some(FileDescriptorSet { file, ..Default::default() }.encode_to_vec())
}

/// Whether mprpc contains the file, in `mprpc/proto/built_in.binpb`.
fn is_in_mprpc(name: &str) -> bool {
    options::is_built_in(name) || WELL_KNOWN.iter().any(|file| name.strip_prefix("google/protobuf/") == Some(file))
}

const WELL_KNOWN: [&str; 11] = [
    "any.proto",
    "api.proto",
    "descriptor.proto",
    "duration.proto",
    "empty.proto",
    "field_mask.proto",
    "source_context.proto",
    "struct.proto",
    "timestamp.proto",
    "type.proto",
    "wrappers.proto",
];

/// Drops the places of items without a comment, which are most of a descriptor's bytes.
fn with_comments_alone(file: &FileDescriptorProto) -> FileDescriptorProto {
    let mut file = file.clone();
    let mut location = std::mem::take(&mut file.source_code_info.get_or_insert_default().location);
    location.retain(|location| location.leading_comments.is_some() || location.trailing_comments.is_some());
    for location in &mut location {
        location.leading_detached_comments.clear();
    }
    file.source_code_info = match location.is_empty() {
        true => Default::default(),
        false => SourceCodeInfo { location, ..Default::default() }.into(),
    };
    file
}
