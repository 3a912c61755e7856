//! The login of a user to etcd: gets the token that calls carry, and gets another one once etcd refuses it.

use std::io::Read;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Mutex;

use crate::client::{Call, Channel, Stub};
use crate::codec::etcd_messages::{AuthenticateRequest, AuthenticateResponse};
use crate::discovery::EtcdLogin;
use crate::method::{Idempotency, MethodDescriptor, MethodKind, ServiceDescriptor};
use crate::net::clock;
use crate::status::{Code, Status};

/// The login of this process to a cluster.
pub(super) struct Login {
    /// `None` if the target names no user.
    user: Option<EtcdLogin>,
    auth: Stub,
    /// The lock is held during a login, so that all calls wait for one login together.
    last: Mutex<Option<Outcome>>,
}

/// What calls carry: the token of a login. It is empty if etcd needs none.
pub(super) type Token = Arc<str>;

/// The outcome of the last login.
enum Outcome {
    LoggedIn(Token),
    /// When a login failed, and why.
    Failed(Instant, Status),
}

impl Login {
    pub(super) fn new(channel: Channel, user: Option<EtcdLogin>) -> Login {
        Login { user, auth: Stub::new(channel, &AUTH), last: Mutex::default() }
    }

    /// Makes a call with the token of the user. If etcd refuses the token, logs in again and repeats the call: etcd has not
    /// run it.
    pub(super) async fn call<R: Send + 'static>(&self, make: impl Fn() -> Call<R>) -> Result<R, Status> {
        let token = self.token().await?;
        match carrying(make(), &token).await {
            Err(status) if self.user.is_some() && is_refused(&status) => {
                self.forget(&token).await;
                let token = self.token().await?;
                carrying(make(), &token).await.map_err(|status| self.explained(&status))
            }
            result => result.map_err(|status| self.explained(&status)),
        }
    }

    /// The token of the user. Logs in if there is none.
    pub(super) async fn token(&self) -> Result<Token, Status> {
        let Some(login) = &self.user else { return Ok(Token::default()) };
        let mut last = self.last.lock().await;
        match &*last {
            Some(Outcome::LoggedIn(token)) => return Ok(token.clone()),
            // Many services have one login: they must not keep the servers busy with passwords that are wrong.
            Some(Outcome::Failed(at, status)) if clock::now().saturating_duration_since(*at) < LOGIN_INTERVAL => {
                return Err(status.clone());
            }
            Some(Outcome::Failed(..)) | None => {}
        }
        match self.log_in(login).await {
            Ok(token) => {
                *last = Some(Outcome::LoggedIn(token.clone()));
                Ok(token)
            }
            Err(status) => {
                let user = &login.user;
                let status = Status::new(status.code(), format!("login of user '{user}': {}", status.message()));
                *last = Some(Outcome::Failed(clock::now(), status.clone()));
                Err(status)
            }
        }
    }

    async fn log_in(&self, login: &EtcdLogin) -> Result<Token, Status> {
        let path = login.password_file.clone();
        let password = tokio::task::spawn_blocking(move || read_password(&path)).await;
        let password = password.unwrap_or_else(|error| Err(error.to_string())).map_err(Status::failed_precondition)?;
        let request = AuthenticateRequest { name: login.user.clone(), password };
        match self.auth.unary::<_, AuthenticateResponse>(0, &request).await {
            Ok(reply) => Ok(reply.token.into()),
            // The cluster gets its authentication later. Until then it takes every call.
            Err(status) if status.message().contains("authentication is not enabled") => Ok(Token::default()),
            Err(status) => Err(status),
        }
    }

    /// Forgets a token that etcd has refused.
    async fn forget(&self, refused: &Token) {
        let mut last = self.last.lock().await;
        // Another call may have logged in again meanwhile.
        if matches!(&*last, Some(Outcome::LoggedIn(token)) if Arc::ptr_eq(token, refused)) {
            *last = None;
        }
    }

    /// Takes the failure of a call or a stream that carried this token. Returns it with the name of the user.
    pub(super) async fn failed(&self, token: &Token, status: &Status) -> Status {
        if is_refused(status) {
            self.forget(token).await;
        }
        self.explained(status)
    }

    /// The status with the name of the user, if it is about what the user may do.
    fn explained(&self, status: &Status) -> Status {
        let message = status.message();
        match &self.user {
            Some(EtcdLogin { user, .. }) if is_refused(status) || status.code() == Code::PermissionDenied => {
                Status::new(status.code(), format!("user '{user}': {message}"))
            }
            None if is_refused(status) => {
                let hint = "etcd asks for a login, and the target has no user and password_file";
                Status::new(status.code(), format!("{message}; {hint}"))
            }
            Some(_) | None => status.clone(),
        }
    }
}

/// The call with the token in its metadata.
pub(super) fn carrying<R>(call: Call<R>, token: &Token) -> Call<R> {
    if token.is_empty() { call } else { call.metadata("token", &**token) }
}

/// Whether etcd does not know the token: it has expired, the server was restarted, or the rights have changed since; or etcd
/// has got its authentication after a call without a token.
fn is_refused(status: &Status) -> bool {
    let message = status.message();
    let reasons = ["revision of auth store is old", "user name is empty"];
    status.code() == Code::Unauthenticated || reasons.iter().any(|reason| message.contains(reason))
}

fn read_password(path: &Path) -> Result<String, String> {
    let unreadable = |why: String| format!("cannot read the password_file {}: {why}", path.display());
    let file = std::fs::File::open(path).map_err(|error| unreadable(error.to_string()))?;
    let mut text = String::new();
    file.take(PASSWORD_BYTES_MAX + 1).read_to_string(&mut text).map_err(|error| unreadable(error.to_string()))?;
    if text.len() as u64 > PASSWORD_BYTES_MAX {
        return Err(unreadable(format!("it is longer than {PASSWORD_BYTES_MAX} bytes")));
    }
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}

pub(super) static AUTH: ServiceDescriptor = ServiceDescriptor {
    name: "etcdserverpb.Auth",
    methods: &[MethodDescriptor::new(
        "Authenticate",
        "etcdserverpb.Auth/Authenticate",
        MethodKind::Unary,
        Idempotency::NoSideEffects,
    )],
    files: &[],
};

/// The shortest time from a failed login to the next one.
const LOGIN_INTERVAL: Duration = Duration::from_secs(1);
/// The longest file of a password, in bytes.
const PASSWORD_BYTES_MAX: u64 = 4096;
