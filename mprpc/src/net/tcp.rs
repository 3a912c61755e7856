//! TCP system calls that std and tokio do not offer, each with an ordinary substitute outside Linux. The calls need no
//! reactor, because a socket here never waits.

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsFd;

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
