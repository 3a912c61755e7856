//! The user service: the code of a provider. Shows a handler, its view of the request, and worker threads for work that
//! would block the event loop.

mod accounts;
mod password;

use std::sync::Arc;

use mprpc::net::WorkerPool;
use mprpc::{Context, Status};

pub use self::accounts::Accounts;
use crate::proto::{LoginRequestView, LoginResponse, RegisterRequestView, RegisterResponse, UserServiceRpc};

/// The user service.
pub struct Users {
    accounts: Arc<Accounts>,
    workers: WorkerPool,
}

impl Users {
    /// Creates the service for these accounts.
    pub fn new(accounts: Accounts) -> Users {
        // A password check costs 20 ms of a core and 19 MiB on purpose, so no more run at the same time than there are
        // cores.
        Users { accounts: Arc::new(accounts), workers: WorkerPool::default() }
    }
}

impl UserServiceRpc for Users {
    async fn login(&self, _: &Context, request: LoginRequestView<'_>) -> Result<LoginResponse, Status> {
        let accounts = self.accounts.clone();
        let (name, password) = (request.name.to_vec(), request.pwd.to_vec());
        let result = self.workers.run(move || accounts.check(&name, &password)).await??;
        Ok(LoginResponse { success: result.errcode == 0, result: result.into(), ..Default::default() })
    }

    async fn register(&self, _: &Context, request: RegisterRequestView<'_>) -> Result<RegisterResponse, Status> {
        let accounts = self.accounts.clone();
        let (id, name, password) = (request.id, request.name.to_vec(), request.pwd.to_vec());
        let result = self.workers.run(move || accounts.add(id, &name, &password)).await??;
        Ok(RegisterResponse { success: result.errcode == 0, result: result.into(), ..Default::default() })
    }
}
