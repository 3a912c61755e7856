//! The calls of etcd's API, typed. Knows no services and no providers.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use tokio::runtime::Handle;

use super::login::{Login, Token, carrying};
use crate::client::{Channel, ChannelOptions, Stub};
use crate::codec::etcd_messages::{
    Compare, KeyValue, LeaseGrantRequest, LeaseGrantResponse, LeaseKeepAliveRequest, LeaseKeepAliveResponse,
    LeaseRevokeRequest, LeaseRevokeResponse, PutRequest, PutResponse, RangeRequest, RangeResponse, RequestOp,
    TxnRequest, TxnResponse, WatchCreateRequest, WatchRequest, WatchResponse, compare,
};
use crate::codec::{Message, MessageName};
use crate::discovery::{EtcdCluster, EtcdLogin, ListResolver};
use crate::endpoint::{Address, Endpoint, Protocol};
use crate::error::Error;
use crate::limits::Limits;
use crate::method::{Idempotency, MethodDescriptor, MethodKind, ServiceDescriptor};
use crate::net::Connector;
use crate::status::Status;
use crate::streaming::{Sender, Streaming};
use crate::tls::TlsClient;

/// A cluster, as this process calls it. All registrations and watches of the process share its connections and its login.
pub(super) struct Etcd {
    /// The name of the cluster in states and errors, `etcd 127.0.0.1:2379`.
    pub(super) name: String,
    /// Where the tasks of the registry run.
    pub(super) runtime: Handle,
    login: Arc<Login>,
    kv: Stub,
    watch: Stub,
    lease: Stub,
}

/// A stream of responses, and the stream of requests that keeps it open.
pub(super) struct Exchange<Q, R> {
    requests: Sender<Q>,
    responses: Streaming<R>,
    login: Arc<Login>,
    token: Token,
}

impl Etcd {
    /// Returns the process's channel to this cluster. Starts one if none is in use.
    ///
    /// # Errors
    /// The TLS files cannot be used, or the build lacks the feature `tls`.
    pub(super) fn shared(cluster: &EtcdCluster) -> Result<Arc<Etcd>, Error> {
        type Access = (Vec<String>, Option<TlsClient>, Option<EtcdLogin>);
        type Clusters = HashMap<Access, Weak<Etcd>>;
        static CLUSTERS: Mutex<Option<Clusters>> = Mutex::new(None);
        let mut clusters = CLUSTERS.lock().unwrap_or_else(PoisonError::into_inner);
        let clusters = clusters.get_or_insert_default();
        clusters.retain(|_, cluster| cluster.strong_count() > 0);
        let EtcdCluster { servers, tls, login, .. } = cluster.clone();
        let known = clusters.entry((servers, tls.clone(), login.clone())).or_default();
        if let Some(etcd) = known.upgrade() {
            return Ok(etcd);
        }
        let limits = Limits { backoff_max: CONNECT_PAUSE_MAX, ..Limits::default() };
        let options = ChannelOptions { tls, limits, ..ChannelOptions::default() };
        // The channel below would report the fault by each of its calls.
        Connector::new(options.tls.as_ref(), &options.limits)
            .map_err(|error| Error::new(error.kind(), format!("'{cluster}': {error}")))?;
        // Parsing a target has checked the addresses.
        let addresses = cluster.servers.iter().filter_map(|server| server.parse::<Address>().ok());
        let endpoint = |address| Endpoint { protocol: Protocol::Grpc, ..Endpoint::new(address) };
        let resolver = Arc::new(ListResolver::new(addresses.map(endpoint).collect()));
        let channel = Channel::from_resolver(resolver, options);
        let runtime = crate::net::background().clone();
        let etcd = Arc::new(Etcd::over(channel, &cluster.servers.join(","), login, runtime));
        *known = Arc::downgrade(&etcd);
        Ok(etcd)
    }

    pub(super) fn over(channel: Channel, servers: &str, login: Option<EtcdLogin>, runtime: Handle) -> Etcd {
        Etcd {
            name: format!("etcd {servers}"),
            runtime,
            login: Arc::new(Login::new(channel.clone(), login)),
            kv: Stub::new(channel.clone(), &KV),
            watch: Stub::new(channel.clone(), &WATCH),
            lease: Stub::new(channel, &LEASE),
        }
    }

    /// Reads the keys from `key` up to `range_end`; an empty `range_end` means this one key.
    pub(super) async fn range(&self, key: Vec<u8>, range_end: Vec<u8>, limit: i64) -> Result<RangeResponse, Status> {
        let request = RangeRequest { key, range_end, limit };
        self.login.call(|| self.kv.unary(0, &request)).await
    }

    /// Writes a key, which lives as long as the lease.
    pub(super) async fn put(&self, key: Vec<u8>, value: Vec<u8>, lease: i64) -> Result<PutResponse, Status> {
        let request = PutRequest { key, value, lease };
        self.login.call(|| self.kv.unary(1, &request)).await
    }

    /// Writes another value into a key, which keeps its lease, unless the key has changed since `entry` was read. Returns
    /// whether the value is written.
    pub(super) async fn replace(&self, entry: &KeyValue, value: Vec<u8>) -> Result<bool, Status> {
        let KeyValue { key, mod_revision, lease, .. } = entry.clone();
        let put = PutRequest { key: key.clone(), value, lease };
        let unchanged = Compare { target: compare::CompareTarget::MOD.into(), key, mod_revision };
        let success = vec![RequestOp { request_put: Some(put).into() }];
        let request = TxnRequest { compare: vec![unchanged], success };
        let done: TxnResponse = self.login.call(|| self.kv.unary(2, &request)).await?;
        Ok(done.succeeded)
    }

    /// Watches the keys from `key` up to `range_end`, from this revision on. A server without a leader ends the watch.
    pub(super) async fn watch(
        &self,
        key: Vec<u8>,
        range_end: Vec<u8>,
        start_revision: i64,
    ) -> Result<Exchange<WatchRequest, WatchResponse>, Status> {
        let create = WatchCreateRequest { key, range_end, start_revision };
        self.exchange(&self.watch, 0, WatchRequest { create_request: Some(create).into() }).await
    }

    /// Asks for a lease of this many seconds.
    pub(super) async fn grant(&self, seconds: i64) -> Result<LeaseGrantResponse, Status> {
        let request = LeaseGrantRequest { TTL: seconds };
        let granted: LeaseGrantResponse = self.login.call(|| self.lease.unary(0, &request)).await?;
        match granted.error.is_empty() {
            true => Ok(granted),
            false => Err(Status::unavailable(granted.error)),
        }
    }

    /// Ends a lease, and with it the keys that have it.
    pub(super) async fn revoke(&self, lease: i64) -> Result<LeaseRevokeResponse, Status> {
        let request = LeaseRevokeRequest { ID: lease };
        self.login.call(|| self.lease.unary(1, &request)).await
    }

    /// Opens the stream that keeps a lease alive, and sends the first request.
    pub(super) async fn keep_alive(
        &self,
        lease: i64,
    ) -> Result<Exchange<LeaseKeepAliveRequest, LeaseKeepAliveResponse>, Status> {
        self.exchange(&self.lease, 2, keep_alive_request(lease)).await
    }

    /// Opens a stream and sends the first request.
    async fn exchange<Q, R>(&self, stub: &Stub, method: usize, first: Q) -> Result<Exchange<Q, R>, Status>
    where
        Q: Message + 'static,
        R: Message + MessageName + 'static,
    {
        let (requests, stream) = Streaming::channel(1);
        requests.send(first).await?;
        let (login, token) = (self.login.clone(), self.login.token().await?);
        let call = stub.bidirectional(method, stream).metadata(HAS_LEADER.0, HAS_LEADER.1);
        match carrying(call, &token).await {
            Ok(responses) => Ok(Exchange { requests, responses, login, token }),
            Err(status) => Err(login.failed(&token, &status).await),
        }
    }
}

impl<Q, R: 'static> Exchange<Q, R> {
    pub(super) async fn send(&mut self, request: Q) -> Result<(), Status> {
        self.requests.send(request).await
    }

    /// The next response. The end of the stream is an error.
    pub(super) async fn next(&mut self) -> Result<R, Status> {
        match self.responses.next().await {
            Some(Ok(response)) => Ok(response),
            Some(Err(status)) => Err(self.login.failed(&self.token, &status).await),
            None => Err(Status::unavailable("the server has ended the stream")),
        }
    }
}

pub(super) fn keep_alive_request(lease: i64) -> LeaseKeepAliveRequest {
    LeaseKeepAliveRequest { ID: lease }
}

/// The longest pause before the next attempt to read or to write, so that a change during an outage reaches callers within a
/// second of its end.
pub(super) const PAUSE_MAX: Duration = Duration::from_millis(500);
/// The longest pause between attempts to connect. Each follows an attempt to read or to write.
const CONNECT_PAUSE_MAX: Duration = Duration::from_millis(100);

/// Metadata by which etcd refuses calls at a server without a leader, and ends its streams.
const HAS_LEADER: (&str, &str) = ("hasleader", "true");

pub(super) static KV: ServiceDescriptor = ServiceDescriptor {
    name: "etcdserverpb.KV",
    methods: &[
        method("Range", "etcdserverpb.KV/Range", MethodKind::Unary, Idempotency::NoSideEffects),
        method("Put", "etcdserverpb.KV/Put", MethodKind::Unary, Idempotency::Idempotent),
        method("Txn", "etcdserverpb.KV/Txn", MethodKind::Unary, Idempotency::Unknown),
    ],
    files: &[],
};

pub(super) static WATCH: ServiceDescriptor = ServiceDescriptor {
    name: "etcdserverpb.Watch",
    methods: &[method("Watch", "etcdserverpb.Watch/Watch", MethodKind::Bidirectional, Idempotency::Unknown)],
    files: &[],
};

pub(super) static LEASE: ServiceDescriptor = ServiceDescriptor {
    name: "etcdserverpb.Lease",
    methods: &[
        method("LeaseGrant", "etcdserverpb.Lease/LeaseGrant", MethodKind::Unary, Idempotency::Unknown),
        method("LeaseRevoke", "etcdserverpb.Lease/LeaseRevoke", MethodKind::Unary, Idempotency::Idempotent),
        method("LeaseKeepAlive", "etcdserverpb.Lease/LeaseKeepAlive", MethodKind::Bidirectional, Idempotency::Unknown),
    ],
    files: &[],
};

const fn method(
    name: &'static str,
    path: &'static str,
    kind: MethodKind,
    idempotency: Idempotency,
) -> MethodDescriptor {
    MethodDescriptor::new(name, path, kind, idempotency)
}
