//! Providers and callers that meet in a file registry, and accounts that persist.

use crate::program::*;

#[test]
fn callers_find_providers_in_the_registry_of_their_conf_file() {
    let folder = Folder::new();
    let conf = folder.conf(&format!("registry = file:{}\nlisten = 127.0.0.1:0\n", folder.path("registry").display()));
    let (_users, _) = Program::registered(USER_PROVIDER, &conf);
    let (_friends, _) = Program::registered(FRIEND_PROVIDER, &conf);

    let (succeeded, output) = run(USER_CALLER, &conf);
    let lines: Vec<&str> = output.lines().collect();
    assert!(succeeded && lines.len() == 2, "{output}");
    assert!(lines[0].starts_with("Register ") && lines[1].starts_with("Login "), "{output}");
    assert!(lines.iter().all(|line| line.ends_with(": ok")), "{output}");

    let (succeeded, output) = run(FRIEND_CALLER, &format!("{conf} 1 2000"));
    assert!(succeeded, "{output}");
    assert_eq!(output, "GetFriendsList 1: zhang san, li si, wang wu\nGetFriendsList 2000: cuism\n");
}

#[test]
fn refused_caller_prints_the_reason_and_fails() {
    let (_users, address) = Program::provider(USER_PROVIDER, "--demo=true");
    for (command, line) in [
        ("login cuism wrong", "Login cuism: refused with errcode 1: wrong name or password\n"),
        ("login nobody 123456", "Login nobody: refused with errcode 1: wrong name or password\n"),
        ("register 7 cuism 654321", "Register 7 cuism: refused with errcode 2: the name 'cuism' is taken\n"),
        ("login cuism 654321", "Login cuism: refused with errcode 1: wrong name or password\n"),
    ] {
        // The caller uses the native protocol first, then that of the C++ programs.
        for target in [address.clone(), format!("classic:{address}")] {
            assert_eq!(run(USER_CALLER, &format!("--registry={target} {command}")), (false, line.to_owned()));
        }
    }
    let (_friends, address) = Program::provider(FRIEND_PROVIDER, "");
    let (succeeded, output) = run(FRIEND_CALLER, &format!("--registry={address} 1 77"));
    assert!(!succeeded);
    assert!(
        output.ends_with("\nGetFriendsList 77: refused with errcode 1: no account has the number 77\n"),
        "{output}"
    );
}

#[test]
fn accounts_survive_kill_and_are_shared_by_the_providers_of_a_store() {
    let folder = Folder::new();
    let store = folder.path("accounts.redb");
    let arguments = format!("--log.level=trace --store={}", store.display());
    let (mut first, address) = Program::provider(USER_PROVIDER, &arguments);
    let (second, second_address) = Program::provider(USER_PROVIDER, &arguments);
    let (succeeded, output) = run(USER_CALLER, &format!("--registry={address} register 5 anna open-sesame"));
    assert!(succeeded, "{output}");
    first.process.kill().unwrap();
    first.process.wait().unwrap();

    let (_third, third_address) = Program::provider(USER_PROVIDER, &arguments);
    for address in [second_address, third_address] {
        let (succeeded, output) = run(USER_CALLER, &format!("--registry={address} login anna open-sesame"));
        assert!(succeeded, "{output}");
        let (succeeded, output) = run(USER_CALLER, &format!("--registry={address} register 6 anna another"));
        assert!(!succeeded && output.contains("the name 'anna' is taken"), "{output}");
    }
    let bytes = std::fs::read(store).unwrap();
    let holds = |text: &[u8]| bytes.windows(text.len()).any(|window| window == text);
    assert!(holds(b"anna") && holds(b"$argon2id$"), "what a store holds");
    assert!(!holds(b"open-sesame"), "the password is on the disk in clear text");
    for provider in [&first, &second] {
        assert!(!provider.log().contains("open-sesame"), "the password is in the log");
    }
}

#[test]
fn caller_without_provider_fails_and_names_the_registry() {
    let folder = Folder::new();
    for caller in [USER_CALLER, FRIEND_CALLER] {
        let (succeeded, output) = run(caller, &folder.registry());
        assert!(!succeeded);
        assert!(
            output.contains("UNAVAILABLE") && output.contains(&folder.registry()["--registry=".len()..]),
            "{output}"
        );
        let (succeeded, output) = run(caller, "--registry=127.0.0.1:1");
        assert!(!succeeded && output.contains("127.0.0.1:1"), "{output}");
        let (succeeded, output) = run(caller, "");
        assert!(!succeeded && output.contains("--registry=URL"), "{output}");
    }
}

#[test]
fn provider_that_cannot_start_names_the_cause() {
    let (_first, address) = Program::provider(USER_PROVIDER, "");
    let folder = Folder::new();
    let missing = folder.path("missing").join("accounts.redb").display().to_string();
    for (binary, arguments, part) in [
        (USER_PROVIDER, format!("--listen={address}"), address),
        (USER_PROVIDER, format!("--store={missing}"), missing),
        (USER_PROVIDER, "--demo=maybe".into(), "neither true nor false".into()),
        (FRIEND_PROVIDER, "-i missing.conf".into(), "missing.conf".into()),
        (FRIEND_PROVIDER, "--registry=list:127.0.0.1:1".into(), "nothing can be registered".into()),
    ] {
        let (succeeded, output) = run(binary, &arguments);
        assert!(!succeeded);
        assert!(output.contains(&part) && output.lines().count() == 1, "{arguments}: {output}");
    }
}
