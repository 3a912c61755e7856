//! Calls of a generated service by its HTTP paths, over a socket: values of every type pass from a query into a message.
#![cfg(feature = "json")]
#![allow(
    clippy::unwrap_used,
    reason = "a panic is how a test fails; clippy sees that only in functions marked as tests"
)]

use std::io::{Read, Write};
use std::net::TcpStream;

use mprpc::well_known::Empty;
use mprpc::{Address, Context, MessageView, Server, ServerHandle, Status, Streaming};
use mprpc_codegen_tests::proto::http::v1::{Echoes, EchoesServer, Values, ValuesView};
use mprpc_codegen_tests::proto::library::v1::{Book, Books, BooksServer, FindRequestView, Reader, ReaderView};

struct Echo;

impl Echoes for Echo {
    async fn echo(&self, _: &Context, request: ValuesView<'_>) -> Result<Values, Status> {
        request.to_owned_message().map_err(|error| Status::internal(error.to_string()))
    }
}

impl Books for Echo {
    async fn get_book(&self, _: &Context, _: FindRequestView<'_>) -> Result<Book, Status> {
        Ok(Book::default())
    }

    async fn set_book(&self, _: &Context, _: FindRequestView<'_>) -> Result<Empty, Status> {
        Ok(Empty::default())
    }

    async fn watch(&self, _: &Context, request: ReaderView<'_>) -> Result<Streaming<Book>, Status> {
        let copies = i64::try_from(request.number).map_err(|_| Status::out_of_range("too many"))?;
        let book = move |copies: i64| match copies {
            0 => Err(Status::data_loss("no book")),
            copies => Ok(Book { copies, ..Default::default() }),
        };
        Ok(Streaming::of((0..=copies).rev()).map(book))
    }

    async fn follow(&self, cx: &Context, request: ReaderView<'_>) -> Result<Streaming<Book>, Status> {
        self.watch(cx, request).await
    }

    async fn load(&self, _: &Context, _: Streaming<Book>) -> Result<Reader, Status> {
        Ok(Reader::default())
    }
}

fn server() -> ServerHandle {
    let server = Server { loops: 1, ..Server::default() };
    server.add(EchoesServer::new(Echo)).add(BooksServer::new(Echo)).start().unwrap()
}

/// Sends a request, and returns the status and the body of the response.
fn ask(server: &ServerHandle, method: &str, path: &str, body: &str) -> (u16, String) {
    let Address::Tcp(address) = &server.addresses()[0] else { panic!("no TCP address") };
    let mut stream = TcpStream::connect(address).unwrap();
    let length = body.len();
    let head =
        format!("{method} {path} HTTP/1.1\r\nhost: test\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n");
    stream.write_all(format!("{head}{body}").as_bytes()).unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).unwrap();
    let (head, body) = response.split_once("\r\n\r\n").unwrap();
    (head[9..12].parse().unwrap(), body.to_owned())
}

#[test]
fn values_of_every_type_pass_from_a_query_into_a_message() {
    let server = server();
    for (query, fields) in [
        ("is_open=true", r#""isOpen":true"#),
        ("small=-7&big=-9007199254740993", r#""small":-7,"big":"-9007199254740993""#),
        ("large=18446744073709551615", r#""large":"18446744073709551615""#),
        ("half=1.5&ratio=-2.5e300", r#""half":1.5,"ratio":-2.5e+300"#),
        ("half=NaN&ratio=-Infinity", r#""half":"NaN","ratio":"-Infinity""#),
        ("data=-_8", r#""data":"+/8=""#),
        ("color=COLOR_BLUE", r#""color":"COLOR_BLUE""#),
        ("colors=1&colors=COLOR_UNSPECIFIED", r#""colors":["COLOR_BLUE","COLOR_UNSPECIFIED"]"#),
        ("numbers=1&numbers=4294967295&ratios=1e3", r#""numbers":[1,4294967295],"ratios":[1000.0]"#),
        ("inner.inner.isOpen=true&inner.small=1", r#""inner":{"small":1,"inner":{"isOpen":true}}"#),
        ("made_at=1970-01-01T00:00:01Z", r#""madeAt":"1970-01-01T00:00:01Z""#),
        ("took=1.5s", r#""took":"1.500s""#),
        ("mask=a.b,isOpen", r#""mask":"a.b,isOpen""#),
        ("flag=true&count=7&note=n", r#""flag":true,"count":"7","note":"n""#),
        ("weight=1.5&blob=AP8%3D", r#""weight":1.5,"blob":"AP8=""#),
        ("number=5", r#""number":"5""#),
        ("text=%C3%A4%22", r#""text":"ä\"""#),
        ("maybe=0", r#""maybe":"0""#),
    ] {
        let answer = ask(&server, "GET", &format!("/v1/echo/names/7?{query}"), "");
        assert_eq!(answer, (200, format!("{{\"name\":\"names/7\",{fields}}}")), "{query}");
    }
}

#[test]
fn bodies_and_parts_of_replies_follow_their_rule() {
    let server = server();
    let body = r#"{"inner":{"name":"no","is_open":true},"name":"n"}"#;
    let expected = r#"{"name":"n","inner":{"name":"7","isOpen":true}}"#;
    assert_eq!(ask(&server, "POST", "/v1/echo/7", body), (200, expected.to_owned()));
    assert_eq!(ask(&server, "PUT", "/v1/echo/n", r#"{"small":1}"#), (200, r#"{"small":1}"#.to_owned()));
    assert_eq!(ask(&server, "PUT", "/v1/echo/n", ""), (200, "null".to_owned()));
    assert_eq!(ask(&server, "GET", "/v1/part?is_open=true", ""), (200, "true".to_owned()));
    assert_eq!(ask(&server, "GET", "/v1/part", ""), (200, "false".to_owned()));
}

#[test]
fn values_that_are_no_values_of_their_type_are_refused() {
    let server = server();
    for (query, part) in [
        ("made_at=today", "field made_at takes the JSON form of google.protobuf.Timestamp, and got"),
        ("took=long", "field took takes the JSON form of google.protobuf.Duration, and got"),
        ("number=5&text=x", "choice"),
        ("flag=1", "field flag takes true or false"),
    ] {
        let (status, body) = ask(&server, "GET", &format!("/v1/part?{query}"), "");
        assert!(status == 400 && body.starts_with(r#"{"code":"invalid_argument""#), "{query}: {body}");
        assert!(body.contains(part), "{query}: {body}");
    }
    for body in [r#"{"small":1"#, r#"{"small":1},"name":"x""#, "{]}"] {
        assert_eq!(ask(&server, "PUT", "/v1/echo/n", body).0, 400, "{body}");
        assert_eq!(ask(&server, "POST", "/v1/echo/n", body).0, 400, "{body}");
    }
}

#[test]
fn stream_of_replies_is_a_line_for_each_reply() {
    let server = server();
    let (status, body) = ask(&server, "GET", "/v1/books?number=2", "");
    // Each reply is a chunk.
    let lines: Vec<&str> = body.lines().filter(|line| line.starts_with('{')).collect();
    let expected = [
        r#"{"result":{"copies":"2"}}"#,
        r#"{"result":{"copies":"1"}}"#,
        r#"{"error":{"code":"data_loss","message":"no book"}}"#,
    ];
    assert_eq!((status, &lines[..]), (200, &expected[..]), "{body}");
    let (status, body) = ask(&server, "GET", "/v1/books?number=18446744073709551615", "");
    assert_eq!((status, &*body), (400, r#"{"code":"out_of_range","message":"too many"}"#));
}
