//! TLS: the certificate that a server shows, and a client's socket behind it.

use crate::private_file;
use mio::net::TcpStream;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem};
use rustls::{ServerConfig, ServerConnection};
use std::fmt;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A certificate and its key, ready to serve.
#[derive(Clone, Debug)]
pub struct Certificate {
    pub(crate) config: Arc<ServerConfig>,
}

/// A client's socket, and what TLS knows of it.
pub(crate) struct TlsStream {
    pub(crate) socket: TcpStream,
    session: ServerConnection,
    /// The last read has ended for another reason than an empty socket.
    may_have_more: bool,
    /// What came is no TLS: nothing more will be understood.
    failed: bool,
}

impl Certificate {
    /// Reads a chain of certificates and the key of its first, both as PEM.
    ///
    /// # Errors
    /// Where a file can't be read, others may read the key, or the two are no
    /// certificate and its key.
    pub fn read(certificate_file: &Path, key_file: &Path) -> Result<Self, CertificateError> {
        let failed = |file: &Path, reason: String| CertificateError {
            file: file.to_owned(),
            reason,
        };
        let chain = CertificateDer::pem_file_iter(certificate_file)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .map_err(|e| failed(certificate_file, reason(&e)))?;
        if chain.is_empty() {
            return Err(failed(
                certificate_file,
                "there is no PEM certificate in it".to_owned(),
            ));
        }
        let key = private_file::read(key_file).map_err(|e| failed(key_file, e.to_string()))?;
        let key = PrivateKeyDer::from_pem_slice(&key).map_err(|e| match e {
            pem::Error::NoItemsFound => failed(key_file, "there is no PEM key in it".to_owned()),
            // What is said of a key's text could repeat it.
            _ => failed(key_file, "it is not PEM".to_owned()),
        })?;
        ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .and_then(|config| config.with_no_client_auth().with_single_cert(chain, key))
            .map(|config| Self {
                config: Arc::new(config),
            })
            .map_err(|e| {
                let key = key_file.display();
                failed(
                    certificate_file,
                    format!("it can't be served with the key {key}: {e}"),
                )
            })
    }
}

fn reason(error: &pem::Error) -> String {
    match error {
        pem::Error::Io(e) => e.to_string(),
        e => format!("it is not PEM: {e}"),
    }
}

/// Why a certificate can't be served.
#[derive(Debug)]
pub struct CertificateError {
    /// The file of the certificate, or of its key.
    pub file: PathBuf,
    reason: String,
}

impl fmt::Display for CertificateError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, reason } = self;
        write!(
            formatter,
            "{} can't be used for TLS: {reason}",
            file.display()
        )
    }
}

impl std::error::Error for CertificateError {}

impl TlsStream {
    pub(crate) fn new(socket: TcpStream, certificate: &Certificate) -> io::Result<Self> {
        let session =
            ServerConnection::new(Arc::clone(&certificate.config)).map_err(io::Error::other)?;
        Ok(Self {
            socket,
            session,
            may_have_more: false,
            failed: false,
        })
    }

    /// Whether there may be something to read that no event of the socket
    /// announces.
    pub(crate) fn may_have_more(&self) -> bool {
        self.may_have_more
    }

    /// Whether something waits to be sent.
    pub(crate) fn has_unsent(&self) -> bool {
        self.session.wants_write()
    }

    /// Says that nothing more is sent. What can't be sent at once is not.
    pub(crate) fn end(&mut self) -> io::Result<()> {
        self.session.send_close_notify();
        self.flush()
    }

    /// Takes in what the socket has, a piece.
    fn receive(&mut self) -> io::Result<()> {
        self.session.read_tls(&mut self.socket)?;
        if let Err(e) = self.session.process_new_packets() {
            self.failed = true;
            // The client is told why, where that can be sent at once.
            self.flush().ok();
            return Err(io::Error::new(io::ErrorKind::InvalidData, e));
        }
        Ok(())
    }
}

impl Read for TlsStream {
    /// Reads until the buffer is full, unless the socket is empty before, or
    /// ends. An end without TLS's own is [`io::ErrorKind::UnexpectedEof`].
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.failed {
            return Err(io::ErrorKind::InvalidData.into());
        }
        self.may_have_more = true;
        let mut filled = 0;
        while filled < buffer.len() {
            let read = match self.session.reader().read(&mut buffer[filled..]) {
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => self.receive().map(|()| None),
                read => read.map(Some),
            };
            match read {
                Ok(None) => {}
                Ok(Some(0)) => break,
                Ok(Some(bytes)) => filled += bytes,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => {
                    self.may_have_more = e.kind() != io::ErrorKind::WouldBlock;
                    if filled > 0 {
                        break;
                    }
                    return Err(e);
                }
            }
        }
        Ok(filled)
    }
}

impl Write for TlsStream {
    /// Takes what fits into TLS's own buffer, and sends what the socket takes.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.flush()?;
        let taken = self.session.writer().write(bytes)?;
        if taken == 0 {
            // Its buffer is full before the handshake is done.
            return Err(io::ErrorKind::WouldBlock.into());
        }
        match self.flush() {
            Err(e) if e.kind() != io::ErrorKind::WouldBlock => Err(e),
            _ => Ok(taken),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        while self.session.wants_write() {
            match self.session.write_tls(&mut self.socket) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Err(e) if e.kind() != io::ErrorKind::Interrupted => return Err(e),
                _ => {}
            }
        }
        Ok(())
    }
}

impl fmt::Debug for TlsStream {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "TlsStream({:?})", self.socket)
    }
}
