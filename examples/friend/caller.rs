//! A caller of the friend service: `friend_caller -i examples/conf/caller_file.conf [USER_ID]...`
//!
//! Shows blocking calls on a plain thread, one after the other. The exit status is 0 if every call succeeds.
#![allow(clippy::print_stdout, reason = "printing is what it is for")]

use std::process::ExitCode;

use mprpc::{Channel, Error, ErrorKind};
use mprpc_examples::proto::{FriendServiceRpcClient, GetFriendsListRequest};

fn main() -> Result<ExitCode, Error> {
    // The program accepts the provider's keys too, so that both can share a conf file.
    let config = mprpc::init_with(&["demo"])?;
    let friends = FriendServiceRpcClient::new(Channel::from_config(&config)?);
    let mut ids = Vec::new();
    for word in config.arguments() {
        let wrong = |_| Error::new(ErrorKind::Config, format!("'{word}' is no number of an account"));
        ids.push(word.parse::<u32>().map_err(wrong)?);
    }
    if ids.is_empty() {
        ids.push(1);
    }
    let mut exit = ExitCode::SUCCESS;
    for userid in ids {
        let reply = friends.get_friends_list(GetFriendsListRequest { userid, ..Default::default() }).wait();
        match reply {
            Ok(reply) if reply.result.errcode == 0 => {
                let names: Vec<_> = reply.friends.iter().map(|name| String::from_utf8_lossy(name)).collect();
                println!("GetFriendsList {userid}: {}", names.join(", "));
            }
            Ok(reply) => {
                let errmsg = String::from_utf8_lossy(&reply.result.errmsg);
                println!("GetFriendsList {userid}: refused with errcode {}: {errmsg}", reply.result.errcode);
                exit = ExitCode::FAILURE;
            }
            Err(status) => {
                println!("GetFriendsList {userid}: failed: {status}");
                exit = ExitCode::FAILURE;
            }
        }
    }
    Ok(exit)
}
