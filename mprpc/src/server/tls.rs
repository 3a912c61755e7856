//! Connections to addresses of TLS: the handshake, and what becomes of those that come without one.

use std::io;
use std::sync::Arc;

use super::transport::Transport;
use super::{Shared, serve_session, serve_stream};
use crate::net::connection::Close;
use crate::net::tls::{Acceptor, HandshakeOutcome};
use crate::net::{Stream, clock};

/// Serves one connection until it ends, its handshake first.
pub(super) async fn serve(stream: Stream, acceptor: &Acceptor, shared: &Arc<Shared>) -> Close {
    let peer = stream.peer.clone();
    let arrival = tokio::select! {
        arrival = acceptor.accept(stream) => arrival,
        () = shared.drained() => return Close::Done,
    };
    match arrival {
        Ok(HandshakeOutcome::Tls(stream)) => serve_stream(stream, shared.clone()).await,
        Ok(HandshakeOutcome::Plain(stream)) => turn_away(stream, shared).await,
        Ok(HandshakeOutcome::Gone) => Close::PeerClosed,
        Err(error) if error.kind() == io::ErrorKind::TimedOut => {
            let bound = format!("tls_handshake_timeout {:?}", shared.limits.tls_handshake_timeout);
            shared.reject_because(&peer, "no TLS handshake within tls_handshake_timeout", &bound);
            Close::FirstByteTimeout
        }
        Err(error) => {
            shared.reject_because(&peer, "a TLS handshake that failed", &error.to_string());
            Close::Io(error.kind())
        }
    }
}

/// Tells the peer, where its protocol has words for it, that this is no address of plain text.
async fn turn_away(stream: Stream, shared: &Arc<Shared>) -> Close {
    let transport = Transport::of_plain_text(shared.clone(), stream.peer.clone(), clock::now());
    let served = tokio::time::timeout(shared.limits.read_timeout, serve_session(stream, transport, shared));
    served.await.unwrap_or(Close::ReadTimeout)
}
