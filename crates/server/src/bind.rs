//! Binds every front before anything is served, and serves them.

use crate::clients::Clients;
use crate::guest::Guest;
use crate::http;
use crate::limits::Limits;
use crate::metrics::Metrics;
use crate::reactor::Reactor;
use crate::shutdown::Shutdown;
use crate::stream::Stream;
use crate::subscription::Source;
use crate::tls::{Certificate, TlsStream};
use crate::token::Token as Secret;
use crate::unix_socket::{SocketFile, bind_unix};
use crate::watch::{Arrival, Arrivals, Watchers};
use kv_runtime::{Actor, Inbox, Mailbox};
use mio::net::{TcpListener, UnixListener};
use mio::{Interest, Poll, Token, Waker};
use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener as StdTcpListener, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};

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
    /// What every client must show that comes over TCP, from this machine too.
    /// The Unix socket is guarded by its file's permissions.
    pub token: Option<Secret>,
    /// Serves TLS, and nothing else, over TCP.
    pub certificate: Option<Certificate>,
    /// Takes addresses that other machines reach even without a token.
    pub insecure: bool,
    /// How many servers share this process, and its open files; 0 is as good as 1.
    pub servers: usize,
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
    mailbox: Mailbox,
    inbox: Inbox,
    arrivals: Arrivals,
    arrived: Receiver<Arrival>,
    token: Option<Secret>,
    pub(crate) limits: Limits,
}

/// The sockets on which clients of the line front arrive.
#[derive(Debug, Default)]
pub(crate) struct Listeners {
    lines: Option<TcpListener>,
    certificate: Option<Certificate>,
    unix: Option<UnixListener>,
    /// Removed when this ends.
    socket_file: Option<SocketFile>,
}

impl Server {
    /// Binds the fronts that have an address. One that other machines reach needs
    /// a token, or must be asked for as insecure.
    ///
    /// # Errors
    /// [`BindError`] names the address and what to do.
    pub fn bind(options: &ListenOptions) -> Result<Self, BindError> {
        let poll = Poll::new().map_err(BindError::system)?;
        let waker = Arc::new(Waker::new(poll.registry(), WAKE).map_err(BindError::system)?);
        let mut addresses = Addresses::default();
        let mut listeners = Listeners {
            certificate: options.certificate.clone(),
            ..Listeners::default()
        };
        if let Some(address) = &options.lines {
            let (listener, bound) = bind_tcp(address, options)?;
            addresses.lines = Some(bound);
            let mut listener = TcpListener::from_std(listener);
            poll.registry()
                .register(&mut listener, ACCEPT_LINES, Interest::READABLE)
                .map_err(BindError::system)?;
            listeners.lines = Some(listener);
        }
        if let Some(path) = &options.unix {
            let (listener, file) = bind_unix(path).map_err(|e| BindError::unix(path, e))?;
            listeners.socket_file = Some(file);
            let mut listener = UnixListener::from_std(listener);
            poll.registry()
                .register(&mut listener, ACCEPT_UNIX, Interest::READABLE)
                .map_err(BindError::system)?;
            listeners.unix = Some(listener);
            addresses.unix = Some(path.clone());
        }
        let mut http = None;
        if let Some(address) = &options.http {
            let (listener, bound) = bind_tcp(address, options)?;
            addresses.http = Some(bound);
            http = Some(listener);
        }
        let woken = Arc::clone(&waker);
        let (mailbox, inbox) = Mailbox::new(MAILBOX_REQUESTS_MAX, MAILBOX_BYTES_MAX, move || {
            wake(&woken);
        });
        let (sender, arrived) = channel();
        Ok(Self {
            poll,
            listeners,
            http,
            addresses,
            shutdown: Shutdown::new(Arc::clone(&waker)),
            mailbox,
            inbox,
            arrivals: Arrivals::new(sender, Arc::clone(&waker)),
            arrived,
            waker,
            token: options.token,
            limits: Limits::of_process(options.servers),
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

    /// How other actors of this process reach the one that is served here.
    #[must_use]
    pub fn mailbox(&self) -> Mailbox {
        self.mailbox.clone()
    }

    /// Where other actors of this process hear what the one served here changes.
    #[must_use]
    pub fn source(&self) -> Source {
        Source(self.arrivals.clone())
    }

    /// Serves on the calling thread until a shutdown is asked for.
    ///
    /// # Errors
    /// Where the event queue fails or the HTTP front can't be started.
    pub fn run(self, actor: Actor) -> io::Result<()> {
        let metrics = Arc::new(Metrics::new());
        let synced = Arc::clone(&self.waker);
        actor.set_wake(move || wake(&synced));
        let front = self
            .http
            .map(|listener| {
                let waker = self.waker;
                let mailbox = self
                    .mailbox
                    .waking_with(move |waiting| http::wake_soon(&waker, waiting));
                http::Front::start(
                    listener,
                    mailbox,
                    self.arrivals,
                    Arc::clone(&metrics),
                    self.limits,
                    self.token,
                    self.listeners.certificate.as_ref(),
                )
            })
            .transpose()?;
        let clients = Clients::new(self.limits, self.token, Arc::clone(&metrics));
        let reactor = Reactor::new(
            self.poll,
            Guest::new(actor, Arc::clone(&metrics)),
            self.inbox,
            self.listeners,
            self.shutdown,
            clients,
            Watchers::new(self.arrived, metrics),
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
                Ok((stream, _)) => {
                    return Ok(Some(match &self.certificate {
                        None => Stream::Tcp(stream),
                        Some(certificate) => {
                            Stream::Tls(Box::new(TlsStream::new(stream, certificate)?))
                        }
                    }));
                }
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

/// Wakes the actor's thread.
pub(crate) fn wake(waker: &Waker) {
    if let Err(e) = waker.wake() {
        tracing::error!(error = %e, "the actor's thread can't be woken");
    }
}

fn bind_tcp(
    address: &str,
    options: &ListenOptions,
) -> Result<(StdTcpListener, SocketAddr), BindError> {
    let bind = || {
        let addresses: Vec<SocketAddr> = address.to_socket_addrs()?.collect();
        let listener = StdTcpListener::bind(&addresses[..])?;
        listener.set_nonblocking(true)?;
        let bound = listener.local_addr()?;
        Ok((listener, bound))
    };
    let (listener, bound) = bind().map_err(|e| BindError::tcp(address, e))?;
    if !bound.ip().to_canonical().is_loopback() {
        match (&options.token, &options.certificate) {
            (None, _) if !options.insecure => return Err(BindError::open_to_all(address)),
            (None, _) => tracing::warn!(
                address = %bound,
                "insecure: whoever reaches this address may read and change everything"
            ),
            (Some(_), None) => tracing::warn!(
                address = %bound,
                "without a certificate, the token and all data cross the network as plain text"
            ),
            (Some(_), Some(_)) => {}
        }
    }
    Ok((listener, bound))
}

/// Why a front can't be bound.
#[derive(Debug)]
pub struct BindError {
    /// What it was to be bound to.
    pub address: String,
    /// What the system says.
    pub error: io::Error,
    hint: &'static str,
}

impl BindError {
    fn tcp(address: &str, error: io::Error) -> Self {
        let hint = match error.kind() {
            io::ErrorKind::AddrInUse => {
                "another process listens there: stop it, or choose another address (port 0 picks one)"
            }
            io::ErrorKind::AddrNotAvailable => "choose an address of this machine",
            io::ErrorKind::PermissionDenied => "choose a port above 1023",
            _ => "an address is HOST:PORT, such as 127.0.0.1:7070",
        };
        Self {
            address: address.to_owned(),
            error,
            hint,
        }
    }

    fn open_to_all(address: &str) -> Self {
        Self {
            address: address.to_owned(),
            error: io::Error::new(
                io::ErrorKind::PermissionDenied,
                "other machines could read and change everything",
            ),
            hint: "require a token, with `--token-file`, KV_ACTOR_TOKEN or `token_file` \
                   (`openssl rand -hex 32` makes one), or say `--insecure`",
        }
    }

    fn unix(path: &Path, error: io::Error) -> Self {
        let hint = match error.kind() {
            io::ErrorKind::AddrInUse => {
                "another process listens there, or the file is no socket: choose another path"
            }
            io::ErrorKind::NotFound => "create the directory first",
            io::ErrorKind::PermissionDenied => "choose a directory that this user may write to",
            _ => "choose another path, of at most 107 bytes",
        };
        Self {
            address: path.display().to_string(),
            error,
            hint,
        }
    }

    fn system(error: io::Error) -> Self {
        Self {
            address: "anything".to_owned(),
            error,
            hint: "the system's limits may be too low, such as that of open files",
        }
    }
}

impl fmt::Display for BindError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            address,
            error,
            hint,
        } = self;
        write!(formatter, "can't listen on {address}: {error}; {hint}")
    }
}

impl std::error::Error for BindError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.error)
    }
}

#[cfg(test)]
mod tests;
