//! Serves connections to TLS addresses: does the handshake, and turns away connections in plain text.

use std::io;
use std::sync::Arc;

use super::transport::Transport;
use super::{Shared, serve_session, serve_stream};
use crate::net::connection::Close;
use crate::net::tls::{Acceptor, HandshakeOutcome};
use crate::net::{Stream, clock};

/// Serves one connection, from its TLS handshake until its end.
pub(super) async fn serve(stream: Stream, acceptor: &Acceptor, shared: &Arc<Shared>) -> Close {
    let peer = stream.peer.clone();
    let outcome = tokio::select! {
        outcome = acceptor.accept(stream) => outcome,
        () = shared.drained() => return Close::Done,
    };
    match outcome {
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

/// Tells the peer, if its protocol can carry the message, that this address does not accept plain text.
async fn turn_away(stream: Stream, shared: &Arc<Shared>) -> Close {
    let transport = Transport::of_plain_text(shared.clone(), stream.peer.clone(), clock::now());
    let served = tokio::time::timeout(shared.limits.read_timeout, serve_session(stream, transport, shared));
    served.await.unwrap_or(Close::ReadTimeout)
}
