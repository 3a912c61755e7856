//! The operations of the protocol: each request encoded, and beside it its reply decoded.

use bytes::{BufMut, Bytes, BytesMut};

use crate::acl::{Acl, put_acls, read_acls};
use crate::error::Error;
use crate::jute::{Malformed, Reader, put_bool, put_buffer, put_string};
use crate::node::{CreateMode, Stat};
use crate::options::Auth;
use crate::watch::{WatchMode, Watches};

/// The type of a request: `ZooDefs.OpCode` of the servers.
pub(crate) mod code {
    pub(crate) const CREATE: i32 = 1;
    pub(crate) const DELETE: i32 = 2;
    pub(crate) const EXISTS: i32 = 3;
    pub(crate) const GET_DATA: i32 = 4;
    pub(crate) const SET_DATA: i32 = 5;
    pub(crate) const GET_ACL: i32 = 6;
    pub(crate) const SET_ACL: i32 = 7;
    pub(crate) const SYNC: i32 = 9;
    pub(crate) const PING: i32 = 11;
    pub(crate) const GET_CHILDREN2: i32 = 12;
    pub(crate) const CHECK: i32 = 13;
    pub(crate) const MULTI: i32 = 14;
    pub(crate) const CREATE2: i32 = 15;
    pub(crate) const REMOVE_WATCHES: i32 = 18;
    pub(crate) const CREATE_CONTAINER: i32 = 19;
    pub(crate) const CREATE_TTL: i32 = 21;
    pub(crate) const AUTH: i32 = 100;
    pub(crate) const SET_WATCHES2: i32 = 105;
    pub(crate) const ADD_WATCH: i32 = 106;
    pub(crate) const CLOSE_SESSION: i32 = -11;
    pub(crate) const ERROR: i32 = -1;
}

/// The numbers of packets that are no operations of the user.
pub(crate) mod xid {
    pub(crate) const WATCH_EVENT: i32 = -1;
    pub(crate) const PING: i32 = -2;
    pub(crate) const AUTH: i32 = -4;
    pub(crate) const SET_WATCHES: i32 = -8;
}

/// A request without its number.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) code: i32,
    pub(crate) body: BytesMut,
}

impl Request {
    fn of_path(code: i32, path: &str) -> Request {
        let mut body = BytesMut::new();
        put_string(&mut body, path);
        Request { code, body }
    }

    fn of_version(code: i32, path: &str, version: Option<i32>) -> Request {
        let mut request = Request::of_path(code, path);
        request.body.put_i32(version.unwrap_or(ANY_VERSION));
        request
    }

    fn of_watch(code: i32, path: &str) -> Request {
        let mut request = Request::of_path(code, path);
        // One-shot watches are not used.
        put_bool(&mut request.body, false);
        request
    }

    pub(crate) fn create(path: &str, data: &[u8], mode: CreateMode, acls: &[Acl]) -> Request {
        let code = match mode {
            CreateMode::Container => code::CREATE_CONTAINER,
            CreateMode::PersistentTtl(_) | CreateMode::PersistentSequentialTtl(_) => code::CREATE_TTL,
            _ => code::CREATE2,
        };
        let mut request = Request::of_path(code, path);
        put_buffer(&mut request.body, data);
        put_acls(&mut request.body, acls);
        request.body.put_i32(mode.flags());
        if let Some(ttl) = mode.ttl_ms() {
            request.body.put_i64(ttl);
        }
        request
    }

    pub(crate) fn delete(path: &str, version: Option<i32>) -> Request {
        Request::of_version(code::DELETE, path, version)
    }

    pub(crate) fn check(path: &str, version: Option<i32>) -> Request {
        Request::of_version(code::CHECK, path, version)
    }

    pub(crate) fn set(path: &str, data: &[u8], version: Option<i32>) -> Request {
        let mut request = Request::of_path(code::SET_DATA, path);
        put_buffer(&mut request.body, data);
        request.body.put_i32(version.unwrap_or(ANY_VERSION));
        request
    }

    pub(crate) fn exists(path: &str) -> Request {
        Request::of_watch(code::EXISTS, path)
    }

    pub(crate) fn get(path: &str) -> Request {
        Request::of_watch(code::GET_DATA, path)
    }

    pub(crate) fn children(path: &str) -> Request {
        Request::of_watch(code::GET_CHILDREN2, path)
    }

    pub(crate) fn sync(path: &str) -> Request {
        Request::of_path(code::SYNC, path)
    }

    pub(crate) fn acl(path: &str) -> Request {
        Request::of_path(code::GET_ACL, path)
    }

    pub(crate) fn set_acl(path: &str, acls: &[Acl], version: Option<i32>) -> Request {
        let mut request = Request::of_path(code::SET_ACL, path);
        put_acls(&mut request.body, acls);
        request.body.put_i32(version.unwrap_or(ANY_VERSION));
        request
    }

    pub(crate) fn add_watch(path: &str, mode: WatchMode) -> Request {
        let mut request = Request::of_path(code::ADD_WATCH, path);
        request.body.put_i32(match mode {
            WatchMode::Persistent => 0,
            WatchMode::Recursive => 1,
        });
        request
    }

    pub(crate) fn remove_watches(path: &str) -> Request {
        let mut request = Request::of_path(code::REMOVE_WATCHES, path);
        // `WatcherType.Any`.
        request.body.put_i32(3);
        request
    }

    pub(crate) fn auth(auth: &Auth) -> Request {
        let mut body = BytesMut::new();
        body.put_i32(0);
        put_string(&mut body, &auth.scheme);
        put_buffer(&mut body, &auth.credentials);
        Request { code: code::AUTH, body }
    }

    pub(crate) fn ping() -> Request {
        Request { code: code::PING, body: BytesMut::new() }
    }

    pub(crate) fn close() -> Request {
        Request { code: code::CLOSE_SESSION, body: BytesMut::new() }
    }

    /// The requests that set every watch again after a reconnect. Several, so that none exceeds the servers' limit.
    pub(crate) fn set_watches(watches: &Watches, last_zxid: i64) -> Vec<Request> {
        let mut requests = Vec::new();
        let mut paths = watches.iter().peekable();
        while paths.peek().is_some() {
            let (mut persistent, mut recursive) = (Vec::new(), Vec::new());
            let mut bytes = 0;
            while let Some((path, mode, _)) = paths.next_if(|_| bytes < SET_WATCHES_BYTES) {
                bytes += path.len() + 4;
                match mode {
                    WatchMode::Persistent => persistent.push(path),
                    WatchMode::Recursive => recursive.push(path),
                }
            }
            let mut body = BytesMut::new();
            body.put_i64(last_zxid);
            // The one-shot watches: data, existence, children.
            (0..3).for_each(|_| body.put_i32(0));
            for paths in [persistent, recursive] {
                body.put_i32(i32::try_from(paths.len()).unwrap_or(i32::MAX));
                paths.iter().for_each(|path| put_string(&mut body, path));
            }
            requests.push(Request { code: code::SET_WATCHES2, body });
        }
        requests
    }

    /// Appends the request with its length and its number.
    pub(crate) fn put(&self, output: &mut BytesMut, xid: i32) {
        output.put_i32(i32::try_from(8 + self.body.len()).unwrap_or(i32::MAX));
        output.put_i32(xid);
        output.put_i32(self.code);
        output.put_slice(&self.body);
    }
}

pub(crate) fn stat_reply(body: &[u8]) -> Result<Stat, Malformed> {
    Stat::read(&mut Reader::new("Stat", body))
}

pub(crate) fn create_reply(body: &[u8]) -> Result<(String, Stat), Malformed> {
    let mut reader = Reader::new("Create2Response", body);
    Ok((reader.string()?.to_owned(), Stat::read(&mut reader)?))
}

pub(crate) fn get_reply(body: &Bytes) -> Result<(Bytes, Stat), Malformed> {
    let mut reader = Reader::new("GetDataResponse", body);
    let data = reader.buffer()?;
    let stat = Stat::read(&mut reader)?;
    // A null buffer is a constant and not a part of the body.
    let data = if data.is_empty() { Bytes::new() } else { body.slice_ref(data) };
    Ok((data, stat))
}

pub(crate) fn children_reply(body: &[u8]) -> Result<(Vec<String>, Stat), Malformed> {
    let mut reader = Reader::new("GetChildren2Response", body);
    let children = reader.vector(|reader| reader.string().map(str::to_owned))?;
    Ok((children, Stat::read(&mut reader)?))
}

pub(crate) fn acl_reply(body: &[u8]) -> Result<(Vec<Acl>, Stat), Malformed> {
    let mut reader = Reader::new("GetACLResponse", body);
    Ok((read_acls(&mut reader)?, Stat::read(&mut reader)?))
}

/// Checks a path as the servers do, so that the error says what is wrong with it. The path of a sequential node may end
/// in `/`.
pub(crate) fn check_path(path: &str, is_sequential: bool) -> Result<(), Error> {
    let bad = |why: &str| Err(Error::BadPath(format!("the path '{path}' {why}")));
    let Some(rest) = path.strip_prefix('/') else { return bad("does not begin with '/'") };
    if path.contains('\0') {
        return bad("contains a NUL");
    }
    let mut parts = rest.split('/').peekable();
    while let Some(part) = parts.next() {
        let is_last = parts.peek().is_none();
        if part.is_empty() && !(is_last && (rest.is_empty() || is_sequential)) {
            return bad("has an empty part");
        }
        if matches!(part, "." | "..") {
            return bad("has a part '.' or '..'");
        }
    }
    Ok(())
}

/// The version that stands for every version.
const ANY_VERSION: i32 = -1;
/// The bytes of paths in one request that sets watches again.
const SET_WATCHES_BYTES: usize = 128 << 10;

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a panic is how a test fails")]
mod tests {
    use super::*;

    #[test]
    fn requests_have_their_bytes() {
        let mut bytes = BytesMut::new();
        Request::create("/a", b"xy", CreateMode::Ephemeral, Acl::ANYONE).put(&mut bytes, 7);
        let expected = [
            &[0, 0, 0, 51, 0, 0, 0, 7, 0, 0, 0, 15, 0, 0, 0, 2][..],
            b"/a",
            &[0, 0, 0, 2],
            b"xy",
            &[0, 0, 0, 1, 0, 0, 0, 31, 0, 0, 0, 5],
            b"world",
            &[0, 0, 0, 6],
            b"anyone",
            &[0, 0, 0, 1],
        ];
        assert_eq!(bytes, expected.concat()[..]);
        let mut bytes = BytesMut::new();
        Request::delete("/a", None).put(&mut bytes, 8);
        assert_eq!(bytes, [&[0, 0, 0, 18, 0, 0, 0, 8, 0, 0, 0, 2, 0, 0, 0, 2][..], b"/a", &[0xff; 4]].concat()[..]);
    }

    #[test]
    fn watches_are_set_again_in_requests_of_bounded_size() {
        let mut watches = Watches::default();
        for index in 0..2000 {
            let mode = if index % 2 == 0 { WatchMode::Persistent } else { WatchMode::Recursive };
            watches.add(&format!("/{index:0200}"), mode).unwrap();
        }
        let requests = Request::set_watches(&watches, 42);
        assert!(requests.len() > 2 && requests.iter().all(|request| request.body.len() < 140 << 10));
        let paths: usize = requests.iter().map(|request| (request.body.len() - 28) / 205).sum();
        assert_eq!(paths, 2000);
    }

    #[test]
    fn bad_paths_say_what_is_wrong() {
        for path in ["/", "/a", "/a/b.c"] {
            check_path(path, false).unwrap();
        }
        check_path("/a/", true).unwrap();
        for (path, why) in [
            ("", "does not begin"),
            ("a", "does not begin"),
            ("/a/", "empty part"),
            ("//a", "empty part"),
            ("/a/../b", "'.' or '..'"),
            ("/a\0", "NUL"),
        ] {
            let error = check_path(path, false).unwrap_err().to_string();
            assert!(error.contains(why), "{error}");
        }
    }
}
