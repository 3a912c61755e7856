//! Sends the bytes of the C++ programs to the running providers through a plain socket, and checks the replies.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};

use mprpc::{Channel, Message};
use mprpc_examples::proto::*;

use crate::program::*;

pub(crate) const LOGIN: &str =
    "190000000a0e557365725365727669636552706312054c6f67696e180f0a05637569736d1206313233343536";
const REGISTER: &str =
    "1c0000000a0e557365725365727669636552706312085265676973746572181008d43512036375691a06363636383838";
const FRIENDS: &str = "240000000a10467269656e6453657276696365527063120e476574467269656e64734c69737418020801";
const LOGIN_ZHANGSAN: &str =
    "190000000a0e557365725365727669636552706312054c6f67696e18120a087a68616e6773616e1206313233343536";
const REGISTER_WANGWU: &str =
    "1c0000000a0e557365725365727669636552706312085265676973746572181308d00f120677616e6777751a06363534333231";
const FRIENDS_1000: &str = "240000000a10467269656e6453657276696365527063120e476574467269656e64734c697374180308e807";

pub(crate) const SUCCESS: &str = "0a001001";
const GOLDEN_FRIENDS: &str = "0a0012097a68616e672073616e12056c69207369120777616e67207775";

#[test]
fn golden_requests_get_golden_replies_and_a_close() {
    let (_users, users) = Program::provider(USER_PROVIDER, "--demo=true");
    let (_friends, friends) = Program::provider(FRIEND_PROVIDER, "--demo=true");
    for (address, request, reply) in [
        (&users, LOGIN, SUCCESS),
        (&users, REGISTER, SUCCESS),
        (&users, LOGIN_ZHANGSAN, SUCCESS),
        (&users, REGISTER_WANGWU, SUCCESS),
        (&friends, FRIENDS, GOLDEN_FRIENDS),
        (&friends, FRIENDS_1000, GOLDEN_FRIENDS),
    ] {
        assert_eq!(hex(&exchange(address, &bytes(request))), reply, "{request}");
    }
    // The name is taken now.
    let refused = RegisterResponse::decode_from_slice(&exchange(&users, &bytes(REGISTER))).unwrap();
    assert_eq!((refused.success, refused.result.errcode), (false, 2));
}

#[test]
fn caller_that_half_closes_after_its_request_is_answered() {
    let (_users, address) = Program::provider(USER_PROVIDER, "--demo=true");
    let mut socket = connect(&address);
    socket.write_all(&bytes(LOGIN)).unwrap();
    socket.shutdown(Shutdown::Write).unwrap();
    assert_eq!(hex(&to_the_end(&mut socket)), SUCCESS);
}

#[test]
fn channel_calls_in_the_classic_protocol() {
    let (_users, users) = Program::provider(USER_PROVIDER, "--demo=true");
    let (_friends, friends) = Program::provider(FRIEND_PROVIDER, "--demo=true");
    let users = UserServiceRpcClient::new(Channel::new(&format!("classic:{users}")).unwrap());
    let friends = FriendServiceRpcClient::new(Channel::new(&format!("classic:{friends}")).unwrap());
    let login = |pwd: &str| LoginRequest { name: b"cuism".to_vec(), pwd: pwd.into(), ..Default::default() };
    assert!(users.login(login("123456")).wait().unwrap().success);
    assert_eq!(users.login(login("654321")).wait().unwrap().result.errmsg, b"wrong name or password");
    let reply = friends.get_friends_list(GetFriendsListRequest { userid: 1, ..Default::default() }).wait().unwrap();
    assert_eq!(hex(&reply.encode_to_vec()), GOLDEN_FRIENDS);
}

pub(crate) fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(crate) fn connect(address: &str) -> TcpStream {
    let socket = TcpStream::connect(address).unwrap();
    socket.set_nodelay(true).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket
}

/// Reads up to the FIN. A reset is an error.
fn to_the_end(socket: &mut TcpStream) -> Vec<u8> {
    let mut reply = Vec::new();
    socket.read_to_end(&mut reply).unwrap();
    reply
}

/// Sends a request over a new connection, and reads the reply up to the FIN.
pub(crate) fn exchange(address: &str, request: &[u8]) -> Vec<u8> {
    let mut socket = connect(address);
    socket.write_all(request).unwrap();
    to_the_end(&mut socket)
}

/// Asserts that the golden login still succeeds.
pub(crate) fn assert_lives(address: &str, after: &str) {
    assert_eq!(hex(&exchange(address, &bytes(LOGIN))), SUCCESS, "after {after}");
}
