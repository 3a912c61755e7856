//! Sends pairs of REQUEST and CANCEL on one connection, as fast as the server takes them. The frames are encoded by hand
//! after docs/protocol.md.

use std::io::{BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use mprpc_bench_harness::{CallerProcess, Failure, Serve, ServerProcess, Usage, peak_rss_kib, rss_kib};

use crate::Programs;
use crate::result::Sample;
use crate::service::MPRPC;

/// Measures a million pairs.
pub(crate) fn measure(programs: &Programs) -> Result<Vec<Sample>, Failure> {
    let mut server = ServerProcess::start(&programs.own, &Serve::new(MPRPC))?;
    let before = (Usage::of(server.pid()).cpu, rss_kib(server.pid()));
    let arguments = ["--cancel".to_owned(), server.address().to_string(), PAIRS.to_string()];
    let caller = CallerProcess::start(&programs.own, &arguments)?;
    let seconds: f64 = caller.report(Duration::ZERO).map_err(|failure| server.blame(failure))?;
    let figures = vec![
        ("server CPU s", (Usage::of(server.pid()).cpu - before.0).as_secs_f64()),
        ("wall s", seconds),
        ("MiB before", before.1 as f64 / 1024.0),
        ("MiB after", rss_kib(server.pid()) as f64 / 1024.0),
        ("peak MiB", peak_rss_kib(server.pid()) as f64 / 1024.0),
    ];
    Ok(vec![Sample::new("1,000,000 pairs", figures)])
}

/// The process that sends the pairs. Returns the seconds until the last one is answered.
pub(crate) fn cancel(address: &str, pairs: &str) -> Result<f64, Failure> {
    let (address, pairs): (SocketAddr, u32) = (address.parse()?, pairs.parse()?);
    let stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(SILENCE_MAX))?;
    let begin = Instant::now();
    let mut output = stream.try_clone()?;
    let writing = thread::spawn(move || write_pairs(&mut output, pairs));
    read_responses(stream, pairs)?;
    let seconds = begin.elapsed().as_secs_f64();
    writing.join().map_err(|_| "the writing thread has panicked")??;
    Ok(seconds)
}

fn write_pairs(output: &mut TcpStream, pairs: u32) -> std::io::Result<()> {
    let mut bytes = PREFACE.to_vec();
    frame(&mut bytes, SETTINGS, 0, 0, 0, b"");
    frame(&mut bytes, METHOD, 0, 0, 0, b"bench.LoadService/Park");
    for id in 1..=pairs {
        frame(&mut bytes, REQUEST, END, 0, id, b"");
        frame(&mut bytes, CANCEL, 0, CANCELLED, id, b"");
        if bytes.len() >= WRITE_BYTES || id == pairs {
            output.write_all(&bytes)?;
            bytes.clear();
        }
    }
    Ok(())
}

/// Reads until `pairs` calls have ended. Every REQUEST gets one RESPONSE with END.
fn read_responses(stream: TcpStream, pairs: u32) -> Result<(), Failure> {
    let mut input = BufReader::with_capacity(WRITE_BYTES, stream);
    input.read_exact(&mut [0; PREFACE.len()])?;
    let (mut header, mut body, mut ended) = ([0; HEADER_BYTES], Vec::new(), 0);
    while ended < pairs {
        input.read_exact(&mut header)?;
        let length = u32::from_le_bytes([header[0], header[1], header[2], header[3]]);
        body.resize(length as usize, 0);
        input.read_exact(&mut body)?;
        match (header[4], header[5] & END) {
            (RESPONSE, END) => ended += 1,
            (GO_AWAY, _) => return Err(format!("the server goes: {}", String::from_utf8_lossy(&body)).into()),
            _ => {}
        }
    }
    Ok(())
}

fn frame(bytes: &mut Vec<u8>, kind: u8, flags: u8, word: u16, id: u32, body: &[u8]) {
    bytes.extend_from_slice(&(body.len() as u32).to_le_bytes());
    bytes.extend_from_slice(&[kind, flags]);
    bytes.extend_from_slice(&word.to_le_bytes());
    bytes.extend_from_slice(&id.to_le_bytes());
    // No deadline.
    bytes.extend_from_slice(&0u32.to_le_bytes());
    bytes.extend_from_slice(body);
}

const PAIRS: u32 = 1_000_000;
const PREFACE: &[u8] = b"\x89MPRPC\n\x01";
const HEADER_BYTES: usize = 16;
const SETTINGS: u8 = 1;
const METHOD: u8 = 2;
const REQUEST: u8 = 3;
const RESPONSE: u8 = 4;
const CANCEL: u8 = 7;
const GO_AWAY: u8 = 10;
const END: u8 = 2;
const CANCELLED: u16 = 1;
const WRITE_BYTES: usize = 64 << 10;
const SILENCE_MAX: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_match_the_protocol() {
        let mut bytes = Vec::new();
        frame(&mut bytes, METHOD, 0, 0, 0, b"fixbug.UserServiceRpc/Login");
        frame(&mut bytes, REQUEST, END, 0, 1, b"");
        let golden =
            b"\x1b\0\0\0\x02\0\0\0\0\0\0\0\0\0\0\0fixbug.UserServiceRpc/Login\0\0\0\0\x03\x02\0\0\x01\0\0\0\0\0\0\0";
        assert_eq!(bytes, golden);
    }
}
