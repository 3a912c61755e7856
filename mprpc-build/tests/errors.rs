//! The errors for faulty `.proto` files: each names the place, as rustc does, and the fault.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::path::Path;

use mprpc_build::{Config, Error};

/// Compiles the first of `files`, writes the others beside it, and returns the error without the folder.
fn error(files: &[(&str, &str)]) -> String {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    let error = compile(folder.path(), files[0].0).unwrap_err();
    assert_eq!(format!("{error:?}"), error.to_string(), "unwrap() in a build script prints Debug");
    error.to_string().replace(&format!("{}/", folder.path().display()), "")
}

fn compile(folder: &Path, file: &str) -> Result<(), Error> {
    let config = Config { out_dir: Some(folder.join("out")), ..Config::default() };
    config.compile(&[folder.join(file)])
}

#[test]
fn descriptor_set_holds_the_files_and_their_imports_or_points_to_the_fault() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write("a.proto", "syntax = \"proto3\"; package p; import \"b.proto\"; message A { B b = 1; }");
    write("b.proto", "syntax = \"proto3\"; package p; message B {}");
    let set = Config::default().descriptor_set(&[folder.path().join("a.proto")]).unwrap();
    let at = |name: &[u8]| set.windows(name.len()).position(|part| part == name).unwrap();
    assert!(at(b"\x0a\x07b.proto") < at(b"\x0a\x07a.proto"), "imports come first");
    write("b.proto", "syntax = \"proto3\"; message 7");
    let error = Config::default().descriptor_set(&[folder.path().join("a.proto")]).unwrap_err().to_string();
    assert!(error.contains("b.proto:1:"), "{error}");
}

#[test]
fn syntax_error_points_to_its_place() {
    let text = "syntax = \"proto3\";\n\nmessage A {\n  string name 1;\n}\n";
    assert_eq!(error(&[("a.proto", text)]), "a.proto:4:15: expected '=', but found '1'");
}

#[test]
fn unknown_type_points_to_its_place() {
    let text = "syntax = \"proto3\";\npackage p;\nmessage A {\n  Missing x = 1;\n}\n";
    let error = error(&[("a.proto", text)]);
    assert!(error.starts_with("a.proto:4:3: ") && error.contains("Missing"), "{error}");
}

#[test]
fn unknown_type_of_a_method_points_to_its_place() {
    let text = "syntax = \"proto3\";\nmessage A {}\nservice S {\n  rpc Get(A) returns (Missing);\n}\n";
    let error = error(&[("a.proto", text)]);
    assert!(error.starts_with("a.proto:4:23: ") && error.contains("Missing"), "{error}");
}

#[test]
fn unknown_import_points_to_the_import() {
    let text = "syntax = \"proto3\";\nimport \"b.proto\";\n";
    assert_eq!(error(&[("a.proto", text)]), "a.proto:2:1: import 'b.proto' not found");
}

#[test]
fn error_in_an_import_points_into_the_import() {
    let importing = "syntax = \"proto3\";\nimport \"b.proto\";\n";
    let error = error(&[("a.proto", importing), ("b.proto", "syntax = \"proto3\";\nmessage {}\n")]);
    assert!(error.starts_with("b.proto:2:9: expected an identifier"), "{error}");
}

#[test]
fn error_names_an_import_cycle() {
    let error = error(&[
        ("a.proto", "syntax = \"proto3\";\nimport \"b.proto\";\n"),
        ("b.proto", "syntax = \"proto3\";\nimport \"a.proto\";\n"),
    ]);
    assert!(error.contains("cycle") && error.contains("b.proto"), "{error}");
}

#[test]
fn error_names_a_missing_file() {
    let folder = tempfile::tempdir().unwrap();
    let error = compile(folder.path(), "none.proto").unwrap_err();
    let path = folder.path().join("none.proto");
    assert_eq!(error.to_string(), format!("{}: no such file", path.display()));
    assert_eq!((error.file(), error.line(), error.column()), (Some(path.as_path()), None, None));
}

#[test]
fn error_names_a_file_that_is_not_text() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.proto"), b"syntax = \"\xff\";").unwrap();
    let error = compile(folder.path(), "a.proto").unwrap_err().to_string();
    assert!(error.ends_with("is not valid utf-8"), "{error}");
}

#[test]
fn message_that_takes_the_name_of_a_client_points_to_the_service() {
    let text = "syntax = \"proto3\";\npackage p;\nmessage UserClient {}\nservice User {}\n";
    assert_eq!(
        error(&[("a.proto", text)]),
        "a.proto:4:9: service `User` generates `UserClient`, and that name is taken"
    );
}

#[test]
fn service_that_takes_the_name_of_a_view_or_server_is_refused() {
    let text = "syntax = \"proto3\";\nmessage User {}\nservice UserView {}\n";
    assert_eq!(
        error(&[("a.proto", text)]),
        "a.proto:3:9: message `User` generates `UserView`, which is the name of this service"
    );
    let text = "syntax = \"proto3\";\nservice UserServer {}\nservice User {}\n";
    assert_eq!(
        error(&[("a.proto", text)]),
        "a.proto:3:9: service `User` generates `UserServer`, and that name is taken"
    );
}

#[test]
fn odd_names_do_not_panic() {
    let text = "syntax = \"proto3\";\nmessage _1 { string _2 = 1; }\n\
        service _ { rpc _(_1) returns (_1); rpc _3(_1) returns (_1); }\n";
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.proto"), text).unwrap();
    let _ = compile(folder.path(), "a.proto");
}

#[test]
fn keyword_whose_other_name_is_taken_points_to_it() {
    let text = "syntax = \"proto3\";\npackage p;\nmessage A {\n  message match {}\n  enum Match_ { X = 0; }\n}\n";
    assert_eq!(
        error(&[("a.proto", text)]),
        "a.proto:4:11: `match` is a keyword of Rust, so the type becomes `Match_`, and that name is taken"
    );
}

#[test]
fn edition_is_refused_with_a_hint() {
    let error = error(&[("a.proto", "edition = \"2023\";\n")]);
    assert!(
        error.starts_with("a.proto:1:1: ") && error.contains("help: the built-in parser knows proto2 and proto3"),
        "{error}"
    );
}

/// Returns the error for a method with this option.
fn error_of_option(import: &str, option: &str) -> String {
    let text = format!(
        "syntax = \"proto3\";\n{import}\nmessage A {{}}\nservice S {{\n  rpc Get(A) returns (A) {{ {option} }}\n}}\n"
    );
    error(&[("a.proto", &text)])
}

#[test]
fn wrong_option_of_mprpc_points_to_its_place() {
    let import = "import \"mprpc/options.proto\";";
    let unknown_value = error_of_option(import, "option (mprpc.placement) = NOWHERE;");
    assert!(unknown_value.starts_with("a.proto:5:") && unknown_value.contains("NOWHERE"), "{unknown_value}");
    let unknown_option = error_of_option(import, "option (mprpc.place) = INLINE;");
    assert!(unknown_option.starts_with("a.proto:5:") && unknown_option.contains("mprpc.place"), "{unknown_option}");
    let no_import = error_of_option("", "option (mprpc.placement) = INLINE;");
    assert!(no_import.starts_with("a.proto:5:") && no_import.contains("mprpc.placement"), "{no_import}");
    let text = "syntax = \"proto3\";\nimport \"mprpc/options.proto\";\n\
        service S {\n  option (mprpc.placement) = INLINE;\n}\n";
    let wrong_place = error(&[("a.proto", text)]);
    assert!(wrong_place.starts_with("a.proto:4:") && wrong_place.contains("mprpc.placement"), "{wrong_place}");
}

#[test]
fn other_option_with_the_number_of_a_known_option_is_refused() {
    let text = "syntax = \"proto2\";\nimport \"google/protobuf/descriptor.proto\";\nmessage A {\n  \
        extend google.protobuf.MethodOptions { optional int32 mine = 57761; }\n}\n";
    assert_eq!(
        error(&[("a.proto", text)]),
        "a.proto:4:42: option `mine` has the number 57761, which is that of (mprpc.placement)"
    );
    let text = "syntax = \"proto2\";\nimport \"google/protobuf/descriptor.proto\";\n\
        extend google.protobuf.MethodOptions { optional string http = 72295728; }\n";
    assert_eq!(
        error(&[("a.proto", text)]),
        "a.proto:3:40: option `http` has the number 72295728, which is that of (google.api.http)"
    );
}

#[test]
fn wrong_http_rule_points_to_the_option() {
    let import = "import \"google/api/annotations.proto\";";
    for (rule, what) in [
        ("get: \"v1\"", "the path `v1` is no template: `/` is missing at character 1"),
        ("get: \"/v1/{id\"", "the path `/v1/{id` is no template: `}` is missing at character 8"),
        ("get: \"/v1/{id}\"", "message `A` has no field `id`"),
        ("get: \"/v1/{tags}\"", "the path holds `tags`, but `tags` is repeated"),
        ("get: \"/v1/{inner}\"", "the path holds `inner`, but `inner` is a message"),
        ("get: \"/v1/{name.first}\"", "the path holds `name.first`, but `name` is no message"),
        ("get: \"/v1/{inner.tags}\"", "the path holds `inner.tags`, but `tags` is repeated"),
        ("get: \"/v1/{inner.inner.last}\"", "message `A` has no field `last`"),
        ("post: \"/v1\" body: \"nothing\"", "body: message `A` has no field `nothing`"),
        ("get: \"/v1\" response_body: \"nothing\"", "response_body: message `A` has no field `nothing`"),
        ("body: \"*\"", "option (google.api.http) names no path"),
        ("custom { path: \"/v1\" }", "option (google.api.http): `` is no method of HTTP"),
        ("custom { kind: \"A B\" path: \"/v1\" }", "option (google.api.http): `A B` is no method of HTTP"),
        ("get: \"/v1\" additional_bindings { get: \"/{id}\" }", "message `A` has no field `id`"),
        (
            "get: \"/v1\" additional_bindings { get: \"/v2\" additional_bindings { get: \"/v3\" } }",
            "an additional binding has additional bindings of its own",
        ),
    ] {
        let text = format!(
            "syntax = \"proto3\";\n{import}\nmessage A {{ repeated string tags = 1; A inner = 2; string name = 3; }}\n\
             service S {{\n  rpc Get(A) returns (A) {{\n    option (google.api.http) = {{ {rule} }};\n  }}\n}}\n"
        );
        assert_eq!(error(&[("a.proto", &text)]), format!("a.proto:6:5: {what}"), "{rule}");
    }
}

#[test]
fn http_rule_without_its_import_points_to_its_place() {
    let error = error_of_option("", "option (google.api.http).get = \"/\";");
    assert!(error.starts_with("a.proto:5:") && error.contains("google.api.http"), "{error}");
}

#[test]
fn invalid_crate_path_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.proto"), "syntax = \"proto3\";\n").unwrap();
    let config = Config { out_dir: Some(folder.path().into()), crate_path: "a b".into(), ..Config::default() };
    let error = config.compile(&[folder.path().join("a.proto")]).unwrap_err().to_string();
    assert!(error.starts_with("Config::crate_path, `a b`, is no path"), "{error}");
}
