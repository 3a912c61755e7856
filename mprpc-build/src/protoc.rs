//! Parses `.proto` files with `protoc`, for files that the built-in parser does not know: those with an edition. It knows
//! nothing of what is in the files.

use std::path::{Path, PathBuf};
use std::process::Command;

use buffa::Message;
use buffa_codegen::generated::descriptor::FileDescriptorSet;

use crate::error::{Error, Place};
use crate::options;

/// Parses files and their imports. `folder` gets the files that protoc reads and writes for this crate.
pub(crate) fn parse(
    protoc: &Path,
    files: &[&Path],
    includes: &[PathBuf],
    folder: &Path,
) -> Result<FileDescriptorSet, Error> {
    let set = folder.join("set.binpb");
    options::write(folder).map_err(|error| Error::at(folder, None, error.to_string()))?;
    let mut command = Command::new(protoc);
    command.args(["--include_imports", "--include_source_info", "--descriptor_set_out"]).arg(&set);
    for include in [folder].into_iter().chain(includes.iter().map(PathBuf::as_path)) {
        command.arg("--proto_path").arg(include);
    }
    let output = command.args(files).output();
    let output = output.map_err(|error| Error::at(protoc, None, format!("cannot be started: {error}")))?;
    if !output.status.success() {
        return Err(failure(&String::from_utf8_lossy(&output.stderr), includes));
    }
    let encoded = std::fs::read(&set).map_err(|error| Error::at(&set, None, error.to_string()))?;
    FileDescriptorSet::decode_from_slice(&encoded)
        .map_err(|error| Error::at(&set, None, format!("protoc's descriptors do not decode: {error}")))
}

/// Makes an error of protoc's first message that has a place, `user.proto:7:12: message`, or of the whole text.
fn failure(text: &str, includes: &[PathBuf]) -> Error {
    let located = text.lines().find_map(|line| {
        let mut parts = line.splitn(4, ':');
        let (file, line, column) = (parts.next()?, parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
        let place = Some(Place { line, column });
        Some(Error::at(&crate::source::on_disk(file, includes), place, parts.next()?.trim()))
    });
    located.unwrap_or_else(|| Error::new(format!("protoc: {}", text.trim())))
}
