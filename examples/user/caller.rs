//! A caller of the user service: `user_caller -i examples/conf/caller_file.conf [COMMAND]`, where COMMAND is
//! `login NAME PASSWORD` or `register ID NAME PASSWORD`. Without a COMMAND it registers a new account and logs in to it.
//!
//! Shows a channel, a client, and the two ways in which a call can fail: the service refuses (errcode and errmsg in the
//! reply), or the call itself fails (a `Status`). The exit status is 0 if every call succeeds.
#![allow(clippy::print_stdout, reason = "printing is what it is for")]

use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use mprpc::{Channel, Error, ErrorKind, Status};
use mprpc_examples::proto::{LoginRequest, RegisterRequest, ResultCode, UserServiceRpcClient};

const USAGE: &str = "usage: user_caller -i FILE [login NAME PASSWORD | register ID NAME PASSWORD]";

fn main() -> Result<ExitCode, Error> {
    // The program accepts the provider's keys too, so that both can share a conf file.
    let config = mprpc::init_with(&["demo", "store"])?;
    let users = UserServiceRpcClient::new(Channel::from_config(&config)?);
    let usage = || Error::new(ErrorKind::Config, USAGE);
    let words: Vec<&str> = config.arguments().iter().map(String::as_str).collect();
    let succeeded = match words[..] {
        ["login", name, password] => login(&users, name, password),
        ["register", id, name, password] => register(&users, id.parse().map_err(|_| usage())?, name, password),
        [] => {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            let (id, name) = (std::process::id(), format!("user-{:x}", now.as_nanos()));
            register(&users, id, &name, "a password") && login(&users, &name, "a password")
        }
        _ => return Err(usage()),
    };
    Ok(if succeeded { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn login(users: &UserServiceRpcClient, name: &str, password: &str) -> bool {
    let request = LoginRequest { name: name.into(), pwd: password.into(), ..Default::default() };
    let outcome =
        users.login(request).wait().map(|reply| (reply.success, reply.result.into_option().unwrap_or_default()));
    said(&format!("Login {name}"), outcome)
}

fn register(users: &UserServiceRpcClient, id: u32, name: &str, password: &str) -> bool {
    let request = RegisterRequest { id, name: name.into(), pwd: password.into(), ..Default::default() };
    let outcome =
        users.register(request).wait().map(|reply| (reply.success, reply.result.into_option().unwrap_or_default()));
    said(&format!("Register {id} {name}"), outcome)
}

/// Prints the outcome of a call, and returns whether the call succeeded.
fn said(call: &str, outcome: Result<(bool, ResultCode), Status>) -> bool {
    match &outcome {
        Ok((true, _)) => println!("{call}: ok"),
        Ok((false, result)) => {
            let ResultCode { errcode, errmsg, .. } = result;
            println!("{call}: refused with errcode {errcode}: {}", String::from_utf8_lossy(errmsg));
        }
        Err(status) => println!("{call}: failed: {status}"),
    }
    matches!(outcome, Ok((true, _)))
}
