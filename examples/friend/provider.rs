//! A provider of the friend service: `friend_provider -i examples/conf/friend_file.conf`.

use mprpc::Server;
use mprpc_examples::friend::Friends;
use mprpc_examples::proto::FriendServiceRpcServer;

fn main() -> Result<(), mprpc::Error> {
    let config = mprpc::init_with(&["demo"])?;
    let friends = Friends { demo: config.flag("demo")? };
    Server::new(&config).add(FriendServiceRpcServer::new(friends)).run()
}
