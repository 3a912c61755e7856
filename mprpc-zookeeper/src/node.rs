//! Nodes: how they are created, and what the servers tell of them.

use std::time::Duration;

use bytes::{BufMut, BytesMut};

use crate::jute::{Malformed, Reader};

/// How long a node lives, and whether the servers number it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CreateMode {
    /// Lives until it is deleted.
    Persistent,
    /// Like `Persistent`; the servers append a number of ten digits to the path.
    PersistentSequential,
    /// Lives until it is deleted or the session ends. Has no children.
    Ephemeral,
    /// Like `Ephemeral`; the servers append a number of ten digits to the path.
    EphemeralSequential,
    /// The servers delete it some time after its last child is deleted. Needs ZooKeeper 3.5.3.
    Container,
    /// The servers delete it when it had no child and no change for this long, in whole milliseconds. Needs ZooKeeper
    /// 3.5.3 with `extendedTypesEnabled`.
    PersistentTtl(Duration),
    /// Like `PersistentTtl`; the servers append a number of ten digits to the path.
    PersistentSequentialTtl(Duration),
}

impl CreateMode {
    /// The flags of a create request.
    pub(crate) fn flags(self) -> i32 {
        match self {
            CreateMode::Persistent => 0,
            CreateMode::Ephemeral => 1,
            CreateMode::PersistentSequential => 2,
            CreateMode::EphemeralSequential => 3,
            CreateMode::Container => 4,
            CreateMode::PersistentTtl(_) => 5,
            CreateMode::PersistentSequentialTtl(_) => 6,
        }
    }

    /// The time to live in milliseconds, if the mode has one.
    pub(crate) fn ttl_ms(self) -> Option<i64> {
        match self {
            CreateMode::PersistentTtl(ttl) | CreateMode::PersistentSequentialTtl(ttl) => {
                Some(i64::try_from(ttl.as_millis()).unwrap_or(i64::MAX))
            }
            _ => None,
        }
    }
}

/// What the servers tell of a node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stat {
    /// The transaction that created the node.
    pub czxid: i64,
    /// The transaction that last set the data.
    pub mzxid: i64,
    /// When the node was created, in milliseconds since 1970.
    pub ctime: i64,
    /// When the data was last set, in milliseconds since 1970.
    pub mtime: i64,
    /// The number of changes of the data.
    pub version: i32,
    /// The number of changes of the children.
    pub cversion: i32,
    /// The number of changes of the access control list.
    pub aversion: i32,
    /// The session that owns an ephemeral node; 0 for all other nodes.
    pub ephemeral_owner: i64,
    /// The length of the data in bytes.
    pub data_length: i32,
    /// The number of children.
    pub children: i32,
    /// The transaction that last changed the children.
    pub pzxid: i64,
}

impl Stat {
    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Stat, Malformed> {
        Ok(Stat {
            czxid: reader.i64()?,
            mzxid: reader.i64()?,
            ctime: reader.i64()?,
            mtime: reader.i64()?,
            version: reader.i32()?,
            cversion: reader.i32()?,
            aversion: reader.i32()?,
            ephemeral_owner: reader.i64()?,
            data_length: reader.i32()?,
            children: reader.i32()?,
            pzxid: reader.i64()?,
        })
    }

    #[cfg_attr(not(any(test, feature = "testing")), expect(dead_code, reason = "the scripted servers send it"))]
    pub(crate) fn put(&self, output: &mut BytesMut) {
        for value in [self.czxid, self.mzxid, self.ctime, self.mtime] {
            output.put_i64(value);
        }
        for value in [self.version, self.cversion, self.aversion] {
            output.put_i32(value);
        }
        output.put_i64(self.ephemeral_owner);
        output.put_i32(self.data_length);
        output.put_i32(self.children);
        output.put_i64(self.pzxid);
    }
}
