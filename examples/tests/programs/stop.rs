//! SIGTERM: the provider withdraws, drains and exits with 0. A second SIGTERM ends the process at once.

use std::time::Instant;

use mprpc::Channel;
use mprpc_examples::proto::{LoginRequest, UserServiceRpcClient};

use crate::program::*;

#[test]
fn provider_withdraws_and_exits_with_0_on_sigterm() {
    let folder = Folder::new();
    let (mut provider, address) = Program::registered(USER_PROVIDER, &format!("--demo=true {}", folder.registry()));
    // A connection that stays open does not delay the exit.
    let users = UserServiceRpcClient::new(Channel::new(&address).unwrap());
    let login = LoginRequest { name: b"cuism".to_vec(), pwd: b"123456".to_vec(), ..Default::default() };
    assert!(users.login(login).wait().unwrap().success);
    assert_eq!(entries(&folder), 1);
    provider.terminate();
    assert_eq!(provider.process.wait().unwrap().code(), Some(0));
    assert_eq!(entries(&folder), 0, "the registration is still there");
}

#[test]
fn second_sigterm_ends_the_provider_at_once() {
    let folder = Folder::new();
    let stops_slowly = folder.conf("limits.withdraw_grace = 1h\n");
    let (mut provider, _) = Program::registered(USER_PROVIDER, &format!("{stops_slowly} {}", folder.registry()));
    provider.terminate();
    eventually("the registration is withdrawn", || entries(&folder) == 0);
    assert!(provider.is_running());
    let begin = Instant::now();
    provider.terminate();
    assert_eq!(provider.process.wait().unwrap().code(), Some(130));
    assert!(begin.elapsed() < PATIENCE);
}

/// The number of providers of the user service in the registry.
fn entries(folder: &Folder) -> usize {
    std::fs::read_dir(folder.path("registry").join("fixbug.UserServiceRpc")).map_or(0, Iterator::count)
}
