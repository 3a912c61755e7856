//! Accounts in a file of redb, an embedded database. It needs no server, and several providers on one machine share the
//! file.

use mprpc::{Error, ErrorKind, Status};
use redb::backends::InMemoryBackend;
use redb::{ConcurrencyMode, Database, ReadableDatabase, ReadableTable, TableDefinition};

use super::password;
use crate::proto::ResultCode;

/// Account number and password hash by name.
const ACCOUNTS: TableDefinition<&[u8], (u32, &str)> = TableDefinition::new("accounts");
const NAME_BYTES_MAX: usize = 64;

/// The accounts. Every function blocks the thread.
pub struct Accounts {
    database: Database,
}

impl Accounts {
    /// Opens the accounts in this file, and creates the file if it is missing. Without a file, the accounts are in memory
    /// and disappear with the process.
    pub fn open(path: Option<&str>) -> Result<Accounts, Error> {
        let failed = |error: redb::Error| {
            Error::new(ErrorKind::System, format!("store {}: {error}", path.unwrap_or("in memory")))
        };
        let mut builder = Database::builder();
        builder.set_cache_size(8 << 20);
        let database = match path {
            Some(path) => builder.set_concurrency_mode(ConcurrencyMode::MultiWriter).create(path),
            None => builder.create_with_backend(InMemoryBackend::new()),
        };
        let accounts = Accounts { database: database.map_err(|error| failed(error.into()))? };
        accounts.begin().map_err(failed)?;
        Ok(accounts)
    }

    /// Adds the accounts that the classic programs know, unless they exist.
    pub fn add_demo(&self) -> Result<(), Error> {
        for (id, name) in [(1, "cuism"), (1000, "zhangsan")] {
            let added = self.add(id, name.as_bytes(), b"123456");
            added.map_err(|status| Error::new(ErrorKind::System, status.to_string()))?;
        }
        Ok(())
    }

    /// Creates an account, unless the name is taken.
    pub(super) fn add(&self, id: u32, name: &[u8], password: &[u8]) -> Result<ResultCode, Status> {
        if name.is_empty() || name.len() > NAME_BYTES_MAX {
            return Ok(refused(3, &format!("a name has 1 to {NAME_BYTES_MAX} bytes")));
        }
        let hash = password::hash(password).map_err(|error| Status::internal(format!("hashing: {error}")))?;
        match self.insert(id, name, &hash).map_err(store_failed)? {
            true => Ok(ResultCode::default()),
            false => Ok(refused(2, &format!("the name '{}' is taken", String::from_utf8_lossy(name)))),
        }
    }

    /// Checks a password. The answer does not reveal whether the name or the password is wrong.
    pub(super) fn check(&self, name: &[u8], password: &[u8]) -> Result<ResultCode, Status> {
        let hash = self.hash_of(name).map_err(store_failed)?;
        match password::matches(password, hash.as_deref().unwrap_or(password::HASH_OF_NOTHING)) {
            true => Ok(ResultCode::default()),
            false => Ok(refused(1, "wrong name or password")),
        }
    }

    fn begin(&self) -> Result<(), redb::Error> {
        let write = self.database.begin_write()?;
        write.open_table(ACCOUNTS)?;
        Ok(write.commit()?)
    }

    /// Writes an account, and returns once it is on the disk. Returns false if the name is taken.
    fn insert(&self, id: u32, name: &[u8], hash: &str) -> Result<bool, redb::Error> {
        let write = self.database.begin_write()?;
        {
            let mut table = write.open_table(ACCOUNTS)?;
            if table.get(name)?.is_some() {
                return Ok(false);
            }
            table.insert(name, (id, hash))?;
        }
        write.commit()?;
        Ok(true)
    }

    fn hash_of(&self, name: &[u8]) -> Result<Option<String>, redb::Error> {
        let table = self.database.begin_read()?.open_table(ACCOUNTS)?;
        Ok(table.get(name)?.map(|account| account.value().1.to_owned()))
    }
}

fn refused(errcode: i32, errmsg: &str) -> ResultCode {
    ResultCode { errcode, errmsg: errmsg.into(), ..Default::default() }
}

fn store_failed(error: redb::Error) -> Status {
    Status::internal(format!("the store of the accounts: {error}"))
}
