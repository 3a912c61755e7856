//! One call a connection on a raw socket: connect, send, receive to the end, close, with the bytes of a classic Login. The
//! server has one thread for each core, and each thread serves one connection at a time. With two cores, more threads were
//! slower by up to a fifth.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::Instant;

use mprpc_bench_harness::{Failure, Load, Meter, Report, SAMPLE_EVERY, Serve, announce, available_cores};

/// The login of `cuism`, `123456` to UserServiceRpc/Login. docs/protocol.md shows the frame.
const REQUEST: &[u8] = b"\x19\0\0\0\x0a\x0eUserServiceRpc\x12\x05Login\x18\x0f\x0a\x05cuism\x12\x06123456";
/// Success.
const REPLY: &[u8] = b"\x0a\0\x10\x01";

pub(super) fn serve(_: &Serve) -> Result<(), Failure> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    announce(listener.local_addr()?);
    let threads: Vec<_> = (0..available_cores())
        .map(|_| {
            let listener = listener.try_clone()?;
            Ok(thread::spawn(move || {
                loop {
                    // A broken connection is one that the client has closed.
                    let _ = answer(&listener);
                }
            }))
        })
        .collect::<Result<_, Failure>>()?;
    for thread in threads {
        let () = thread.join().map_err(|_| "a thread panicked")?;
    }
    Ok(())
}

fn answer(listener: &TcpListener) -> Result<(), Failure> {
    let (mut socket, _) = listener.accept()?;
    let mut request = [0; 64];
    let mut filled = 0;
    while filled < REQUEST.len() {
        let read = socket.read(&mut request[filled..])?;
        if read == 0 {
            return Err("the client has closed".into());
        }
        filled += read;
    }
    socket.write_all(REPLY)?;
    Ok(())
}

pub(super) fn call(load: &Load) -> Result<Report, Failure> {
    let address = load.address;
    Meter::measure(load, load.shape.connections, move |share| {
        let counter = share.meter.counter();
        share.connected();
        for number in 0u64.. {
            let begin = number.is_multiple_of(SAMPLE_EVERY).then(Instant::now);
            let mut socket = TcpStream::connect(address)?;
            socket.write_all(REQUEST)?;
            let mut reply = Vec::with_capacity(64);
            socket.read_to_end(&mut reply)?;
            if reply != REPLY {
                return Err("not the reply".into());
            }
            drop(socket);
            if let Some(begin) = begin
                && share.meter.measuring()
            {
                share.meter.latencies.record(begin.elapsed(), 1);
            }
            counter.add(1);
        }
        Ok(())
    })
}
