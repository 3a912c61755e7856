//! TCP system calls that std and tokio do not offer, each with an ordinary substitute outside Linux. The calls need no
//! reactor, because a socket here never waits.

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};

#[cfg(target_os = "linux")]
use rustix::io::Errno;
#[cfg(target_os = "linux")]
use rustix::net::{AddressFamily, SendFlags, SocketFlags, SocketType, acceptfrom_with, connect, send, socket_with};

/// Whether the kernel spreads connections over sockets that share a port. Outside Linux, one of the sockets gets all of
/// them.
pub(super) const LISTENERS_SHARE: bool = cfg!(target_os = "linux");

/// Accepts a connection as a non-blocking socket, in one system call.
#[cfg(target_os = "linux")]
pub(super) fn accept(listener: &TcpListener) -> io::Result<(TcpStream, SocketAddr)> {
    let (socket, peer) = acceptfrom_with(listener, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC)?;
    let peer = peer.ok_or(io::ErrorKind::AddrNotAvailable)?;
    Ok((socket.into(), SocketAddr::try_from(peer)?))
}

#[cfg(not(target_os = "linux"))]
pub(super) fn accept(listener: &TcpListener) -> io::Result<(TcpStream, SocketAddr)> {
    let (socket, peer) = listener.accept()?;
    socket.set_nonblocking(true)?;
    Ok((socket, peer))
}

/// Makes the kernel ignore new handshakes at a listening socket, by a filter that drops each segment with the flag SYN. Handshakes
/// that have begun go on. A peer sends its SYN again after a second.
#[cfg(target_os = "linux")]
pub(super) fn ignore_new_handshakes(listener: &TcpListener) -> io::Result<()> {
    use socket2::SockFilter;
    // Classic BPF. The filter sees a segment from the TCP header on.
    SockRef::from(listener).attach_filter(&[
        // Load the byte of the flags.
        SockFilter::new(0x30, 0, 0, 13),
        // Skip the next instruction unless SYN is set.
        SockFilter::new(0x45, 0, 1, 0x02),
        // Take 0 bytes: drop the segment.
        SockFilter::new(0x06, 0, 0, 0),
        // Take the segment.
        SockFilter::new(0x06, 0, 0, u32::MAX),
    ])
}

#[cfg(not(target_os = "linux"))]
pub(super) fn ignore_new_handshakes(_: &TcpListener) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Starts to connect a non-blocking socket. The bool says whether it is connected already, as it is on the same host.
#[cfg(target_os = "linux")]
pub(super) fn begin_to_connect(address: SocketAddr) -> io::Result<(TcpStream, bool)> {
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let socket = socket_with(family, SocketType::STREAM, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC, None)?;
    match connect(&socket, &address) {
        Ok(()) | Err(Errno::INPROGRESS) => {}
        Err(error) => return Err(error.into()),
    }
    let socket = TcpStream::from(socket);
    let is_connected = socket.peer_addr().is_ok();
    Ok((socket, is_connected))
}

#[cfg(not(target_os = "linux"))]
pub(super) fn begin_to_connect(address: SocketAddr) -> io::Result<(TcpStream, bool)> {
    use socket2::{Domain, Socket, Type};
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    // An error of the connection attempt shows up again once the socket is writable.
    let _ = socket.connect(&address.into());
    let socket = TcpStream::from(socket);
    let is_connected = socket.peer_addr().is_ok();
    Ok((socket, is_connected))
}

/// Turns on TCP keepalive: the first probe after `interval`, then `PROBES` of them within `timeout`. The system counts whole
/// seconds, so each time is rounded up to one.
///
/// Keepalive rests while bytes are unacknowledged. On Linux, TCP_USER_TIMEOUT bounds that time, and the probes: by the longer
/// of `interval` and `timeout` together, and `write_timeout`.
pub(super) fn probe_peer(
    socket: &SockRef<'_>,
    interval: Duration,
    timeout: Duration,
    write_timeout: Duration,
) -> io::Result<()> {
    let seconds = |time: Duration| Duration::from_secs(time.as_nanos().div_ceil(1_000_000_000).clamp(1, 32_767) as u64);
    let keepalive = TcpKeepalive::new().with_time(seconds(interval)).with_interval(seconds(timeout / PROBES));
    socket.set_tcp_keepalive(&keepalive.with_retries(PROBES))?;
    #[cfg(target_os = "linux")]
    socket.set_tcp_user_timeout(Some(seconds((interval.saturating_add(timeout)).max(write_timeout))))?;
    #[cfg(not(target_os = "linux"))]
    let _ = write_timeout;
    Ok(())
}

/// So many probes, as the network may lose one.
const PROBES: u32 = 5;

/// Writes the last bytes before a close, as many as the socket takes at once. The peer receives the bytes and the end of
/// the stream in one segment. Without a close, the bytes would wait for 200 ms.
#[cfg(target_os = "linux")]
pub(super) fn write_last(socket: impl AsFd, bytes: &[u8]) -> io::Result<usize> {
    Ok(send(socket, bytes, SendFlags::MORE | SendFlags::NOSIGNAL)?)
}

#[cfg(not(target_os = "linux"))]
pub(super) fn write_last(socket: impl AsFd, bytes: &[u8]) -> io::Result<usize> {
    socket2::SockRef::from(&socket).send(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probes_take_keepalive_interval_and_keepalive_timeout() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let socket = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let socket = SockRef::from(&socket);
        let second = Duration::from_secs(1);
        for (interval, timeout, write_timeout, expected) in [
            (10 * second, 5 * second, 10 * second, (10, 1, 15)),
            (2 * second, 20 * second, 60 * second, (2, 4, 60)),
            (Duration::from_millis(1), Duration::ZERO, Duration::ZERO, (1, 1, 1)),
            (Duration::MAX, Duration::MAX, Duration::MAX, (32_767, 32_767, 32_767)),
        ] {
            probe_peer(&socket, interval, timeout, write_timeout).unwrap();
            assert!(socket.keepalive().unwrap());
            let seconds = |time: io::Result<Duration>| time.unwrap().as_secs();
            let probing = (seconds(socket.tcp_keepalive_time()), seconds(socket.tcp_keepalive_interval()));
            assert_eq!((probing, socket.tcp_keepalive_retries().unwrap()), ((expected.0, expected.1), PROBES));
            #[cfg(target_os = "linux")]
            assert_eq!(socket.tcp_user_timeout().unwrap(), Some(Duration::from_secs(expected.2)));
        }
    }
}
