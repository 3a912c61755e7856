//! One connection of a scripted ensemble: handshake, requests, answers and events.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use super::ensemble::{Ensemble, State};
use crate::jute::{Reader, put_bool, put_buffer};
use crate::request::{code, xid};

/// What a connection sends.
pub(super) enum Outgoing {
    /// A packet without its length, and when it arrives.
    Packet(Instant, Bytes),
    /// The end of the connection, behind what was sent before.
    End,
}

/// Serves a connection until the client or the ensemble ends it.
pub(super) async fn serve(
    ensemble: Ensemble,
    mut stream: DuplexStream,
    number: u64,
    mut outgoing: mpsc::UnboundedReceiver<Outgoing>,
) {
    let mut changed = ensemble.shared.changed.subscribe();
    let mut input = BytesMut::new();
    let mut waiting: VecDeque<(Instant, Bytes)> = VecDeque::new();
    let mut session = 0;
    let mut is_ending = false;
    loop {
        let is_cut_off = {
            let state = ensemble.lock();
            let Some(entry) = state.connections.get(&number).or(None) else { break };
            entry.is_silent || state.faults.partitioned.contains(&entry.client)
        };
        if is_ending && waiting.is_empty() {
            ensemble.lock().connections.remove(&number);
            break;
        }
        let next = waiting.front().map(|(at, _)| *at);
        tokio::select! {
            biased;
            _ = changed.changed() => {}
            message = outgoing.recv() => match message {
                Some(Outgoing::Packet(at, packet)) => waiting.push_back((at, packet)),
                Some(Outgoing::End) => is_ending = true,
                None => break,
            },
            () = arrival(next), if next.is_some() && !is_cut_off => {
                let Some((_, packet)) = waiting.pop_front() else { continue };
                let mut bytes = BytesMut::new();
                put_buffer(&mut bytes, &packet);
                if stream.write_all(&bytes).await.is_err() {
                    break;
                }
            }
            read = stream.read_buf(&mut input), if !is_cut_off && !is_ending => {
                if !matches!(read, Ok(1..)) {
                    break;
                }
                if input.first_chunk().is_some_and(|length| u32::from_be_bytes(*length) > PACKET_BYTES_MAX) {
                    // It is no packet. As the servers do, the connection ends.
                    break;
                }
                while let Some(packet) = packet(&mut input) {
                    if !ensemble.lock().take(number, &mut session, &packet, Instant::now()) {
                        break;
                    }
                }
            }
        }
    }
    ensemble.lock().connections.remove(&number);
}

async fn arrival(at: Option<Instant>) {
    if let Some(at) = at {
        sleep_until(at).await;
    }
}

fn packet(input: &mut BytesMut) -> Option<Bytes> {
    let (length, _) = input.split_first_chunk()?;
    let length = usize::try_from(i32::from_be_bytes(*length)).ok()?;
    if input.len() < 4 + length {
        return None;
    }
    input.advance(4);
    Some(input.split_to(length).freeze())
}

impl State {
    /// Takes a packet of a connection. Returns whether the connection goes on.
    fn take(&mut self, number: u64, session: &mut i64, packet: &[u8], now: Instant) -> bool {
        let goes_on = match *session {
            0 => self.handshake(number, packet, now).inspect(|id| *session = *id).is_some(),
            id => self.request(number, id, packet, now).is_some(),
        };
        if !goes_on {
            self.connections.remove(&number);
        }
        goes_on
    }

    /// Opens or resumes a session. Returns its id.
    fn handshake(&mut self, number: u64, packet: &[u8], now: Instant) -> Option<i64> {
        let mut reader = Reader::new("ConnectRequest", packet);
        let _version = reader.i32().ok()?;
        let (zxid, timeout) = (reader.i64().ok()?, reader.i32().ok()?);
        let (id, password) = (reader.i64().ok()?, reader.buffer().ok()?);
        let takes_read_only = reader.bool().ok()?;
        if zxid > self.tree.zxid || (self.faults.read_only && !takes_read_only) {
            return None;
        }
        let timeout = Duration::from_millis(u64::try_from(timeout).ok()?).clamp(TIMEOUT_MIN, TIMEOUT_MAX);
        let (id, password) = match self.sessions.get_mut(&id) {
            Some(session) if session.password == password => {
                session.last_heard = now;
                let old = std::mem::replace(&mut session.connection, number);
                let password = session.password;
                self.connections.remove(&old);
                (id, password)
            }
            None if id == 0 => self.open_session(timeout, number, now),
            _ => (0, [0; 16]),
        };
        let mut answer = BytesMut::new();
        answer.put_i32(0);
        let timeout_ms = if id == 0 { 0 } else { timeout.as_millis() };
        answer.put_i32(i32::try_from(timeout_ms).ok()?);
        answer.put_i64(id);
        put_buffer(&mut answer, &password);
        put_bool(&mut answer, self.faults.read_only);
        let entry = self.connections.get(&number)?;
        let _ = entry.output.send(Outgoing::Packet(now + self.faults.latency, answer.freeze()));
        if id == 0 {
            let _ = entry.output.send(Outgoing::End);
        }
        Some(id)
    }

    /// Does a request. `None` ends the connection.
    fn request(&mut self, number: u64, session: i64, packet: &[u8], now: Instant) -> Option<()> {
        let mut reader = Reader::new("RequestHeader", packet);
        let (xid, code) = (reader.i32().ok()?, reader.i32().ok()?);
        self.sessions.get_mut(&session)?.last_heard = now;
        self.requests += u64::from(code != code::PING);
        let mut changes = Vec::new();
        let is_forbidden = self.is_forbidden(code, &reader);
        let result = match code {
            code::PING => Ok(BytesMut::new()),
            code::CLOSE_SESSION => {
                self.reply(number, xid, Ok(BytesMut::new()), now);
                let entry = self.connections.get(&number)?;
                let _ = entry.output.send(Outgoing::End);
                // The connection goes on until the answer has arrived.
                self.sessions.get_mut(&session)?.connection = u64::MAX;
                self.end_session(session, now);
                return Some(());
            }
            code::AUTH => {
                let (_, _scheme) = (reader.i32().ok()?, reader.string().ok()?);
                self.credentials.push(reader.buffer().ok()?.to_vec());
                if self.faults.refuse_credentials { Err(AUTH_FAILED) } else { Ok(BytesMut::new()) }
            }
            code::ADD_WATCH | code::REMOVE_WATCHES | code::SET_WATCHES2 => {
                self.change_watches(number, code, &mut reader)?;
                Ok(BytesMut::new())
            }
            _ if is_forbidden => Err(NO_AUTH),
            _ => match self.tree.read(code, &mut reader, self.faults.empty_lists) {
                Some(answer) => answer,
                None if self.faults.read_only => Err(NOT_READ_ONLY),
                None => self.tree.write(code, &mut reader, session, &mut changes),
            },
        };
        let is_write = !changes.is_empty();
        self.record_deletions(&changes, session);
        // The events of a write precede its answer.
        self.announce(changes);
        if is_write && self.faults.lose_answers_of_writes {
            return None;
        }
        let is_auth_failed = result == Err(AUTH_FAILED);
        self.reply(number, if code == code::AUTH { xid::AUTH } else { xid }, result, now);
        if is_auth_failed {
            let _ = self.connections.get(&number)?.output.send(Outgoing::End);
        }
        Some(())
    }

    fn is_forbidden(&self, code: i32, reader: &Reader<'_>) -> bool {
        let mut reader = Reader::new("Path", reader.rest());
        if code == code::MULTI {
            let _ = (reader.i32(), reader.bool(), reader.i32());
        }
        let Ok(path) = reader.string() else { return false };
        let forbids = |prefix: &String| path == prefix || path.starts_with(&format!("{prefix}/"));
        self.faults.no_auth.iter().any(forbids)
    }

    fn change_watches(&mut self, number: u64, code: i32, reader: &mut Reader<'_>) -> Option<()> {
        let entry = self.connections.get_mut(&number)?;
        if code == code::SET_WATCHES2 {
            reader.i64().ok()?;
            let mut paths = Vec::new();
            for _ in 0..5 {
                paths.push(reader.vector(|reader| reader.string().map(str::to_owned)).ok()?);
            }
            entry.recursive.extend(paths.pop()?);
            entry.persistent.extend(paths.pop()?);
            return Some(());
        }
        let path = reader.string().ok()?.to_owned();
        entry.recursive.remove(&path);
        entry.persistent.remove(&path);
        match (code, reader.i32().ok()?) {
            (code::ADD_WATCH, 0) => drop(entry.persistent.insert(path)),
            (code::ADD_WATCH, _) => drop(entry.recursive.insert(path)),
            _ => {}
        }
        Some(())
    }

    fn reply(&self, number: u64, xid: i32, result: Result<BytesMut, i32>, now: Instant) {
        let Some(entry) = self.connections.get(&number) else { return };
        let mut packet = BytesMut::new();
        packet.put_i32(xid);
        packet.put_i64(self.tree.zxid);
        packet.put_i32(result.as_ref().err().copied().unwrap_or(0));
        packet.put_slice(result.as_deref().unwrap_or(&[]));
        let _ = entry.output.send(Outgoing::Packet(now + self.faults.latency, packet.freeze()));
    }
}

/// `jute.maxbuffer` of the servers.
const PACKET_BYTES_MAX: u32 = 1 << 20;
const NO_AUTH: i32 = -102;
const AUTH_FAILED: i32 = -115;
const NOT_READ_ONLY: i32 = -119;
/// The session timeouts that the servers grant.
const TIMEOUT_MIN: Duration = Duration::from_secs(1);
const TIMEOUT_MAX: Duration = Duration::from_secs(60);
