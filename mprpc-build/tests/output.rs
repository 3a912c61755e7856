//! The content of the generated text. The package in `generated/` tests that the text compiles and works.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::path::Path;

use mprpc_build::Config;

const USER: &str = r#"
syntax = "proto3";
package app;
message User { string name = 1; }
// Keeps users.
service Users {
  // Finds one.
  rpc Get(User) returns (User) { option idempotency_level = NO_SIDE_EFFECTS; }
  rpc Old(User) returns (User) { option deprecated = true; }
}
"#;

fn compile(folder: &Path, config: Config) {
    std::fs::write(folder.join("user.proto"), USER).unwrap();
    Config { out_dir: Some(folder.join("out")), ..config }.compile(&[folder.join("user.proto")]).unwrap();
}

fn read(folder: &Path, name: &str) -> String {
    std::fs::read_to_string(folder.join("out").join(name)).unwrap()
}

#[test]
fn generated_paths_name_no_crate_but_mprpc() {
    let folder = tempfile::tempdir().unwrap();
    compile(folder.path(), Config::default());
    for name in ["mprpc.app.rs", "mprpc-json.app.rs"] {
        let text = read(folder.path(), name);
        for root in ["buffa", "buffa_types", "serde", "serde_json"] {
            for (place, found) in text.match_indices(&format!("::{root}::")) {
                let before = &text[..place];
                assert!(before.ends_with("::mprpc::codegen"), "{name}: {}{found}", &before[before.len() - 60..]);
            }
        }
    }
}

#[test]
fn json_has_its_own_file_and_is_optional() {
    let folder = tempfile::tempdir().unwrap();
    compile(folder.path(), Config::default());
    assert!(read(folder.path(), "mprpc-json.app.rs").contains("codegen::serde"));
    assert!(!read(folder.path(), "mprpc.app.rs").contains("serde"));
    compile(folder.path(), Config { json: false, ..Config::default() });
    assert_eq!(read(folder.path(), "mprpc-json.app.rs"), "include!(\"mprpc.app.rs\");\n");
}

#[test]
fn comments_and_options_are_carried_over() {
    let folder = tempfile::tempdir().unwrap();
    compile(folder.path(), Config::default());
    let text = read(folder.path(), "mprpc.app.rs");
    assert!(text.contains("/// Keeps users.\npub trait Users"), "{text}");
    assert!(text.contains("/// Finds one.\n    fn get("), "{text}");
    assert!(text.contains("#[deprecated]\n    pub fn old("), "{text}");
    assert!(text.contains("::mprpc::codegen::Idempotency::NoSideEffects"), "{text}");
}

#[test]
fn options_of_mprpc_need_no_file_and_generate_none() {
    let folder = tempfile::tempdir().unwrap();
    let text = "syntax = \"proto3\";\npackage app;\nimport \"mprpc/options.proto\";\nmessage A {}\nservice S {\n\
        rpc Get(A) returns (A) { option (mprpc.placement) = BLOCKING; }\n}\n";
    std::fs::write(folder.path().join("app.proto"), text).unwrap();
    // A copy of the options for other compilers is not read.
    std::fs::create_dir(folder.path().join("mprpc")).unwrap();
    std::fs::write(folder.path().join("mprpc/options.proto"), "no proto").unwrap();
    Config { out_dir: Some(folder.path().join("out")), ..Config::default() }
        .compile(&[folder.path().join("app.proto")])
        .unwrap();
    assert!(read(folder.path(), "mprpc.app.rs").contains(".placed(::mprpc::codegen::Placement::Blocking)"));
    assert!(!folder.path().join("out/mprpc.mprpc.rs").exists());
}

#[test]
fn unchanged_files_are_not_written_again() {
    let folder = tempfile::tempdir().unwrap();
    compile(folder.path(), Config::default());
    let file = folder.path().join("out/mprpc.app.rs");
    let first = file.metadata().unwrap().modified().unwrap();
    compile(folder.path(), Config::default());
    assert_eq!(file.metadata().unwrap().modified().unwrap(), first);
}

#[test]
fn packages_of_another_crate_are_referenced_but_not_generated() {
    let folder = tempfile::tempdir().unwrap();
    compile(folder.path(), Config::default());
    let other = "syntax = \"proto3\";\npackage other;\nimport \"user.proto\";\n\
        service S { rpc Get(app.User) returns (app.User); }\n";
    std::fs::write(folder.path().join("other.proto"), other).unwrap();
    let config = Config {
        out_dir: Some(folder.path().join("out2")),
        extern_paths: vec![(".app".into(), "::users::proto::app".into())],
        ..Config::default()
    };
    config.compile(&[folder.path().join("other.proto")]).unwrap();
    let text = std::fs::read_to_string(folder.path().join("out2/mprpc.other.rs")).unwrap();
    assert!(text.contains("request: ::users::proto::app::__buffa::view::UserView<'_>"), "{text}");
    assert!(!folder.path().join("out2/mprpc.app.rs").exists());
}
