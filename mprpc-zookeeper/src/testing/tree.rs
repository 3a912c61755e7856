//! The tree of a scripted ensemble: nodes, and what each write changes. It knows no connections.

use std::collections::BTreeMap;

use bytes::{BufMut, Bytes, BytesMut};

use crate::acl::{Acl, put_acls, read_acls};
use crate::jute::{Malformed, Reader, put_bool, put_buffer, put_string};
use crate::node::Stat;
use crate::request::code;

/// The nodes, and the last transaction.
#[derive(Clone, Debug)]
pub(super) struct Tree {
    pub(super) nodes: BTreeMap<String, Node>,
    pub(super) zxid: i64,
}

#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) data: Bytes,
    pub(super) stat: Stat,
    acls: Vec<Acl>,
    /// The number of the next sequential child.
    next: i32,
}

/// A change of a node, with the code of its event.
#[derive(Clone, Debug)]
pub(super) struct Change {
    pub(super) event: i32,
    pub(super) path: String,
    /// The owner of a deleted ephemeral node; 0 for all others.
    pub(super) owner: i64,
}

pub(super) const CREATED: i32 = 1;
pub(super) const DELETED: i32 = 2;
pub(super) const DATA_CHANGED: i32 = 3;
pub(super) const CHILDREN_CHANGED: i32 = 4;

const NO_NODE: i32 = -101;
const BAD_VERSION: i32 = -103;
const NO_CHILDREN_FOR_EPHEMERALS: i32 = -108;
const NODE_EXISTS: i32 = -110;
const NOT_EMPTY: i32 = -111;
const UNIMPLEMENTED: i32 = -6;
const RUNTIME_INCONSISTENCY: i32 = -2;
const MARSHALLING: i32 = -5;

/// Why a request fails: the code of its reply.
pub(super) type Code = i32;

impl From<Malformed> for Code {
    fn from(_: Malformed) -> Code {
        MARSHALLING
    }
}

impl Tree {
    pub(super) fn new() -> Tree {
        let mut tree = Tree { nodes: BTreeMap::new(), zxid: 0 };
        let root = Node { data: Bytes::new(), stat: Stat::default(), acls: Acl::ANYONE.to_vec(), next: 0 };
        tree.nodes.insert("/".into(), root);
        tree
    }

    /// The paths of a node's children.
    pub(super) fn children(&self, path: &str) -> Vec<String> {
        let prefix = if path == "/" { "/".to_owned() } else { format!("{path}/") };
        let below = self.nodes.range(prefix.clone()..).take_while(|(child, _)| child.starts_with(&prefix));
        let names = below.map(|(child, _)| &child[prefix.len()..]);
        names.filter(|name| !name.is_empty() && !name.contains('/')).map(str::to_owned).collect()
    }

    pub(super) fn stat(&self, path: &str) -> Result<Stat, Code> {
        let node = self.nodes.get(path).ok_or(NO_NODE)?;
        let children = i32::try_from(self.children(path).len()).unwrap_or(i32::MAX);
        let data_length = i32::try_from(node.data.len()).unwrap_or(i32::MAX);
        Ok(Stat { children, data_length, ..node.stat })
    }

    /// Answers a request that reads. `None` if the request is no read.
    pub(super) fn read(&self, code: i32, reader: &mut Reader<'_>, is_empty: bool) -> Option<Result<BytesMut, Code>> {
        if !matches!(code, code::EXISTS | code::GET_DATA | code::GET_CHILDREN2 | code::GET_ACL | code::SYNC) {
            return None;
        }
        let mut answer = || {
            let path = reader.string()?;
            let mut body = BytesMut::new();
            if code == code::SYNC {
                put_string(&mut body, path);
                return Ok(body);
            }
            let stat = self.stat(path)?;
            match code {
                code::GET_DATA => put_buffer(&mut body, &self.nodes[path].data),
                code::GET_ACL => put_acls(&mut body, &self.nodes[path].acls),
                code::GET_CHILDREN2 => {
                    let children = if is_empty { Vec::new() } else { self.children(path) };
                    body.put_i32(i32::try_from(children.len()).unwrap_or(i32::MAX));
                    children.iter().for_each(|child| put_string(&mut body, child));
                }
                _ => {}
            }
            stat.put(&mut body);
            Ok(body)
        };
        Some(answer())
    }

    /// Does a write for `session`.
    pub(super) fn write(
        &mut self,
        code: i32,
        reader: &mut Reader<'_>,
        session: i64,
        changes: &mut Vec<Change>,
    ) -> Result<BytesMut, Code> {
        if code == code::MULTI {
            return self.multi(reader, session, changes);
        }
        let path = reader.string()?.to_owned();
        let mut body = BytesMut::new();
        match code {
            code::CREATE2 | code::CREATE_CONTAINER | code::CREATE_TTL => {
                let data = Bytes::copy_from_slice(reader.buffer()?);
                let acls = read_acls(reader)?;
                let flags = reader.i32()?;
                let owner = if matches!(flags, 1 | 3) { session } else { 0 };
                let path = self.create(&path, data, acls, owner, matches!(flags, 2 | 3 | 6), changes)?;
                put_string(&mut body, &path);
                self.stat(&path)?.put(&mut body);
            }
            code::DELETE => self.delete(&path, reader.i32()?, changes)?,
            code::SET_DATA => {
                let data = Bytes::copy_from_slice(reader.buffer()?);
                let version = reader.i32()?;
                self.set(&path, data, version, changes)?.put(&mut body);
            }
            code::SET_ACL => {
                let acls = read_acls(reader)?;
                self.zxid += 1;
                let node = self.nodes.get_mut(&path).ok_or(NO_NODE)?;
                node.acls = acls;
                node.stat.aversion += 1;
                self.stat(&path)?.put(&mut body);
            }
            code::CHECK => self.check(&path, reader.i32()?)?,
            _ => return Err(UNIMPLEMENTED),
        }
        Ok(body)
    }

    fn multi(&mut self, reader: &mut Reader<'_>, session: i64, changes: &mut Vec<Change>) -> Result<BytesMut, Code> {
        let before = self.clone();
        let mut results = Vec::new();
        let mut failed = false;
        loop {
            let (code, done, _) = (reader.i32()?, reader.bool()?, reader.i32()?);
            if done {
                break;
            }
            let result = self.write(code, reader, session, changes);
            failed |= result.is_err();
            results.push((code, result));
            if failed {
                break;
            }
        }
        let mut body = BytesMut::new();
        let mut put = |code: i32, done: bool, error: i32, result: &[u8]| {
            body.put_i32(code);
            put_bool(&mut body, done);
            body.put_i32(error);
            body.put_slice(result);
        };
        if failed {
            *self = before;
            changes.clear();
            for (_, result) in &results {
                let error = result.as_ref().err().copied().unwrap_or(0);
                put(-1, false, error, &error.to_be_bytes());
            }
            put(-1, false, RUNTIME_INCONSISTENCY, &RUNTIME_INCONSISTENCY.to_be_bytes());
        } else {
            for (code, result) in &results {
                put(*code, false, 0, result.as_ref().map_or(&[][..], |bytes| &bytes[..]));
            }
        }
        put(-1, true, -1, &[]);
        Ok(body)
    }

    pub(super) fn create(
        &mut self,
        path: &str,
        data: Bytes,
        acls: Vec<Acl>,
        owner: i64,
        is_sequential: bool,
        changes: &mut Vec<Change>,
    ) -> Result<String, Code> {
        let parent_path = parent(path).to_owned();
        let parent = self.nodes.get_mut(&parent_path).ok_or(NO_NODE)?;
        if parent.stat.ephemeral_owner != 0 {
            return Err(NO_CHILDREN_FOR_EPHEMERALS);
        }
        let path = if is_sequential { format!("{path}{:010}", parent.next) } else { path.to_owned() };
        if self.nodes.contains_key(&path) {
            return Err(NODE_EXISTS);
        }
        self.zxid += 1;
        let zxid = self.zxid;
        if let Some(parent) = self.nodes.get_mut(&parent_path) {
            parent.next += 1;
            parent.stat.cversion += 1;
            parent.stat.pzxid = zxid;
        }
        let stat = Stat { czxid: zxid, mzxid: zxid, pzxid: zxid, ephemeral_owner: owner, ..Stat::default() };
        self.nodes.insert(path.clone(), Node { data, stat, acls, next: 0 });
        changes.push(Change { event: CREATED, path: path.clone(), owner: 0 });
        changes.push(Change { event: CHILDREN_CHANGED, path: parent_path, owner: 0 });
        Ok(path)
    }

    pub(super) fn delete(&mut self, path: &str, version: i32, changes: &mut Vec<Change>) -> Result<(), Code> {
        self.check(path, version)?;
        if !self.children(path).is_empty() {
            return Err(NOT_EMPTY);
        }
        self.zxid += 1;
        let owner = self.nodes.remove(path).map_or(0, |node| node.stat.ephemeral_owner);
        let parent_path = parent(path).to_owned();
        if let Some(parent) = self.nodes.get_mut(&parent_path) {
            parent.stat.cversion += 1;
            parent.stat.pzxid = self.zxid;
        }
        changes.push(Change { event: DELETED, path: path.to_owned(), owner });
        changes.push(Change { event: CHILDREN_CHANGED, path: parent_path, owner: 0 });
        Ok(())
    }

    pub(super) fn set(
        &mut self,
        path: &str,
        data: Bytes,
        version: i32,
        changes: &mut Vec<Change>,
    ) -> Result<Stat, Code> {
        self.check(path, version)?;
        self.zxid += 1;
        let node = self.nodes.get_mut(path).ok_or(NO_NODE)?;
        node.data = data;
        node.stat.version += 1;
        node.stat.mzxid = self.zxid;
        changes.push(Change { event: DATA_CHANGED, path: path.to_owned(), owner: 0 });
        self.stat(path)
    }

    fn check(&self, path: &str, version: i32) -> Result<(), Code> {
        let node = self.nodes.get(path).ok_or(NO_NODE)?;
        if version == -1 || version == node.stat.version { Ok(()) } else { Err(BAD_VERSION) }
    }
}

/// The path of a node's parent.
pub(super) fn parent(path: &str) -> &str {
    match path.rfind('/') {
        Some(at) if at > 0 => &path[..at],
        _ => "/",
    }
}
