//! A client's socket, of whichever kind.

use crate::tls::TlsStream;
use mio::event::Source;
use mio::net::{TcpStream, UnixStream};
use mio::{Interest, Registry, Token};
use rustix::net::sockopt::{set_socket_keepalive, set_tcp_keepidle};
use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::time::Duration;

#[derive(Debug)]
pub(crate) enum Stream {
    Tcp(TcpStream),
    Tls(Box<TlsStream>),
    Unix(UnixStream),
}

/// What TLS holds in memory for a client, about; twice that while something
/// waits to be sent.
const TLS_BYTES: usize = 16 * 1024;

/// After so much silence the system asks whether a client is still there.
const KEEPALIVE_IDLE: Duration = Duration::from_mins(2);

impl Stream {
    /// Watches both directions, edge-triggered, once for the socket's life.
    pub(crate) fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        let interest = Interest::READABLE | Interest::WRITABLE;
        let socket = match self {
            Self::Tcp(socket) => socket,
            Self::Tls(stream) => &mut stream.socket,
            Self::Unix(stream) => return stream.register(registry, token, interest),
        };
        // A reply is written whole: waiting to send more gains nothing.
        socket.set_nodelay(true)?;
        // A client that watches may be silent for ever, but not be gone.
        set_socket_keepalive(&*socket, true)?;
        set_tcp_keepidle(&*socket, KEEPALIVE_IDLE)?;
        socket.register(registry, token, interest)
    }

    /// Says that nothing more is sent.
    pub(crate) fn end(&mut self) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.shutdown(Shutdown::Write),
            Self::Tls(stream) => {
                stream.end()?;
                stream.socket.shutdown(Shutdown::Write)
            }
            Self::Unix(stream) => stream.shutdown(Shutdown::Write),
        }
    }

    /// After a read of `bytes` where `asked` were asked for: whether there may be
    /// more that no event will announce. A socket that gave less than asked for
    /// is empty, and an event will say when it is not: epoll(7).
    pub(crate) fn may_have_more(&self, bytes: usize, asked: usize) -> bool {
        match self {
            Self::Tcp(_) | Self::Unix(_) => bytes == asked,
            Self::Tls(stream) => stream.may_have_more(),
        }
    }

    /// Whether something was written and is not sent.
    pub(crate) fn has_unsent(&self) -> bool {
        match self {
            Self::Tcp(_) | Self::Unix(_) => false,
            Self::Tls(stream) => stream.has_unsent(),
        }
    }

    /// The memory held beside the socket.
    pub(crate) fn held_bytes(&self) -> usize {
        match self {
            Self::Tcp(_) | Self::Unix(_) => 0,
            Self::Tls(stream) => TLS_BYTES << usize::from(stream.has_unsent()),
        }
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.read(buffer),
            Self::Tls(stream) => stream.read(buffer),
            Self::Unix(stream) => stream.read(buffer),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.write(bytes),
            Self::Tls(stream) => stream.write(bytes),
            Self::Unix(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Tcp(_) | Self::Unix(_) => Ok(()),
            Self::Tls(stream) => stream.flush(),
        }
    }
}
