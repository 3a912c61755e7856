//! The content of the generated text. The package in `generated/` tests that the text compiles and works.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::path::Path;

use buffa::Message;
use buffa_codegen::generated::descriptor::FileDescriptorSet;
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
fn http_rules_become_static_data_and_their_files_need_no_copy() {
    let folder = tempfile::tempdir().unwrap();
    let text = r#"
syntax = "proto3";
package app;
import "google/api/annotations.proto";
message User { string id = 1; Name name = 2; repeated string tags = 3; }
message Name { string first = 1; }
service Users {
  rpc Get(User) returns (User) {
    option (google.api.http) = {
      get: "/v1/users/{id}"
      response_body: "name"
      additional_bindings { post: "/v1/{name.first=names/*}:get" body: "*" }
      additional_bindings { custom { kind: "HEAD" path: "/v1" } body: "tags" }
    };
  }
  rpc Delete(User) returns (User) { option (google.api.http).delete = "/v1/{id=**}"; }
}
"#;
    std::fs::write(folder.path().join("app.proto"), text).unwrap();
    Config { out_dir: Some(folder.path().join("out")), ..Config::default() }
        .compile(&[folder.path().join("app.proto")])
        .unwrap();
    let text: String = read(folder.path(), "mprpc.app.rs").split_whitespace().collect();
    let rule = |method: &str, template: &str, body: &str, response_body: &str| {
        format!(
            "::mprpc::codegen::HttpRule{{method:\"{method}\",template:\"{template}\",\
             body:::mprpc::codegen::HttpBody::{body},response_body:::core::option::Option::{response_body},}},"
        )
    };
    let get = [
        rule("GET", "/v1/users/{id}", "Empty", "Some(\"name\")"),
        rule("POST", "/v1/{name.first=names/*}:get", "Whole", "None"),
        rule("HEAD", "/v1", "Field(\"tags\")", "None"),
    ];
    let bound: Vec<&str> = text.split(".bound(&[").skip(1).map(|rest| rest.split(']').next().unwrap()).collect();
    assert_eq!(bound, [get.concat(), rule("DELETE", "/v1/{id=**}", "Empty", "None")]);
    assert!(!folder.path().join("out/mprpc.google.api.rs").exists());
}

/// Returns the descriptors of package `app`, decoded.
fn descriptors(folder: &Path) -> FileDescriptorSet {
    FileDescriptorSet::decode_from_slice(&std::fs::read(folder.join("out/mprpc.app.binpb")).unwrap()).unwrap()
}

#[test]
fn descriptors_hold_the_files_of_services_with_their_imports_and_comments() {
    let folder = tempfile::tempdir().unwrap();
    let files = [
        ("other.proto", "syntax = \"proto3\";\npackage other;\nmessage Unused {}\n"),
        (
            "common.proto",
            "syntax = \"proto3\";\npackage common;\nimport \"google/protobuf/any.proto\";\nmessage Id {}\n",
        ),
        (
            "users.proto",
            "syntax = \"proto3\";\npackage app;\nimport \"common.proto\";\nimport \"mprpc/options.proto\";\n\
             // Keeps users.\nservice Users { rpc Get(common.Id) returns (common.Id) { option (mprpc.placement) = INLINE; } }\n",
        ),
    ];
    for (name, text) in files {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    let paths = files.map(|(name, _)| folder.path().join(name));
    let config = Config { out_dir: Some(folder.path().join("out")), ..Config::default() };
    config.compile(&paths).unwrap();
    let set = descriptors(folder.path());
    let names: Vec<_> = set.file.iter().map(|file| file.name.as_deref().unwrap()).collect();
    assert_eq!(names, ["common.proto", "users.proto"], "what others import comes first; mprpc contains the rest");
    let users = &set.file[1];
    let comments: Vec<_> = users.source_code_info.location.iter().map(|at| at.leading_comments.as_deref()).collect();
    assert_eq!(comments, [Some(" Keeps users.\n")]);
    let option = users.service[0].method[0].options.__buffa_unknown_fields.iter().next().unwrap();
    assert_eq!(option.number, 57_761, "options of others are kept");
    let text = read(folder.path(), "mprpc.app.rs");
    assert!(text.contains("include_bytes!(\"mprpc.app.binpb\")"), "{text}");
    assert!(read(folder.path(), "mprpc-json.app.rs").contains("include_bytes!(\"mprpc.app.binpb\")"));
    for package in ["common", "other"] {
        assert!(!folder.path().join(format!("out/mprpc.{package}.binpb")).exists(), "{package} has no service");
    }
}

#[test]
fn descriptors_can_be_left_out() {
    let folder = tempfile::tempdir().unwrap();
    compile(folder.path(), Config { descriptors: false, ..Config::default() });
    assert!(!folder.path().join("out/mprpc.app.binpb").exists());
    let text = read(folder.path(), "mprpc.app.rs");
    assert!(text.contains("files: &[],") && !text.contains("__MPRPC_FILES"), "{text}");
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
