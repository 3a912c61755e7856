//! `mprpc gateway`: offers all services of a registry at one address, by every protocol that a server of mprpc speaks. It
//! starts and stops the parts.

mod described;
mod options;
mod provider_schema;
mod proxy;
mod reflection;
mod schema;
mod service;
mod services;
mod transcode;

use std::io::Write;
use std::sync::Arc;

use mprpc::{Error, ErrorKind, ServerHandle, logging};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::Failure;
use options::GatewayOptions;
use proxy::Proxy;
use schema::Schema;
use services::Services;

/// Runs the gateway until SIGTERM or SIGINT, then stops gracefully; a second signal ends the process at once.
pub(crate) async fn run(words: &[String], out: &mut impl Write) -> Result<(), Failure> {
    let options = GatewayOptions::parse(words, std::env::vars_os());
    let options = options.map_err(|error| Failure::Usage(format!("gateway: {error}")))?;
    logging::start(&options.config.log)?;
    for warning in options.config.warnings() {
        tracing::warn!("{warning}");
    }
    let mut signals = Signals::install()?;
    let given = Schema::read(&options.protos, &options.includes, &options.descriptor_sets)?;
    let mut server = options.server();
    let services = Services::new(&options, given, server.health.clone())?;
    let unread = services.read().await.err();
    let proxy = Arc::new(Proxy::new(services.clone(), options.config.reflection));
    if let Some(given) = services.given() {
        server.services = described::services(given, &proxy);
    }
    server.fallback = Some(proxy);
    let running = server.start()?;
    services.report_health();
    announce(&running, &options, services.count(), unread.as_ref(), out)?;
    let following = tokio::spawn(services.follow());
    signals.wait(running).await;
    following.abort();
    Ok(())
}

/// Says where the gateway listens, and what it offers.
fn announce(
    running: &ServerHandle,
    options: &GatewayOptions,
    services: usize,
    unread: Option<&Error>,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let registry = &options.registry;
    for address in running.addresses() {
        writeln!(out, "listening on {address}")?;
    }
    writeln!(out, "gateway to {registry}: {services} services")?;
    let addresses = running.addresses();
    tracing::info!(?addresses, %registry, services, "the gateway listens");
    if let Some(error) = unread {
        tracing::warn!(%error, "the registry cannot be read yet");
    }
    Ok(out.flush()?)
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn install() -> Result<Signals, Error> {
        let install =
            |kind| signal(kind).map_err(|error| Error::with_source(ErrorKind::System, "cannot catch signals", error));
        Ok(Signals { terminate: install(SignalKind::terminate())?, interrupt: install(SignalKind::interrupt())? })
    }

    /// Waits for a signal, then for the end of the graceful shutdown.
    async fn wait(&mut self, running: ServerHandle) {
        self.next().await;
        tracing::info!("stopping: finishing what is in flight");
        tokio::select! {
            () = running.stop() => tracing::info!("stopped"),
            () = self.next() => std::process::exit(EXIT_CODE_AT_ONCE),
        }
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// The exit status after a second signal.
const EXIT_CODE_AT_ONCE: i32 = 130;
