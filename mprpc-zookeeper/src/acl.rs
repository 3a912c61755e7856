//! Access control lists of nodes.

use std::ops::BitOr;

use bytes::{BufMut, BytesMut};

use crate::jute::{Malformed, Reader, put_string};

/// One entry of a node's access control list: who may do what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acl {
    /// What the entry permits.
    pub permissions: Permissions,
    /// How the server knows the client: `world`, `auth`, `digest`, `ip`.
    pub scheme: std::borrow::Cow<'static, str>,
    /// Whom the scheme means: `anyone`, `user:hash`, an address.
    pub id: std::borrow::Cow<'static, str>,
}

impl Acl {
    /// Anyone may do everything.
    pub const ANYONE: &'static [Acl] = &[Acl::world(Permissions::ALL)];
    /// Anyone may read; nobody may write.
    pub const READ_ONLY: &'static [Acl] = &[Acl::world(Permissions::READ)];
    /// Who creates the node may do everything. The client must have sent credentials.
    pub const CREATOR: &'static [Acl] = &[Acl {
        permissions: Permissions::ALL,
        scheme: std::borrow::Cow::Borrowed("auth"),
        id: std::borrow::Cow::Borrowed(""),
    }];

    /// What anyone may do.
    pub const fn world(permissions: Permissions) -> Acl {
        Acl { permissions, scheme: std::borrow::Cow::Borrowed("world"), id: std::borrow::Cow::Borrowed("anyone") }
    }
}

/// A set of permissions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Permissions(i32);

impl Permissions {
    /// To read the data and to list the children.
    pub const READ: Permissions = Permissions(1);
    /// To set the data.
    pub const WRITE: Permissions = Permissions(2);
    /// To create children.
    pub const CREATE: Permissions = Permissions(4);
    /// To delete children.
    pub const DELETE: Permissions = Permissions(8);
    /// To set the access control list.
    pub const ADMIN: Permissions = Permissions(16);
    /// Everything.
    pub const ALL: Permissions = Permissions(31);

    /// Whether all of `other` is permitted.
    pub fn contains(self, other: Permissions) -> bool {
        self.0 & other.0 == other.0
    }
}

impl BitOr for Permissions {
    type Output = Permissions;

    fn bitor(self, other: Permissions) -> Permissions {
        Permissions(self.0 | other.0)
    }
}

pub(crate) fn put_acls(output: &mut BytesMut, acls: &[Acl]) {
    output.put_i32(i32::try_from(acls.len()).unwrap_or(i32::MAX));
    for acl in acls {
        output.put_i32(acl.permissions.0);
        put_string(output, &acl.scheme);
        put_string(output, &acl.id);
    }
}

pub(crate) fn read_acls(reader: &mut Reader<'_>) -> Result<Vec<Acl>, Malformed> {
    reader.vector(|reader| {
        Ok(Acl {
            permissions: Permissions(reader.i32()?),
            scheme: reader.string()?.to_owned().into(),
            id: reader.string()?.to_owned().into(),
        })
    })
}
