//! Sends our providers the inputs that break the C++ providers. Each input ends as CLASSIC's table says, and the provider
//! stays up.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use mprpc::Message;
use mprpc_examples::proto::{LoginRequest, LoginResponse};

use crate::classic::{LOGIN, assert_lives, bytes, connect, exchange};
use crate::program::*;

/// Length of the golden login before its args, in bytes.
const ARGS_AT: usize = 29;

#[test]
fn invalid_request_closes_the_connection_at_once_and_is_logged_once() {
    // The provider has the default timeouts of 10 s.
    let (users, address) = Program::provider(USER_PROVIDER, "--demo=true");
    let unknown_service = bytes(LOGIN).iter().map(|&b| if b == b'U' { b'V' } else { b }).collect();
    let unknown_method = bytes(LOGIN).iter().map(|&b| if b == b'g' { b'G' } else { b }).collect();
    let mut args_that_do_not_parse = bytes(LOGIN);
    args_that_do_not_parse[ARGS_AT..].fill(0xff);
    for (what, input) in [
        ("an unknown service", unknown_service),
        ("an unknown method", unknown_method),
        ("a header that does not parse", bytes("020000000a05")),
        ("args that do not parse", args_that_do_not_parse),
        ("args beyond the limit", request("Login", 17 << 20)),
        ("a broken HTTP/2 preface", b"PRI * HTTP/2.0\r\n\r\nsm\r\n\r\n".to_vec()),
        ("a TLS hello", bytes("16030100c8010000c40303").into_iter().chain([7; 194]).collect()),
        ("4 zero bytes", vec![0; 4]),
        ("header_size = 0xffffffff", vec![0xff; 4]),
        ("garbage", b"garbage\n".to_vec()),
        ("much garbage", b"0123456789abcdef".repeat(4 << 10)),
    ] {
        let begin = Instant::now();
        let mut socket = sent(&address, &input);
        // Only TLS has a message for this case: the alert unexpected_message.
        let answer = if what == "a TLS hello" { bytes("1503030002020a") } else { Vec::new() };
        assert_answered(&mut socket, &answer, what);
        assert!(begin.elapsed() < Duration::from_secs(5), "{what} took {:?}", begin.elapsed());
        let us = format!("peer={} ", socket.local_addr().unwrap());
        eventually("a line of the log that names us", || users.log().contains(&us));
        assert_eq!(users.log().matches(&us).count(), 1, "{what}");
        assert_lives(&address, what);
    }
}

#[test]
fn incomplete_request_closes_the_connection_after_the_timeout() {
    let limits = "limits.first_byte_timeout = 300ms\nlimits.read_timeout = 300ms\ndemo = true\n";
    let folder = Folder::new();
    let (_users, address) = Program::provider(USER_PROVIDER, &folder.conf(limits));
    let mut longer_args = bytes(LOGIN);
    longer_args[ARGS_AT - 1] += 5;
    let mut sockets: Vec<_> = [
        ("nothing", vec![]),
        ("1 byte", bytes(LOGIN)[..1].to_vec()),
        ("2 bytes", bytes(LOGIN)[..2].to_vec()),
        ("3 bytes", bytes(LOGIN)[..3].to_vec()),
        ("header_size = 100 and nothing more", bytes("64000000")),
        ("a header cut off", bytes(LOGIN)[..20].to_vec()),
        ("a header without its args", bytes(LOGIN)[..ARGS_AT].to_vec()),
        ("args cut off", bytes(LOGIN)[..40].to_vec()),
        ("args_size larger than the args", longer_args),
        ("half of the native preface", b"\x89MPR".to_vec()),
    ]
    .into_iter()
    .map(|(what, input)| (what, Instant::now(), sent(&address, &input)))
    .collect();
    for (what, begin, socket) in &mut sockets {
        assert_closed(socket, what);
        assert!(begin.elapsed() >= Duration::from_millis(300), "{what} was closed after {:?}", begin.elapsed());
        assert_lives(&address, what);
    }
}

#[test]
fn request_may_arrive_in_pieces() {
    let (_users, address) = Program::provider(USER_PROVIDER, "--demo=true");
    let login = bytes(LOGIN);
    for cut in [1, 3, 4, 15, ARGS_AT, 36] {
        let mut socket = sent(&address, &login[..cut]);
        // The sleep synchronises nothing; it makes the caller slow.
        std::thread::sleep(Duration::from_millis(20));
        socket.write_all(&login[cut..]).unwrap();
        let mut reply = Vec::new();
        socket.read_to_end(&mut reply).unwrap();
        assert_eq!(reply, bytes("0a001001"), "cut at {cut}");
    }
}

#[test]
fn args_of_a_mebibyte_are_served() {
    let (_users, address) = Program::provider(USER_PROVIDER, "--demo=true");
    let login = LoginRequest { name: vec![b'x'; 1 << 20], ..Default::default() }.encode_to_vec();
    let mut input = request("Login", login.len());
    input.extend(login);
    let reply = LoginResponse::decode_from_slice(&exchange(&address, &input)).unwrap();
    assert_eq!((reply.success, reply.result.errcode), (false, 1));
    assert_lives(&address, "args of 1 MiB");
}

#[test]
fn first_of_two_requests_on_a_connection_is_answered() {
    let (_users, address) = Program::provider(USER_PROVIDER, "--demo=true");
    let mut two = bytes(LOGIN);
    two.extend(bytes(LOGIN));
    assert_eq!(exchange(&address, &two), bytes("0a001001"));
    assert_lives(&address, "two requests");
}

/// Encodes the beginning of a request to UserServiceRpc, up to its args.
fn request(method: &str, args_bytes: usize) -> Vec<u8> {
    let mut header = b"\x0a\x0eUserServiceRpc\x12".to_vec();
    header.push(method.len() as u8);
    header.extend(method.as_bytes());
    header.push(0x18);
    let mut rest = args_bytes;
    while rest >= 0x80 {
        header.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    header.push(rest as u8);
    [&(header.len() as u32).to_le_bytes()[..], &header].concat()
}

/// Opens a connection and sends `input`. The peer may close the connection before it has read everything.
fn sent(address: &str, input: &[u8]) -> TcpStream {
    let mut socket = connect(address);
    let _ = socket.write_all(input);
    socket
}

/// Asserts that the peer closes without sending a byte. The kernel sends a reset if the peer left bytes unread.
fn assert_closed(socket: &mut TcpStream, after: &str) {
    assert_answered(socket, b"", after);
}

/// Asserts that the peer sends exactly `answer` and closes.
fn assert_answered(socket: &mut TcpStream, answer: &[u8], after: &str) {
    let mut reply = Vec::new();
    match socket.read_to_end(&mut reply) {
        Ok(_) => {}
        Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset, "after {after}"),
    }
    assert_eq!(reply, answer, "after {after}");
}
