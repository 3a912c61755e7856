//! `instructions PART CALLS`: runs one part of a unary call of 32 bytes CALLS times. `cargo xtask instructions` runs it
//! twice under callgrind and takes the difference. It uses one thread, no sockets, and nothing that depends on time, so
//! every run executes the same instructions. The exceptions are `serve` and `call`: a server and a caller on loopback, each
//! a process of its own, as in a deployment.

use std::error::Error;
use std::hint::black_box;
use std::io::{Read, Write};
use std::rc::Rc;

use mprpc::bench::{self, Caller, Frames, Peer, Serving};
use mprpc::codegen::Stub;
use mprpc::{Body, Bytes, BytesMut, Channel, Context, Placement, Server, Status, testing};
use tokio::runtime::{Builder, Runtime};
use tokio::task::{JoinSet, LocalSet};

mprpc::include_proto!("echo");

/// Runs one part of a call this many times.
type Part = fn(u32) -> Result<()>;
type Result<T> = std::result::Result<T, Box<dyn Error>>;

struct Handler;

/// The server of all parts. Its method runs inline, as a method does that the server has measured as short. Under callgrind
/// the server would never measure one as short, because code runs fifty times slower there.
fn server() -> Server {
    let placement = [(ECHO.name.to_owned(), Placement::Inline)].into();
    Server { placement, ..Server::default() }.add(EchoServer::new(Handler))
}

impl Echo for Handler {
    async fn unary(&self, _: &Context, request: PayloadView<'_>) -> std::result::Result<Payload, Status> {
        Ok(payload(request.data))
    }
}

fn main() -> Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words[..] {
        ["serve"] => serve(),
        ["call", address, calls] => {
            runtime()?.block_on(call_by(CALLERS, &EchoClient::new(Channel::new(address)?), calls.parse()?))
        }
        [part, calls] => {
            let calls = calls.parse()?;
            let Some((_, run)) = PARTS.iter().find(|(name, _)| *name == part) else {
                return Err(format!("there is no part '{part}'").into());
            };
            run(calls)
        }
        _ => Err("usage: instructions PART CALLS | serve | call ADDRESS CALLS".into()),
    }
}

/// The parts that need no sockets. The names are those of the budget file.
const PARTS: [(&str, Part); 9] = [
    ("encode", encode),
    ("decode", decode),
    ("pick", pick),
    ("pick-1000", pick_1000),
    ("in-flight", in_flight),
    ("caller", caller),
    ("dispatch", dispatch),
    ("whole-call", |calls| whole_call(CALLERS, calls)),
    ("whole-call-alone", |calls| whole_call(1, calls)),
];

/// Encodes a message to a REQUEST frame.
fn encode(calls: u32) -> Result<()> {
    let message = payload(&DATA);
    let mut out = BytesMut::with_capacity(256);
    for id in 0..calls {
        out.clear();
        let Body::Message(encoded) = Body::encode(black_box(&message))? else { continue };
        bench::request(&mut out, 0, id, &encoded);
        black_box(&out);
    }
    Ok(())
}

/// Decodes a frame to its message.
fn decode(calls: u32) -> Result<()> {
    let mut frame = BytesMut::new();
    bench::response(&mut frame, 1, &encoded()?);
    let mut input = BytesMut::with_capacity(READ_BYTES);
    let mut frames = Frames::default();
    for _ in 0..calls / CALLERS {
        (0..CALLERS).for_each(|_| input.extend_from_slice(&frame));
        for _ in 0..CALLERS {
            let message = frames.next(&mut input).ok_or("a frame was lost")?;
            black_box(Body::Message(message).decode::<Payload>()?);
        }
        input.reserve(READ_BYTES);
    }
    Ok(())
}

/// Picks one of three healthy endpoints.
fn pick(calls: u32) -> Result<()> {
    let runtime = runtime()?;
    let _entered = runtime.enter();
    let stub = Stub::new(Channel::new("list:127.0.0.1:1,127.0.0.1:2,127.0.0.1:3")?, &ECHO);
    let picked = (0..calls).filter(|_| black_box(bench::pick(&stub, 0))).count();
    if picked == calls as usize { Ok(()) } else { Err("nothing was picked".into()) }
}

/// Picks one of a thousand healthy endpoints, as the fast path of a call does: the snapshot, the policy, the checks.
fn pick_1000(calls: u32) -> Result<()> {
    let runtime = runtime()?;
    let _entered = runtime.enter();
    let endpoints: Vec<String> = (1..=1000).map(|port| format!("127.0.0.1:{port}")).collect();
    let stub = Stub::new(Channel::new(&format!("list:{}", endpoints.join(",")))?, &ECHO);
    if bench::picks(&stub, 0, calls) { Ok(()) } else { Err("nothing was picked".into()) }
}

/// The caller's half of a connection: an encoded request becomes a frame, and the frame of the reply becomes the bytes of a
/// message.
fn in_flight(calls: u32) -> Result<()> {
    alone(async {
        let (caller, peer) = Caller::open();
        tokio::task::spawn_local(answer(peer));
        let caller = Rc::new(caller);
        let mut callers = JoinSet::new();
        for _ in 0..CALLERS {
            let (caller, calling) = (caller.clone(), Caller::prepare(&ECHO.methods[0], encoded()?));
            callers.spawn_local(async move {
                for _ in 0..calls / CALLERS {
                    black_box(caller.call(&calling).await?.into_message()?);
                }
                Ok::<(), Status>(())
            });
        }
        all(callers).await
    })
}

/// The caller's side, from the generated client to frames and back.
fn caller(calls: u32) -> Result<()> {
    alone(async {
        let (client, mut peers) = bench::channel();
        let client = EchoClient::new(client);
        tokio::task::spawn_local(async move {
            if let Some(peer) = peers.recv().await {
                answer(peer).await;
            }
        });
        call_by(CALLERS, &client, calls).await
    })
}

/// The server's side, from frames to the handler and back.
fn dispatch(calls: u32) -> Result<()> {
    alone(async {
        let mut peer = Serving::new(server())?.connect();
        let mut begin = BytesMut::new();
        bench::greeting(&mut begin);
        bench::method(&mut begin, 0, &ECHO.methods[0]);
        peer.write(&begin)?;
        let mut requests = BytesMut::new();
        let message = encoded()?;
        let mut wrong = 0;
        (1..=CALLERS).for_each(|id| bench::request(&mut requests, 0, id, &message));
        for _ in 0..calls / CALLERS {
            peer.write(&requests)?;
            let mut replies = 0;
            while replies < CALLERS {
                peer.read(|_, reply| {
                    wrong += u32::from(reply.len() != message.len());
                    replies += 1;
                })
                .await?;
            }
        }
        if wrong == 0 { Ok(()) } else { Err(format!("{wrong} replies are not the message").into()) }
    })
}

/// Both sides on one runtime.
fn whole_call(callers: u32, calls: u32) -> Result<()> {
    alone(async {
        let client = EchoClient::new(testing::connect_to(server()));
        call_by(callers, &client, calls).await
    })
}

/// Serves on loopback until the input ends. Prints the address.
fn serve() -> Result<()> {
    let listen = vec!["127.0.0.1:0".parse()?];
    let running = Server { listen, loops: 1, ..server() }.start()?;
    writeln!(std::io::stdout(), "{}", running.addresses()[0])?;
    std::io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}

/// Makes `calls` calls, `callers` at a time.
async fn call_by(callers: u32, client: &EchoClient, calls: u32) -> Result<()> {
    let mut tasks = JoinSet::new();
    for _ in 0..callers {
        let client = client.clone();
        tasks.spawn(async move {
            for _ in 0..calls / callers {
                black_box(client.unary(payload(&DATA)).await?);
            }
            Ok::<(), Status>(())
        });
    }
    all(tasks).await
}

/// The server's end of a connection, driven by hand. It answers every request at the lowest possible cost.
async fn answer(mut peer: Peer) {
    let mut out = BytesMut::new();
    bench::greeting(&mut out);
    while peer.write(&out).is_ok() {
        out.clear();
        if peer.read(|id, message| bench::response(&mut out, id, message)).await.is_err() {
            return;
        }
    }
}

async fn all(mut tasks: JoinSet<std::result::Result<(), Status>>) -> Result<()> {
    while let Some(ended) = tasks.join_next().await {
        ended??;
    }
    Ok(())
}

fn alone(work: impl Future<Output = Result<()>>) -> Result<()> {
    LocalSet::new().block_on(&runtime()?, work)
}

fn runtime() -> Result<Runtime> {
    Ok(Builder::new_current_thread().enable_all().build()?)
}

fn payload(data: &[u8]) -> Payload {
    Payload { data: data.to_vec(), ..Payload::default() }
}

fn encoded() -> std::result::Result<Bytes, Status> {
    Body::encode(&payload(&DATA))?.into_message()
}

const DATA: [u8; 32] = [7; 32];
/// Calls in flight at a time.
const CALLERS: u32 = 64;
const READ_BYTES: usize = 64 << 10;
