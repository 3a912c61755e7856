//! Tests of the login: tokens that expire, wrong passwords, and authentication that is enabled later.

use std::path::PathBuf;

use super::*;

/// A file with a password, and the login that reads it.
struct Secret {
    _folder: tempfile::TempDir,
    file: PathBuf,
}

impl Secret {
    fn new(password: &str) -> Secret {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("password");
        std::fs::write(&file, format!("{password}\n")).unwrap();
        Secret { _folder: folder, file }
    }

    fn login(&self) -> Option<EtcdLogin> {
        Some(EtcdLogin { user: "mprpc".to_owned(), password_file: self.file.clone() })
    }
}

/// Waits until the list is pending or stale for a reason that contains this.
async fn fails(watch: &mut watch::Receiver<Resolution>, part: &str) -> String {
    let has_failed = |resolution: &Resolution| resolution.state.text().contains(part);
    let failed = tokio::time::timeout(seconds(60), watch.wait_for(has_failed)).await;
    failed.unwrap_or_else(|_| panic!("no '{part}'")).unwrap().state.text().to_owned()
}

#[tokio::test(start_paused = true)]
async fn user_logs_in_once_and_again_when_the_token_has_expired() {
    let secret = Secret::new("secret");
    let world = World::with_login(secret.login());
    world.fake.enable_authentication("mprpc", "secret");
    let (registered, mut watch) = (world.register(A), world.watch());
    stands(&registered).await;
    shows(&mut watch, &[A]).await;
    assert_eq!(world.fake.logins(), 1, "provider and caller share a login");
    let lease = world.fake.keys();
    world.fake.expire_tokens();
    // The provider checks its key at the next renewal.
    sleep(seconds(4)).await;
    assert_eq!((world.fake.logins(), world.fake.keys()), (2, lease));
    assert!(matches!(&*registered.state().borrow(), RegistrationState::Registered(_)));
    // A watch with a token that is not known is refused, and the next reading logs in again.
    world.fake.expire_tokens();
    world.network.cut(ETCD);
    world.fake.put(&key(B), r#"{"mprpc":1}"#);
    shows(&mut watch, &[A, B]).await;
    world.fake.expire_tokens();
    registered.withdraw().await;
    shows(&mut watch, &[B]).await;
}

#[tokio::test(start_paused = true)]
async fn wrong_password_names_server_and_user_until_the_file_is_right() {
    let secret = Secret::new("wrong");
    let world = World::with_login(secret.login());
    world.fake.enable_authentication("mprpc", "secret");
    let (registered, mut watch) = (world.register(A), world.watch());
    let text = fails(&mut watch, "invalid user ID or password").await;
    assert!(text.contains(&format!("etcd {ETCD}")) && text.contains("login of user 'mprpc'"), "{text}");
    // However many services there are, a login a second is enough.
    let resolver = EtcdResolver::over(world.etcd.clone(), "/apps");
    let others: Vec<_> = (0..50).map(|number| resolver.watch(&format!("test.S{number}"))).collect();
    let before = world.fake.logins();
    sleep(seconds(60)).await;
    let logins = world.fake.logins() - before;
    assert!((30..=60).contains(&logins), "{logins} logins in a minute");
    drop(others);
    std::fs::write(&secret.file, "secret").unwrap();
    stands(&registered).await;
    shows(&mut watch, &[A]).await;
    std::fs::remove_file(&secret.file).unwrap();
    world.fake.expire_tokens();
    world.network.cut(ETCD);
    let text = fails(&mut watch, "password_file").await;
    assert!(text.contains(&*secret.file.to_string_lossy()) && text.contains("No such file"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn authentication_may_be_enabled_after_the_login_is_configured() {
    let secret = Secret::new("secret");
    let world = World::with_login(secret.login());
    let (registered, mut watch) = (world.register(A), world.watch());
    stands(&registered).await;
    shows(&mut watch, &[A]).await;
    world.fake.enable_authentication("mprpc", "secret");
    sleep(seconds(4)).await;
    assert_eq!(world.fake.logins(), 2);
    world.network.cut(ETCD);
    world.fake.put(&key(B), r#"{"mprpc":1}"#);
    shows(&mut watch, &[A, B]).await;
    assert!(matches!(&*registered.state().borrow(), RegistrationState::Registered(_)));
}

#[tokio::test(start_paused = true)]
async fn etcd_that_asks_for_a_login_is_named_if_the_target_has_none() {
    let world = World::new();
    world.fake.enable_authentication("mprpc", "secret");
    let mut watch = world.watch();
    let text = fails(&mut watch, "user name is empty").await;
    assert!(text.contains(ETCD) && text.contains("the target has no user and password_file"), "{text}");
    assert_eq!(world.fake.logins(), 0);
}
