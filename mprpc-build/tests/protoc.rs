//! Files that `protoc` parses, with a program in its place that hands over prepared descriptors.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use buffa::Message;
use buffa_codegen::generated::descriptor::feature_set::FieldPresence;
use buffa_codegen::generated::descriptor::field_descriptor_proto::{Label, Type};
use buffa_codegen::generated::descriptor::{
    DescriptorProto, Edition, FeatureSet, FieldDescriptorProto, FieldOptions, FileDescriptorProto, FileDescriptorSet,
    MethodDescriptorProto, ServiceDescriptorProto,
};
use mprpc_build::{Config, Error};

/// A file of edition 2023: a field with presence, the default there, one without, and a service.
fn edition_2023() -> FileDescriptorProto {
    let field = |name: &str, number| FieldDescriptorProto {
        name: Some(name.into()),
        number: Some(number),
        label: Some(Label::LABEL_OPTIONAL),
        r#type: Some(Type::TYPE_STRING),
        ..Default::default()
    };
    let implicit = FeatureSet { field_presence: Some(FieldPresence::IMPLICIT), ..Default::default() };
    let implicit = FieldOptions { features: implicit.into(), ..Default::default() };
    let method = MethodDescriptorProto {
        name: Some("Get".into()),
        input_type: Some(".app.User".into()),
        output_type: Some(".app.User".into()),
        ..Default::default()
    };
    FileDescriptorProto {
        name: Some("user.proto".into()),
        package: Some("app".into()),
        syntax: Some("editions".into()),
        edition: Some(Edition::EDITION_2023),
        message_type: vec![DescriptorProto {
            name: Some("User".into()),
            field: vec![field("name", 1), FieldDescriptorProto { options: implicit.into(), ..field("mail", 2) }],
            ..Default::default()
        }],
        service: vec![ServiceDescriptorProto {
            name: Some("Users".into()),
            method: vec![method],
            ..Default::default()
        }],
        ..Default::default()
    }
}

/// Writes a program that is called in the place of protoc. It notes its arguments in the file `arguments`.
fn program(folder: &Path, script: &str) -> PathBuf {
    let path = folder.join("protoc");
    let text = format!("#!/bin/sh\nset -e\nprintf '%s\\n' \"$@\" > {0}/arguments\n{script}\n", folder.display());
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
    path
}

fn compile(folder: &Path, script: &str) -> Result<(), Error> {
    // One at a time: while another test starts a process, that process may hold this script open, and then no one can run it.
    static RUNNING: Mutex<()> = Mutex::new(());
    let _running = RUNNING.lock().unwrap();
    let file = folder.join("user.proto");
    std::fs::write(&file, "edition = \"2023\";\n").unwrap();
    let protoc = Some(program(folder, script));
    Config { out_dir: Some(folder.join("out")), protoc, ..Config::default() }.compile(&[file])
}

#[test]
fn file_with_an_edition_is_compiled() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let set = FileDescriptorSet { file: vec![edition_2023()], ..Default::default() };
    std::fs::write(path.join("prepared"), set.encode_to_vec()).unwrap();
    compile(path, &format!("cp {0}/prepared {0}/out/mprpc-protoc/set.binpb", path.display())).unwrap();
    let text = std::fs::read_to_string(path.join("out/mprpc.app.rs")).unwrap();
    assert!(
        text.contains("pub name: ::core::option::Option<::mprpc::codegen::buffa::alloc::string::String>"),
        "{text}"
    );
    assert!(text.contains("pub mail: ::mprpc::codegen::buffa::alloc::string::String"), "{text}");
    assert!(text.contains("pub trait Users"), "{text}");
    let shown = std::fs::read(path.join("out/mprpc.app.binpb")).unwrap();
    assert_eq!(FileDescriptorSet::decode_from_slice(&shown).unwrap(), set, "reflection shows the edition");
    let arguments = std::fs::read_to_string(path.join("arguments")).unwrap();
    let folder = path.display();
    let expected = format!(
        "--include_imports\n--include_source_info\n--descriptor_set_out\n{folder}/out/mprpc-protoc/set.binpb\n\
         --proto_path\n{folder}/out/mprpc-protoc\n--proto_path\n{folder}\n{folder}/user.proto\n"
    );
    assert_eq!(arguments, expected);
    assert!(path.join("out/mprpc-protoc/google/api/annotations.proto").is_file(), "protoc finds the options");
}

#[test]
fn error_of_protoc_has_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let error = compile(path, "echo 'user.proto:3:7: \"B\" is not defined.' >&2; exit 1").unwrap_err();
    assert_eq!(error.to_string(), format!("{}/user.proto:3:7: \"B\" is not defined.", path.display()));
    let error = compile(path, "echo 'no such flag' >&2; exit 1").unwrap_err();
    assert_eq!(error.to_string(), "protoc: no such flag");
    let config = Config { out_dir: Some(path.join("out")), protoc: Some("/nowhere".into()), ..Config::default() };
    let error = config.compile(&[path.join("user.proto")]).unwrap_err().to_string();
    assert!(error.starts_with("/nowhere: cannot be started"), "{error}");
}
