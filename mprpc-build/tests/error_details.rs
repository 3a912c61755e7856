//! The committed code of the `google.rpc` messages matches its `.proto` file. The test rewrites the code if it does not.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::path::Path;

use buffa::Message;
use buffa_codegen::CodeGenConfig;
use buffa_codegen::generated::descriptor::FileDescriptorSet;

const HEADER: &str =
    "// Made from google/rpc/error_details.proto by a test of mprpc-build, which says when it is out of date.\n\n";

#[test]
fn committed_error_details_match_the_proto_file() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../mprpc/proto");
    let name = "google/rpc/error_details.proto";
    let mut compiler = protox::Compiler::new([&folder]).unwrap();
    compiler.include_source_info(true).include_imports(true).open_file(name).unwrap();
    let set = FileDescriptorSet::decode_from_slice(&compiler.encode_file_descriptor_set()).unwrap();
    let mut config = CodeGenConfig::default();
    config.generate_views = false;
    config.generate_json = true;
    config.gate_impls_on_crate_features = true;
    config.generate_with_setters = false;
    config.emit_register_fn = false;
    config.file_per_package = true;
    let files = buffa_codegen::generate(&set.file, &[name.to_owned()], &config).unwrap();
    let [file] = files.as_slice() else { panic!("{} files", files.len()) };
    let tokens = syn::parse_file(&file.content).unwrap();
    let text = format!("{HEADER}{}", prettyplease::unparse(&tokens));
    let path = folder.join("google.rpc.rs");
    if std::fs::read_to_string(&path).is_ok_and(|old| old == text) {
        return;
    }
    std::fs::write(&path, text).unwrap();
    panic!("mprpc/proto/google.rpc.rs was out of date and is written anew: commit it");
}
