//! Transactions: several writes that are done together or not at all.

use std::fmt;

use bytes::{BufMut, BytesMut};

use crate::acl::Acl;
use crate::error::Error;
use crate::jute::{Malformed, Reader, put_bool};
use crate::node::{CreateMode, Stat};
use crate::request::{Request, check_path, code};

/// One step of a transaction.
#[derive(Debug)]
pub struct Op {
    request: Request,
    bad_path: Option<Error>,
}

impl Op {
    fn new(path: &str, is_sequential: bool, request: Request) -> Op {
        Op { request, bad_path: check_path(path, is_sequential).err() }
    }

    /// Creates a node.
    pub fn create(path: &str, data: &[u8], mode: CreateMode, acls: &[Acl]) -> Op {
        Op::new(path, mode.flags() & 2 != 0, Request::create(path, data, mode, acls))
    }

    /// Deletes a node, if it has this version.
    pub fn delete(path: &str, version: Option<i32>) -> Op {
        Op::new(path, false, Request::delete(path, version))
    }

    /// Sets the data of a node, if it has this version.
    pub fn set(path: &str, data: &[u8], version: Option<i32>) -> Op {
        Op::new(path, false, Request::set(path, data, version))
    }

    /// Checks that the node exists and has this version.
    pub fn check(path: &str, version: Option<i32>) -> Op {
        Op::new(path, false, Request::check(path, version))
    }
}

/// The result of one step of a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OpResult {
    /// The node was created, under this path. Servers send its stat for some modes only.
    Created(String, Option<Stat>),
    /// The node was deleted.
    Deleted,
    /// The data was set.
    Set(Stat),
    /// The node has the version.
    Checked,
}

/// Why no step of a transaction was done, or why that is not known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MultiError {
    /// The step that failed, from 0. `None` if the transaction as a whole failed.
    pub step: Option<usize>,
    /// Why.
    pub error: Error,
}

impl From<Error> for MultiError {
    fn from(error: Error) -> MultiError {
        MultiError { step: None, error }
    }
}

impl From<MultiError> for Error {
    fn from(failed: MultiError) -> Error {
        failed.error
    }
}

impl std::error::Error for MultiError {}

impl fmt::Display for MultiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.step {
            Some(step) => write!(f, "step {step}: {}", self.error),
            None => self.error.fmt(f),
        }
    }
}

/// Encodes a transaction.
pub(crate) fn request(ops: &[Op]) -> Result<Request, MultiError> {
    let mut body = BytesMut::new();
    for (step, op) in ops.iter().enumerate() {
        if let Some(error) = &op.bad_path {
            return Err(MultiError { step: Some(step), error: error.clone() });
        }
        put_header(&mut body, op.request.code, false, -1);
        body.put_slice(&op.request.body);
    }
    put_header(&mut body, -1, true, -1);
    Ok(Request { code: code::MULTI, body })
}

/// Decodes the reply of a transaction.
pub(crate) fn reply(body: &[u8]) -> Result<Vec<OpResult>, MultiError> {
    let mut failed = None;
    let results = read(body, &mut failed).map_err(Error::from)?;
    failed.map_or(Ok(results), Err)
}

fn read(body: &[u8], failed: &mut Option<MultiError>) -> Result<Vec<OpResult>, Malformed> {
    let mut reader = Reader::new("MultiResponse", body);
    let mut results = Vec::new();
    for step in 0.. {
        let (code, done, _) = (reader.i32()?, reader.bool()?, reader.i32()?);
        if done {
            break;
        }
        results.push(match code {
            code::CREATE => OpResult::Created(reader.string()?.to_owned(), None),
            code::CREATE2 | code::CREATE_CONTAINER | code::CREATE_TTL => {
                OpResult::Created(reader.string()?.to_owned(), Some(Stat::read(&mut reader)?))
            }
            code::DELETE => OpResult::Deleted,
            code::SET_DATA => OpResult::Set(Stat::read(&mut reader)?),
            code::CHECK => OpResult::Checked,
            code::ERROR => {
                // Every step of a failed transaction has an error: 0 for those before the one that failed, and
                // `RUNTIMEINCONSISTENCY` for those after it.
                let error = reader.i32()?;
                if error != 0 && failed.is_none() {
                    *failed = Some(MultiError { step: Some(step), error: Error::of_code(error) });
                }
                continue;
            }
            other => return Err(reader.malformed(format!("a result of type {other}"))),
        });
    }
    Ok(results)
}

fn put_header(body: &mut BytesMut, code: i32, done: bool, error: i32) {
    body.put_i32(code);
    put_bool(body, done);
    body.put_i32(error);
}
