//! An etcd of one server in memory, under virtual time: keys, leases, watches, a history that can be compacted, and logins. A
//! test gives it faults.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use crate::codec::etcd_messages::{
    AuthenticateRequest, AuthenticateResponse, Event, KeyValue, LeaseGrantRequest, LeaseGrantResponse,
    LeaseKeepAliveRequest, LeaseKeepAliveResponse, LeaseRevokeRequest, LeaseRevokeResponse, PutRequest, PutResponse,
    RangeRequest, RangeResponse, ResponseHeader, TxnRequest, TxnResponse, WatchRequest, WatchResponse, event,
};
use crate::codec::protobuf::{decode, encode};
use crate::codec::{Codec, Message};
use crate::context::Context;
use crate::etcd::calls::{KV, LEASE, WATCH};
use crate::etcd::login::AUTH;
use crate::method::ServiceDescriptor;
use crate::server::Server;
use crate::service::{Body, BoxFuture, Service};
use crate::status::Status;
use crate::streaming::Streaming;

#[derive(Clone)]
pub(super) struct FakeEtcd {
    state: Arc<Mutex<State>>,
    /// Wakes the watches.
    changed: watch::Sender<()>,
}

#[derive(Default)]
struct State {
    revision: i64,
    compacted: i64,
    keys: BTreeMap<Vec<u8>, KeyValue>,
    history: Vec<(i64, Event)>,
    /// The time to live of each lease, and when it ends.
    leases: BTreeMap<i64, (Duration, Instant)>,
    next_lease: i64,
    /// Whether every call fails, and every stream ends.
    is_away: bool,
    /// Whether watches report nothing.
    is_mute: bool,
    ranges: usize,
    /// Values that others write just before the next transactions.
    races: Vec<(Vec<u8>, Vec<u8>)>,
    /// The users and their passwords. `None` if authentication is not enabled.
    users: Option<BTreeMap<String, String>>,
    tokens: BTreeSet<String>,
    /// The logins, also those that failed.
    logins: usize,
}

impl FakeEtcd {
    pub(super) fn new() -> FakeEtcd {
        let state = State { revision: 7, next_lease: 1, ..State::default() };
        FakeEtcd { state: Arc::new(Mutex::new(state)), changed: watch::Sender::new(()) }
    }

    pub(super) fn server(&self) -> Server {
        let service = |descriptor| FakeService { descriptor, etcd: self.clone() };
        Server::default().add(service(&KV)).add(service(&WATCH)).add(service(&LEASE)).add(service(&AUTH))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        let mut state = self.state.lock().unwrap();
        let now = Instant::now();
        let ended: Vec<i64> = state.leases.iter().filter(|(_, (_, end))| *end <= now).map(|(id, _)| *id).collect();
        ended.into_iter().for_each(|id| state.end_lease(id));
        state
    }

    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let changed = change(&mut self.lock());
        self.changed.send_replace(());
        changed
    }

    /// The keys with their leases.
    pub(super) fn keys(&self) -> Vec<(String, i64)> {
        let state = self.lock();
        state.keys.values().map(|entry| (String::from_utf8(entry.key.clone()).unwrap(), entry.lease)).collect()
    }

    pub(super) fn put(&self, key: &str, value: &str) {
        self.change(|state| state.put(key.into(), value.into(), 0));
    }

    pub(super) fn delete(&self, key: &str) {
        self.change(|state| state.delete(key.as_bytes()));
    }

    /// Ends every lease, as a server does after a long pause.
    pub(super) fn end_leases(&self) {
        self.change(|state| {
            let all: Vec<i64> = state.leases.keys().copied().collect();
            all.into_iter().for_each(|id| state.end_lease(id));
        });
    }

    /// Forgets the history up to now.
    pub(super) fn compact(&self) {
        self.change(|state| {
            state.compacted = state.revision;
            state.history.clear();
        });
    }

    /// Replaces the cluster by a new one without keys, whose revisions begin anew.
    pub(super) fn rebuild(&self) {
        self.change(|state| *state = State { revision: 1, next_lease: 1000, ..State::default() });
    }

    pub(super) fn set_away(&self, is_away: bool) {
        self.change(|state| state.is_away = is_away);
    }

    pub(super) fn set_mute(&self, is_mute: bool) {
        self.change(|state| state.is_mute = is_mute);
    }

    /// Writes a value just before a transaction takes effect. Several races meet one transaction each, the last one first.
    pub(super) fn race(&self, key: &str, value: &str) {
        self.lock().races.push((key.into(), value.into()));
    }

    /// The value of a key.
    pub(super) fn value(&self, key: &str) -> String {
        String::from_utf8(self.lock().keys[key.as_bytes()].value.clone()).unwrap()
    }

    /// Enables authentication, with one user.
    pub(super) fn enable_authentication(&self, user: &str, password: &str) {
        self.lock().users = Some([(user.to_owned(), password.to_owned())].into());
    }

    /// Forgets all tokens, as a server does that is started again.
    pub(super) fn expire_tokens(&self) {
        self.lock().tokens.clear();
    }

    pub(super) fn logins(&self) -> usize {
        self.lock().logins
    }

    pub(super) fn ranges(&self) -> usize {
        self.lock().ranges
    }

    fn watch(&self, authorized: Result<(), Status>, mut requests: Streaming<bytes::Bytes>) -> Streaming<bytes::Bytes> {
        let (sender, responses) = Streaming::channel(16);
        let (etcd, mut changed) = (self.clone(), self.changed.subscribe());
        tokio::spawn(async move {
            let Some(Ok(first)) = requests.next().await else { return };
            let request: WatchRequest = decode(&first).unwrap();
            let Some(create) = request.create_request.into_option() else { return };
            let send = |response: WatchResponse| sender.send(encode(&response).unwrap());
            let mut next = create.start_revision;
            if authorized.is_err() {
                // etcd 3.4 gives this reason also for a token that it does not know.
                let reason = "etcdserver: permission denied".to_owned();
                let _ = send(WatchResponse { canceled: true, cancel_reason: reason, ..WatchResponse::default() }).await;
                return sender.finish();
            }
            // The answer to the request itself has no events.
            if send(WatchResponse::default()).await.is_err() {
                return;
            }
            loop {
                let response = {
                    let state = etcd.lock();
                    if state.is_away {
                        break;
                    }
                    let mut response = WatchResponse::default();
                    let compacted = state.compacted;
                    if next <= compacted {
                        (response.canceled, response.compact_revision) = (true, compacted);
                    } else if !state.is_mute {
                        let is_in = |key: &[u8]| create.key.as_slice() <= key && key < create.range_end.as_slice();
                        let new = state.history.iter().filter(|(revision, _)| *revision >= next);
                        response.events =
                            new.map(|(_, event)| event.clone()).filter(|event| is_in(&event.kv.key)).collect();
                        next = next.max(state.revision + 1);
                    }
                    response
                };
                let ends = response.canceled;
                if (ends || !response.events.is_empty()) && send(response).await.is_err() {
                    return;
                }
                if ends {
                    sender.finish();
                    return;
                }
                tokio::select! {
                    _ = changed.changed() => {}
                    // The caller keeps its half open.
                    ended = requests.next() => if ended.is_none_or(|ended| ended.is_err()) { return },
                    // Leases end by time.
                    () = tokio::time::sleep(Duration::from_millis(100)) => {}
                }
            }
            sender.fail(Status::unavailable("etcdserver: no leader")).await;
        });
        responses
    }

    fn keep_alive(&self, requests: Streaming<bytes::Bytes>) -> Streaming<bytes::Bytes> {
        let etcd = self.clone();
        requests.map(move |request| {
            let request: LeaseKeepAliveRequest = decode(&request)?;
            let mut state = etcd.lock();
            state.check()?;
            let mut response = LeaseKeepAliveResponse::default();
            if let Some((ttl, end)) = state.leases.get_mut(&request.ID) {
                *end = Instant::now() + *ttl;
                response.TTL = ttl.as_secs() as i64;
            }
            encode(&response)
        })
    }
}

impl State {
    fn check(&self) -> Result<(), Status> {
        if self.is_away { Err(Status::unavailable("etcdserver: request timed out")) } else { Ok(()) }
    }

    /// Checks the token of a call.
    fn authorize(&self, context: &Context) -> Result<(), Status> {
        match context.metadata().text("token") {
            _ if self.users.is_none() => Ok(()),
            None => Err(Status::invalid_argument("etcdserver: user name is empty")),
            Some(token) if self.tokens.contains(token) => Ok(()),
            Some(_) => Err(Status::unauthenticated("etcdserver: invalid auth token")),
        }
    }

    fn log_in(&mut self, request: AuthenticateRequest) -> Result<AuthenticateResponse, Status> {
        self.logins += 1;
        let Some(users) = &self.users else {
            return Err(Status::failed_precondition("etcdserver: authentication is not enabled"));
        };
        if users.get(&request.name) != Some(&request.password) {
            let why = "etcdserver: authentication failed, invalid user ID or password";
            return Err(Status::invalid_argument(why));
        }
        let token = format!("token.{}", self.logins);
        self.tokens.insert(token.clone());
        Ok(AuthenticateResponse { token })
    }

    fn header(&self) -> ResponseHeader {
        ResponseHeader { revision: self.revision }
    }

    fn put(&mut self, key: Vec<u8>, value: Vec<u8>, lease: i64) {
        self.revision += 1;
        let entry = KeyValue { key: key.clone(), value, lease, mod_revision: self.revision };
        self.keys.insert(key, entry.clone());
        self.record(event::EventType::PUT, entry);
    }

    fn delete(&mut self, key: &[u8]) {
        if let Some(gone) = self.keys.remove(key) {
            self.revision += 1;
            self.record(event::EventType::DELETE, KeyValue { key: gone.key, ..KeyValue::default() });
        }
    }

    fn record(&mut self, kind: event::EventType, entry: KeyValue) {
        self.history.push((self.revision, Event { r#type: kind.into(), kv: Some(entry).into() }));
    }

    fn end_lease(&mut self, id: i64) {
        self.leases.remove(&id);
        let keys: Vec<Vec<u8>> =
            self.keys.values().filter(|entry| entry.lease == id).map(|entry| entry.key.clone()).collect();
        keys.iter().for_each(|key| self.delete(key));
    }
}

struct FakeService {
    descriptor: &'static ServiceDescriptor,
    etcd: FakeEtcd,
}

impl FakeService {
    fn unary(&self, method: &str, request: &bytes::Bytes) -> Result<bytes::Bytes, Status> {
        fn reply<M: Message>(reply: M) -> Result<bytes::Bytes, Status> {
            encode(&reply)
        }
        self.etcd.lock().check()?;
        match method {
            "Range" => {
                let RangeRequest { key, range_end, .. } = decode(request)?;
                let mut state = self.etcd.lock();
                state.ranges += 1;
                let is_in = |entry: &&KeyValue| match range_end.is_empty() {
                    true => entry.key == key,
                    false => key <= entry.key && entry.key < range_end,
                };
                let kvs: Vec<KeyValue> = state.keys.values().filter(is_in).cloned().collect();
                reply(RangeResponse {
                    header: Some(state.header()).into(),
                    count: kvs.len() as i64,
                    kvs,
                    ..RangeResponse::default()
                })
            }
            "Put" => {
                let PutRequest { key, value, lease } = decode(request)?;
                if lease != 0 && !self.etcd.lock().leases.contains_key(&lease) {
                    return Err(Status::not_found("etcdserver: requested lease not found"));
                }
                self.etcd.change(|state| state.put(key, value, lease));
                reply(PutResponse::default())
            }
            "Txn" => {
                let TxnRequest { compare, success } = decode(request)?;
                let succeeded = self.etcd.change(|state| {
                    if let Some((key, value)) = state.races.pop() {
                        let lease = state.keys.get(&key).map_or(0, |entry| entry.lease);
                        state.put(key, value, lease);
                    }
                    let stands = compare.iter().all(|compare| {
                        let entry = state.keys.get(&compare.key);
                        entry.map_or(0, |entry| entry.mod_revision) == compare.mod_revision
                    });
                    let puts = success.into_iter().filter_map(|op| op.request_put.into_option());
                    puts.filter(|_| stands).for_each(|put| state.put(put.key, put.value, put.lease));
                    stands
                });
                reply(TxnResponse { succeeded })
            }
            "Authenticate" => reply(self.etcd.lock().log_in(decode(request)?)?),
            "LeaseGrant" => {
                let LeaseGrantRequest { TTL } = decode(request)?;
                let ttl = Duration::from_secs(TTL as u64);
                let id = self.etcd.change(|state| {
                    state.next_lease += 1;
                    state.leases.insert(state.next_lease, (ttl, Instant::now() + ttl));
                    state.next_lease
                });
                reply(LeaseGrantResponse { ID: id, TTL, ..LeaseGrantResponse::default() })
            }
            "LeaseRevoke" => {
                let LeaseRevokeRequest { ID } = decode(request)?;
                if !self.etcd.lock().leases.contains_key(&ID) {
                    return Err(Status::not_found("etcdserver: requested lease not found"));
                }
                self.etcd.change(|state| state.end_lease(ID));
                reply(LeaseRevokeResponse::default())
            }
            other => Err(Status::unimplemented(other.to_owned())),
        }
    }
}

impl Service for FakeService {
    fn descriptor(&self) -> &'static ServiceDescriptor {
        self.descriptor
    }

    fn call(&self, method: usize, context: Context, request: Body, _: Codec) -> BoxFuture<Result<Body, Status>> {
        let name = &*self.descriptor.methods[method].name;
        let authorized = self.etcd.lock().authorize(&context);
        let reply = match (name, request) {
            ("Watch", request) => {
                self.etcd.lock().check().map(|()| Body::Stream(self.etcd.watch(authorized, request.into_stream())))
            }
            // etcd asks for no token here.
            ("LeaseKeepAlive", request) => Ok(Body::Stream(self.etcd.keep_alive(request.into_stream()))),
            ("Authenticate", Body::Message(request)) => self.unary("Authenticate", &request).map(Body::Message),
            (_, Body::Message(_)) if authorized.is_err() => Err(authorized.unwrap_err()),
            (name, Body::Message(request)) => self.unary(name, &request).map(Body::Message),
            (name, Body::Stream(_)) => Err(Status::invalid_argument(name)),
        };
        Box::pin(async move { reply })
    }
}
