//! Drives a session: connects it to the servers, moves its bytes, and delivers its events. It never waits for whoever
//! takes the events, so no reader of nodes delays a ping.

use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};

use crate::client::Shared;
use crate::connect::{BoxStream, DynConnect};
use crate::servers::{Servers, Step};
use crate::session::{Broken, Event};
use crate::state::State;

/// Keeps the session until it is closed.
pub(crate) async fn run(
    shared: Arc<Shared>,
    connector: Box<dyn DynConnect>,
    mut servers: Servers,
    state: watch::Sender<State>,
) {
    let driver = Driver { shared, state };
    loop {
        let timeout = {
            let session = &driver.shared.lock().session;
            if session.is_closed() {
                break;
            }
            session.timeout()
        };
        match servers.step(timeout) {
            Step::Pause(pause) => driver.meanwhile(sleep(pause)).await.unwrap_or(()),
            Step::Try(server) => driver.try_server(&*connector, &mut servers, server).await,
        }
        driver.deliver();
    }
    driver.deliver();
    for (feed, _) in driver.shared.lock().feeds.values() {
        feed.end();
    }
}

struct Driver {
    shared: Arc<Shared>,
    state: watch::Sender<State>,
}

impl Driver {
    async fn try_server(&self, connector: &dyn DynConnect, servers: &mut Servers, server: Arc<str>) {
        let (old_id, time) = {
            let session = &self.shared.lock().session;
            // Each server gets its share of the session timeout, so that a session outlives the servers that are down.
            let share = session.timeout() / u32::try_from(servers.count()).unwrap_or(u32::MAX);
            (session.id(), share.max(ATTEMPT_MIN))
        };
        let until = Instant::now() + time;
        let connecting = tokio::time::timeout_at(until, connector.connect(&server));
        let why = match self.meanwhile(connecting).await {
            None => return,
            Some(Ok(Ok(stream))) => {
                let answer_by = until.min(Instant::now() + servers.handshake_patience(time));
                self.shared.lock().session.connected(server.clone(), now(), answer_by.into_std());
                let broken = self.serve(stream, servers).await;
                if Instant::now() >= answer_by && !self.shared.lock().session.is_open() {
                    servers.unanswered();
                }
                tracing::debug!(%server, why = broken.0, "the connection to ZooKeeper has ended");
                broken.0
            }
            Some(Ok(Err(error))) => text(&error),
            Some(Err(_elapsed)) => format!("no connection within {time:?}"),
        };
        let session = &mut self.shared.lock().session;
        let was_open = session.is_open();
        session.disconnected(&if servers.count() == 1 { why.clone() } else { format!("{server}: {why}") }, now());
        if was_open {
            servers.lost(now());
        } else if old_id != 0 && session.id() == 0 {
            servers.retry(server);
        } else {
            servers.failed(server, why);
            if let Some(why) = servers.round_failed() {
                session.round_failed(&why);
            }
        }
    }

    /// Waits for `future`, and meanwhile ends the operations that are too late. `None` if the session was closed.
    async fn meanwhile<F: Future>(&self, future: F) -> Option<F::Output> {
        let mut future = pin!(future);
        loop {
            self.deliver();
            let deadline = {
                let session = &self.shared.lock().session;
                if session.is_closed() {
                    return None;
                }
                session.deadline()
            };
            tokio::select! {
                output = &mut future => return Some(output),
                () = self.shared.wake.notified() => {}
                () = until(deadline) => {
                    // Without a connection nothing can break.
                    let _ = self.shared.lock().session.tick(now());
                }
            }
        }
    }

    /// Moves bytes between the session and the stream until one of them ends.
    async fn serve(&self, stream: BoxStream, servers: &mut Servers) -> Broken {
        let (mut reader, mut writer) = tokio::io::split(stream);
        let mut input = BytesMut::with_capacity(READ_BYTES);
        let mut output = Bytes::new();
        let mut is_flushed = true;
        let mut was_open = false;
        loop {
            self.deliver();
            let deadline = {
                let session = &mut self.shared.lock().session;
                if output.is_empty() {
                    session.output_sent(now());
                    output = session.take_output();
                }
                if session.is_open() && !was_open {
                    was_open = true;
                    servers.connected(now());
                }
                if session.is_closed() {
                    return Broken("the client was closed".into());
                }
                session.deadline()
            };
            let write = async {
                if !output.is_empty() {
                    let written = writer.write(&output).await?;
                    return if written == 0 { Err(io::ErrorKind::WriteZero.into()) } else { Ok(written) };
                }
                writer.flush().await.map(|()| 0)
            };
            let has_to_write = !output.is_empty() || !is_flushed;
            let step = tokio::select! {
                read = reader.read_buf(&mut input) => match read {
                    Ok(_) => {
                        let taken = self.shared.lock().session.received(&input, now());
                        input.clear();
                        taken
                    }
                    Err(error) => Err(self.broken(&error)),
                },
                written = write, if has_to_write => match written {
                    Ok(written) => {
                        is_flushed = output.is_empty();
                        output.advance(written);
                        Ok(())
                    }
                    Err(error) => Err(self.broken(&error)),
                },
                () = self.shared.wake.notified() => Ok(()),
                () = until(deadline) => self.shared.lock().session.tick(now()),
            };
            if let Err(broken) = step {
                return broken;
            }
        }
    }

    fn broken(&self, error: &io::Error) -> Broken {
        match error.kind() {
            io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => {
                self.shared.lock().session.ended(&text(error))
            }
            _ => Broken(text(error)),
        }
    }

    /// Delivers the events of the session. Nothing here waits.
    fn deliver(&self) {
        let mut inner = self.shared.lock();
        while let Some(event) = inner.session.next_event() {
            match event {
                Event::State(state) => drop(self.state.send_replace(state)),
                // An error means that nobody waits any more.
                Event::Ended(waiter, result) => drop(waiter.send(result)),
                Event::Changed(watchers, event) => {
                    for (feed, watched) in watchers.iter().filter_map(|id| inner.feeds.get(id)) {
                        feed.push(event.clone(), watched);
                    }
                }
            }
        }
    }
}

/// The text of an error, for the middle of a sentence.
fn text(error: &io::Error) -> String {
    let mut text = error.to_string();
    let is_word = text.get(1..2).is_some_and(|second| second.chars().all(char::is_lowercase));
    if let Some(first) = text.get_mut(..1).filter(|_| is_word) {
        first.make_ascii_lowercase();
    }
    text
}

async fn until(deadline: Option<std::time::Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline.into()).await,
        None => std::future::pending().await,
    }
}

fn now() -> std::time::Instant {
    Instant::now().into_std()
}

/// The shortest time for an attempt to connect.
const ATTEMPT_MIN: Duration = Duration::from_millis(500);
/// The room for one read.
const READ_BYTES: usize = 16 << 10;
