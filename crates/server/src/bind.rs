//! Binds every front before anything is served, and serves them.

use crate::http;
use crate::metrics::Metrics;
use crate::reactor::Reactor;
use crate::shutdown::Shutdown;
use crate::stream::Stream;
use kv_runtime::{Actor, Mailbox};
use mio::net::{TcpListener, UnixListener};
use mio::{Interest, Poll, Token, Waker};
use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener as StdTcpListener, ToSocketAddrs};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::{UnixListener as StdUnixListener, UnixStream as StdUnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub(crate) const WAKE: Token = Token(usize::MAX - 1);
pub(crate) const ACCEPT_LINES: Token = Token(usize::MAX - 2);
pub(crate) const ACCEPT_UNIX: Token = Token(usize::MAX - 3);

/// How much may wait for the actor in its mailbox.
const MAILBOX_REQUESTS_MAX: usize = 16_384;
const MAILBOX_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Where to listen.
#[derive(Clone, Debug, Default)]
pub struct ListenOptions {
    /// JSON lines over TCP: `HOST:PORT`; port 0 picks one.
    pub lines: Option<String>,
    /// HTTP: `HOST:PORT`; port 0 picks one.
    pub http: Option<String>,
    /// JSON lines over a Unix socket: its path.
    pub unix: Option<PathBuf>,
}

/// What was bound.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Addresses {
    /// The line front's address.
    pub lines: Option<SocketAddr>,
    /// The HTTP front's address.
    pub http: Option<SocketAddr>,
    /// The Unix socket's path.
    pub unix: Option<PathBuf>,
}

/// A server that is bound and not yet running.
#[derive(Debug)]
pub struct Server {
    poll: Poll,
    listeners: Listeners,
    http: Option<StdTcpListener>,
    addresses: Addresses,
    waker: Arc<Waker>,
    shutdown: Shutdown,
}

/// The sockets on which clients of the line front arrive.
#[derive(Debug, Default)]
pub(crate) struct Listeners {
    lines: Option<TcpListener>,
    unix: Option<UnixListener>,
    /// Removed when this ends.
    path: Option<PathBuf>,
}

impl Server {
    /// Binds the fronts that have an address.
    ///
    /// # Errors
    /// [`BindError`] names the address and what to do.
    pub fn bind(options: &ListenOptions) -> Result<Self, BindError> {
        let internal = |e| BindError::new("the event queue", e);
        let poll = Poll::new().map_err(internal)?;
        let waker = Arc::new(Waker::new(poll.registry(), WAKE).map_err(internal)?);
        let mut addresses = Addresses::default();
        let mut listeners = Listeners::default();
        if let Some(address) = &options.lines {
            let listener = bind_tcp(address)?;
            addresses.lines = Some(local(&listener, address)?);
            let mut listener = TcpListener::from_std(listener);
            poll.registry()
                .register(&mut listener, ACCEPT_LINES, Interest::READABLE)
                .map_err(internal)?;
            listeners.lines = Some(listener);
        }
        if let Some(path) = &options.unix {
            let listener = bind_unix(path).map_err(|e| BindError::new(path.display(), e))?;
            listeners.path = Some(path.clone());
            let mut listener = UnixListener::from_std(listener);
            poll.registry()
                .register(&mut listener, ACCEPT_UNIX, Interest::READABLE)
                .map_err(internal)?;
            listeners.unix = Some(listener);
            addresses.unix = Some(path.clone());
        }
        let mut http = None;
        if let Some(address) = &options.http {
            let listener = bind_tcp(address)?;
            addresses.http = Some(local(&listener, address)?);
            http = Some(listener);
        }
        Ok(Self {
            poll,
            listeners,
            http,
            addresses,
            shutdown: Shutdown::new(Arc::clone(&waker)),
            waker,
        })
    }

    /// What was bound: where port 0 was asked for, the port that was chosen.
    #[must_use]
    pub fn addresses(&self) -> &Addresses {
        &self.addresses
    }

    /// Ends this server once it runs.
    #[must_use]
    pub fn shutdown(&self) -> Shutdown {
        self.shutdown.clone()
    }

    /// Serves on the calling thread until a shutdown is asked for.
    ///
    /// # Errors
    /// Where the event queue fails or the HTTP front can't be started.
    pub fn run(self, actor: Actor) -> io::Result<()> {
        let metrics = Arc::new(Metrics::new());
        let waker = Arc::clone(&self.waker);
        let (mailbox, inbox) = Mailbox::new(MAILBOX_REQUESTS_MAX, MAILBOX_BYTES_MAX, move || {
            if let Err(e) = waker.wake() {
                tracing::error!(error = %e, "the actor's thread can't be woken");
            }
        });
        let front = self
            .http
            .map(|listener| http::Front::start(listener, mailbox, Arc::clone(&metrics)))
            .transpose()?;
        let reactor = Reactor::new(
            self.poll,
            actor,
            inbox,
            self.listeners,
            self.shutdown,
            metrics,
        );
        let served = reactor.run();
        if let Some(front) = front {
            front.stop();
        }
        served
    }
}

impl Listeners {
    /// The next client that waits on any of the sockets.
    pub(crate) fn accept(&mut self) -> io::Result<Option<Stream>> {
        if let Some(listener) = &self.lines {
            match listener.accept() {
                Ok((stream, _)) => return Ok(Some(Stream::Tcp(stream))),
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
                Err(e) => return Err(e),
            }
        }
        if let Some(listener) = &self.unix {
            match listener.accept() {
                Ok((stream, _)) => return Ok(Some(Stream::Unix(stream))),
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
                Err(e) => return Err(e),
            }
        }
        Ok(None)
    }
}

impl Drop for Listeners {
    fn drop(&mut self) {
        if let Some(path) = &self.path
            && let Err(e) = std::fs::remove_file(path)
        {
            tracing::warn!(path = %path.display(), error = %e, "the Unix socket can't be removed");
        }
    }
}

fn bind_tcp(address: &str) -> Result<StdTcpListener, BindError> {
    let bind = || {
        let addresses: Vec<SocketAddr> = address.to_socket_addrs()?.collect();
        let listener = StdTcpListener::bind(&addresses[..])?;
        listener.set_nonblocking(true)?;
        Ok(listener)
    };
    bind().map_err(|e| BindError::new(address, e))
}

fn local(listener: &StdTcpListener, address: &str) -> Result<SocketAddr, BindError> {
    listener
        .local_addr()
        .map_err(|e| BindError::new(address, e))
}

/// Binds a Unix socket for its owner alone. What a dead server left is replaced;
/// what a living one answers on, or what is no socket, is not.
fn bind_unix(path: &Path) -> io::Result<StdUnixListener> {
    if let Ok(metadata) = std::fs::symlink_metadata(path)
        && metadata.file_type().is_socket()
        && StdUnixStream::connect(path).is_err()
    {
        std::fs::remove_file(path)?;
    }
    let listener = StdUnixListener::bind(path)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// Why a front can't be bound.
#[derive(Debug)]
pub struct BindError {
    /// What it was to be bound to.
    pub address: String,
    /// What the system says.
    pub error: io::Error,
}

impl BindError {
    fn new(address: impl fmt::Display, error: io::Error) -> Self {
        Self {
            address: address.to_string(),
            error,
        }
    }
}

impl fmt::Display for BindError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hint = match self.error.kind() {
            io::ErrorKind::AddrInUse => {
                "; another process listens there: stop it, or choose another address (port 0 picks one)"
            }
            io::ErrorKind::InvalidInput => "; an address is HOST:PORT, such as 127.0.0.1:7070",
            _ => "",
        };
        write!(
            formatter,
            "can't listen on {}: {}{hint}",
            self.address, self.error
        )
    }
}

impl std::error::Error for BindError {}
