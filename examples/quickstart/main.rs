//! The whole of mprpc in one run: `cargo run --release -p mprpc-examples --bin quickstart`.
//!
//! Starts two providers, calls them through a registry, kills one with SIGKILL and keeps calling: no call fails.
#![allow(clippy::print_stdout, reason = "printing is what it is for")]

mod provider;

use std::error::Error;

use mprpc::{Channel, Status};
use mprpc_examples::proto::*;

use self::provider::Provider;

fn main() -> Result<(), Box<dyn Error>> {
    // A provider is this program, started again as a process of its own.
    let arguments: Vec<String> = std::env::args().collect();
    if let [_, role, registry, store] = &arguments[..]
        && role == provider::ROLE
    {
        return Ok(provider::run(registry, store)?);
    }
    // On every return from this function, the providers stop first; then the folder is removed.
    let folder = tempfile::tempdir()?;
    let registry = format!("file:{}", folder.path().join("registry").display());
    let store = folder.path().join("accounts.redb").display().to_string();
    let mut first = Provider::start(&registry, &store)?;
    let mut second = Provider::start(&registry, &store)?;
    println!(
        "started provider {} at {} and provider {} at {}",
        first.pid(),
        first.address,
        second.pid(),
        second.address
    );

    let channel = Channel::new(&registry)?;
    let users = UserServiceRpcClient::new(channel.clone());
    let friends = FriendServiceRpcClient::new(channel);
    println!("found both in {registry}");

    let cui = RegisterRequest { id: 6868, name: "cui".into(), pwd: "666888".into(), ..Default::default() };
    let reply = users.register(cui).wait()?;
    granted("register cui", &reply.result)?;
    println!("registered the account cui, which both keep in one store");
    login(&users, "cui", "666888")?;
    println!("logged in as cui");
    println!("listed the friends of cui: {}", list_friends(&friends, 6868)?);

    first.kill()?;
    println!("killed provider {} with SIGKILL", first.pid());
    for _ in 0..100 {
        login(&users, "cuism", "123456")?;
        list_friends(&friends, 1)?;
    }
    println!("logged in as cuism and listed friends 100 times more, without a failed call");

    second.kill()?;
    println!("stopped provider {}", second.pid());
    Ok(())
}

fn login(users: &UserServiceRpcClient, name: &str, password: &str) -> Result<(), Status> {
    let request = LoginRequest { name: name.into(), pwd: password.into(), ..Default::default() };
    granted("login", &users.login(request).wait()?.result)
}

fn list_friends(friends: &FriendServiceRpcClient, userid: u32) -> Result<String, Status> {
    let reply = friends.get_friends_list(GetFriendsListRequest { userid, ..Default::default() }).wait()?;
    granted("list friends", &reply.result)?;
    let names: Vec<_> = reply.friends.iter().map(|name| String::from_utf8_lossy(name)).collect();
    Ok(names.join(", "))
}

/// Checks the result in a reply. The service may refuse even if the call itself succeeds.
fn granted(what: &str, result: &ResultCode) -> Result<(), Status> {
    match result.errcode {
        0 => Ok(()),
        _ => Err(Status::failed_precondition(format!("{what}: {}", String::from_utf8_lossy(&result.errmsg)))),
    }
}
