//! A provider of the user service: `user_provider -i examples/conf/user_file.conf`.
//!
//! Shows a complete provider: configuration, the program's own keys, a server that registers, serves, and shuts down
//! gracefully on SIGTERM. Several providers can run; those with the same `store` share their accounts.

use mprpc::Server;
use mprpc_examples::proto::UserServiceRpcServer;
use mprpc_examples::user::{Accounts, Users};

fn main() -> Result<(), mprpc::Error> {
    let config = mprpc::init_with(&["demo", "store"])?;
    let accounts = Accounts::open(config.value("store"))?;
    if config.flag("demo")? {
        accounts.add_demo()?;
    }
    Server::new(&config).add(UserServiceRpcServer::new(Users::new(accounts))).run()
}
