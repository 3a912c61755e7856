//! The raw socket on tokio: one task a connection, one event loop a thread.

use std::net::TcpListener;
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Instant;

use mprpc_bench_harness::{
    Failure, Kind, Load, Meter, Report, Schedule, Serve, Share, announce, async_ticker, available_cores, on_runtimes,
    tick,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::client::{Calls, window};
use super::frames::Received;

pub(super) fn serve(serve: &Serve) -> Result<(), Failure> {
    if serve.kind != Kind::Unary {
        return Err("raw-tokio is there for unary calls only".into());
    }
    let listener = TcpListener::bind("127.0.0.1:0")?;
    announce(listener.local_addr()?);
    let loops: Vec<_> = (0..available_cores()).map(|_| event_loop()).collect::<Result<_, _>>()?;
    for handle in loops.iter().cycle() {
        let (socket, _) = listener.accept()?;
        socket.set_nonblocking(true)?;
        socket.set_nodelay(true)?;
        handle.spawn(async move {
            // A broken connection is one that the client has closed.
            let _ = echo(TcpStream::from_std(socket)?).await;
            Ok::<(), std::io::Error>(())
        });
    }
    Ok(())
}

fn event_loop() -> Result<tokio::runtime::Handle, Failure> {
    let (sender, handle) = mpsc::channel();
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        // The receiver is the thread that started the loop, and it waits.
        let _ = sender.send(runtime.handle().clone());
        runtime.block_on(std::future::pending::<()>());
        Ok::<(), std::io::Error>(())
    });
    Ok(handle.recv()?)
}

async fn echo(mut socket: TcpStream) -> Result<(), Failure> {
    let (mut received, mut replies) = (Received::new(), Vec::new());
    loop {
        let read = socket.read(received.spare()).await?;
        if read == 0 {
            return Ok(());
        }
        received.filled(read);
        received.copy_small(&mut replies);
        socket.write_all(&replies).await?;
        replies.clear();
        socket.write_all(received.frames()).await?;
        received.take(received.frames().len());
    }
}

pub(super) fn call(load: &Load) -> Result<Report, Failure> {
    if load.kind != Kind::Unary {
        return Err("raw-tokio is there for unary calls only".into());
    }
    let again = load.clone();
    on_runtimes(load, move |share| connections(again.clone(), share))
}

async fn connections(load: Load, share: Share) -> Result<(), Failure> {
    let mut callers = JoinSet::new();
    for _ in 0..share.connections {
        let socket = TcpStream::connect(load.address).await?;
        socket.set_nodelay(true)?;
        let calls = Calls::new(&load, &share.meter);
        let schedule = load.rate.map(|_| Schedule::new(Instant::now(), share.rate / share.connections as f64));
        match schedule {
            None => callers.spawn(call_in_turn(socket, calls, window(&load), share.meter.clone())),
            Some(schedule) => callers.spawn(call_when_due(socket, calls, schedule, share.meter.clone())),
        };
    }
    share.connected();
    while let Some(ended) = callers.join_next().await {
        ended??;
    }
    Ok(())
}

async fn call_in_turn(
    mut socket: TcpStream,
    mut calls: Calls,
    callers: usize,
    meter: Arc<Meter>,
) -> Result<(), Failure> {
    let mut received = Received::new();
    let now = Instant::now();
    (0..callers).for_each(|_| calls.begin(now));
    loop {
        send(&mut socket, &mut calls).await?;
        receive(&mut socket, &mut received).await?;
        calls.take_replies(&mut received, &meter)?;
    }
}

async fn call_when_due(
    mut socket: TcpStream,
    mut calls: Calls,
    mut schedule: Schedule,
    meter: Arc<Meter>,
) -> Result<(), Failure> {
    let ticker = async_ticker()?;
    let mut received = Received::new();
    loop {
        let now = Instant::now();
        while let Some(due) = schedule.next_due(now) {
            calls.begin_due(due, &meter);
        }
        send(&mut socket, &mut calls).await?;
        tokio::select! {
            ticked = tick(&ticker) => ticked?,
            came = receive(&mut socket, &mut received) => {
                came?;
                calls.take_replies(&mut received, &meter)?;
            }
        }
    }
}

async fn send(socket: &mut TcpStream, calls: &mut Calls) -> Result<(), Failure> {
    while !calls.sending.bytes().is_empty() {
        let written = socket.write(calls.sending.bytes()).await?;
        calls.sending.sent(written);
    }
    Ok(())
}

async fn receive(socket: &mut TcpStream, received: &mut Received) -> Result<(), Failure> {
    let read = socket.read(received.spare()).await?;
    if read == 0 {
        return Err("the server has closed a connection".into());
    }
    received.filled(read);
    Ok(())
}
