//! The committed files in mprpc/proto match the `.proto` files: the messages of `google.rpc` and of the built-in services,
//! and the descriptors in `built_in.binpb`. Each test rewrites its files if they do not.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::path::{Path, PathBuf};

use buffa::Message;
use buffa_codegen::CodeGenConfig;
use buffa_codegen::generated::descriptor::FileDescriptorSet;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../mprpc/proto")
}

/// Parses `.proto` files of mprpc and mprpc-build.
fn parse(names: &[&str]) -> FileDescriptorSet {
    let mut compiler = protox::Compiler::new([folder(), Path::new(env!("CARGO_MANIFEST_DIR")).join("proto")]).unwrap();
    compiler.include_source_info(true).include_imports(true);
    for name in names {
        compiler.open_file(name).unwrap();
    }
    FileDescriptorSet::decode_from_slice(&compiler.encode_file_descriptor_set()).unwrap()
}

/// Writes a file of mprpc/proto, and fails if it was out of date.
fn assert_committed(name: &str, content: &[u8]) {
    let path = folder().join(name);
    if std::fs::read(&path).is_ok_and(|old| old == content) {
        return;
    }
    std::fs::write(&path, content).unwrap();
    panic!("mprpc/proto/{name} was out of date and is written anew: commit it");
}

/// How the committed messages are generated.
fn messages() -> CodeGenConfig {
    let mut config = CodeGenConfig::default();
    config.generate_views = false;
    config.generate_json = true;
    config.gate_impls_on_crate_features = true;
    config.generate_with_setters = false;
    config.emit_register_fn = false;
    config.file_per_package = true;
    config
}

/// Compares the committed messages of `package` with those of the `.proto` file.
fn assert_messages(package: &str, name: &str, config: &CodeGenConfig) {
    let files = buffa_codegen::generate(&parse(&[name]).file, &[name.to_owned()], config).unwrap();
    let [file] = files.as_slice() else { panic!("{} files", files.len()) };
    let tokens = syn::parse_file(&file.content).unwrap();
    let header = format!("// Made from {name} by a test of mprpc-build, which says when it is out of date.\n\n");
    assert_committed(&format!("{package}.rs"), format!("{header}{}", prettyplease::unparse(&tokens)).as_bytes());
}

#[test]
fn committed_error_details_match_the_proto_file() {
    assert_messages("google.rpc", "google/rpc/error_details.proto", &messages());
}

#[test]
fn committed_health_messages_match_the_proto_file() {
    assert_messages("grpc.health.v1", "grpc/health/v1/health.proto", &messages());
}

#[test]
fn committed_reflection_messages_match_the_proto_file() {
    assert_messages("grpc.reflection.v1", "grpc/reflection/v1/reflection.proto", &messages());
}

#[test]
fn committed_etcd_messages_match_the_proto_file() {
    let mut config = messages();
    // No user sees these messages: they have no JSON, and what mprpc does not know is left out.
    config.generate_json = false;
    config.preserve_unknown_fields = false;
    assert_messages("etcdserverpb", "etcd/rpc.proto", &config);
}

#[test]
fn committed_descriptors_match_the_proto_files() {
    let mut set = parse(&BUILT_IN);
    for file in &mut set.file {
        file.source_code_info = Default::default();
    }
    assert_committed("built_in.binpb", &set.encode_to_vec());
}

/// The files that mprpc contains, so that no generated code has to: those of the built-in services, the well-known types,
/// and the options.
const BUILT_IN: [&str; 18] = [
    "google/api/annotations.proto",
    "google/api/http.proto",
    "google/protobuf/any.proto",
    "google/protobuf/api.proto",
    "google/protobuf/descriptor.proto",
    "google/protobuf/duration.proto",
    "google/protobuf/empty.proto",
    "google/protobuf/field_mask.proto",
    "google/protobuf/source_context.proto",
    "google/protobuf/struct.proto",
    "google/protobuf/timestamp.proto",
    "google/protobuf/type.proto",
    "google/protobuf/wrappers.proto",
    "grpc/health/v1/health.proto",
    "grpc/reflection/v1/reflection.proto",
    "grpc/reflection/v1alpha/reflection.proto",
    "google/rpc/error_details.proto",
    "mprpc/options.proto",
];
