//! The calls of etcd's API, typed. Knows no services and no providers.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::runtime::Handle;

use crate::client::{Channel, ChannelOptions, Stub};
use crate::codec::etcd_messages::{
    Compare, KeyValue, LeaseGrantRequest, LeaseGrantResponse, LeaseKeepAliveRequest, LeaseKeepAliveResponse,
    LeaseRevokeRequest, LeaseRevokeResponse, PutRequest, PutResponse, RangeRequest, RangeResponse, RequestOp,
    TxnRequest, TxnResponse, WatchCreateRequest, WatchRequest, WatchResponse, compare,
};
use crate::discovery::{EtcdCluster, ListResolver};
use crate::endpoint::{Address, Endpoint, Protocol};
use crate::method::{Idempotency, MethodDescriptor, MethodKind, ServiceDescriptor};
use crate::status::Status;
use crate::streaming::{Sender, Streaming};

/// A cluster, as this process calls it. All registrations and watches of the process share its connections.
pub(super) struct Etcd {
    /// The name of the cluster in states and errors, `etcd 127.0.0.1:2379`.
    pub(super) name: String,
    /// Where the tasks of the registry run.
    pub(super) runtime: Handle,
    kv: Stub,
    watch: Stub,
    lease: Stub,
}

/// A stream of responses, and the stream of requests that keeps it open.
pub(super) struct Exchange<Q, R> {
    requests: Sender<Q>,
    responses: Streaming<R>,
}

impl Etcd {
    /// Returns the process's channel to this cluster. Starts one if none is in use.
    pub(super) fn shared(cluster: &EtcdCluster) -> Arc<Etcd> {
        type Clusters = HashMap<Vec<String>, Weak<Etcd>>;
        static CLUSTERS: Mutex<Option<Clusters>> = Mutex::new(None);
        let mut clusters = CLUSTERS.lock().unwrap_or_else(PoisonError::into_inner);
        let clusters = clusters.get_or_insert_default();
        clusters.retain(|_, cluster| cluster.strong_count() > 0);
        let known = clusters.entry(cluster.servers.clone()).or_default();
        if let Some(etcd) = known.upgrade() {
            return etcd;
        }
        // Parsing a target has checked the addresses.
        let addresses = cluster.servers.iter().filter_map(|server| server.parse::<Address>().ok());
        let endpoint = |address| Endpoint { protocol: Protocol::Grpc, ..Endpoint::new(address) };
        let resolver = Arc::new(ListResolver::new(addresses.map(endpoint).collect()));
        let channel = Channel::from_resolver(resolver, ChannelOptions::default());
        let etcd = Arc::new(Etcd::over(channel, &cluster.servers.join(","), crate::net::background().clone()));
        *known = Arc::downgrade(&etcd);
        etcd
    }

    pub(super) fn over(channel: Channel, servers: &str, runtime: Handle) -> Etcd {
        Etcd {
            name: format!("etcd {servers}"),
            runtime,
            kv: Stub::new(channel.clone(), &KV),
            watch: Stub::new(channel.clone(), &WATCH),
            lease: Stub::new(channel, &LEASE),
        }
    }

    /// Reads the keys from `key` up to `range_end`; an empty `range_end` means this one key.
    pub(super) async fn range(&self, key: Vec<u8>, range_end: Vec<u8>, limit: i64) -> Result<RangeResponse, Status> {
        self.kv.unary(0, &RangeRequest { key, range_end, limit }).await
    }

    /// Writes a key, which lives as long as the lease.
    pub(super) async fn put(&self, key: Vec<u8>, value: Vec<u8>, lease: i64) -> Result<PutResponse, Status> {
        self.kv.unary(1, &PutRequest { key, value, lease }).await
    }

    /// Writes another value into a key, which keeps its lease, unless the key has changed since `entry` was read. Returns
    /// whether the value is written.
    pub(super) async fn replace(&self, entry: &KeyValue, value: Vec<u8>) -> Result<bool, Status> {
        let KeyValue { key, mod_revision, lease, .. } = entry.clone();
        let put = PutRequest { key: key.clone(), value, lease };
        let unchanged = Compare { target: compare::CompareTarget::MOD.into(), key, mod_revision };
        let success = vec![RequestOp { request_put: Some(put).into() }];
        let done: TxnResponse = self.kv.unary(2, &TxnRequest { compare: vec![unchanged], success }).await?;
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
        let request = WatchRequest { create_request: Some(create).into() };
        let (requests, stream) = Streaming::channel(1);
        requests.send(request).await?;
        let call = self.watch.bidirectional(0, stream).metadata(HAS_LEADER.0, HAS_LEADER.1);
        Ok(Exchange { requests, responses: call.await? })
    }

    /// Asks for a lease of this many seconds.
    pub(super) async fn grant(&self, seconds: i64) -> Result<LeaseGrantResponse, Status> {
        let granted: LeaseGrantResponse = self.lease.unary(0, &LeaseGrantRequest { TTL: seconds }).await?;
        match granted.error.is_empty() {
            true => Ok(granted),
            false => Err(Status::unavailable(granted.error)),
        }
    }

    /// Ends a lease, and with it the keys that have it.
    pub(super) async fn revoke(&self, lease: i64) -> Result<LeaseRevokeResponse, Status> {
        self.lease.unary(1, &LeaseRevokeRequest { ID: lease }).await
    }

    /// Opens the stream that keeps a lease alive, and sends the first request.
    pub(super) async fn keep_alive(
        &self,
        lease: i64,
    ) -> Result<Exchange<LeaseKeepAliveRequest, LeaseKeepAliveResponse>, Status> {
        let (requests, stream) = Streaming::channel(1);
        requests.send(keep_alive_request(lease)).await?;
        let call = self.lease.bidirectional(2, stream).metadata(HAS_LEADER.0, HAS_LEADER.1);
        Ok(Exchange { requests, responses: call.await? })
    }
}

impl<Q, R: 'static> Exchange<Q, R> {
    pub(super) async fn send(&mut self, request: Q) -> Result<(), Status> {
        self.requests.send(request).await
    }

    /// The next response. The end of the stream is an error.
    pub(super) async fn next(&mut self) -> Result<R, Status> {
        self.responses.next().await.unwrap_or_else(|| Err(Status::unavailable("the server has ended the stream")))
    }
}

pub(super) fn keep_alive_request(lease: i64) -> LeaseKeepAliveRequest {
    LeaseKeepAliveRequest { ID: lease }
}

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
