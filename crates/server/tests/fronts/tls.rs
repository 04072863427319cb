//! Both fronts over TLS, and clients that speak it badly.

use crate::support::line_client::TIMEOUT;
use crate::support::running::everywhere;
use crate::support::{Response, Running};
use kv_server::{Certificate, ListenOptions};
use rustls::crypto::ring;
use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// A server with a certificate of its own, and how clients trust it.
struct Secure {
    server: Running,
    trust: Arc<ClientConfig>,
}

type Client = BufReader<StreamOwned<ClientConnection, TcpStream>>;

impl Secure {
    fn start(guest: &str) -> Self {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let folder = TempDir::new().unwrap();
        let (certificate, key) = write(
            folder.path(),
            &made.cert.pem(),
            &made.signing_key.serialize_pem(),
        );
        let options = ListenOptions {
            certificate: Some(Certificate::read(&certificate, &key).unwrap()),
            ..everywhere()
        };
        let mut roots = RootCertStore::empty();
        roots
            .add(CertificateDer::from(made.cert.der().to_vec()))
            .unwrap();
        let trust = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        Self {
            server: Running::listening(guest, &options),
            trust: Arc::new(trust),
        }
    }

    fn connect(&self, address: SocketAddr) -> Client {
        let name = "localhost".try_into().unwrap();
        let session = ClientConnection::new(Arc::clone(&self.trust), name).unwrap();
        BufReader::new(StreamOwned::new(session, plain(address)))
    }

    fn lines(&self) -> Client {
        self.connect(self.server.lines())
    }
}

fn plain(address: SocketAddr) -> TcpStream {
    let socket = TcpStream::connect(address).unwrap();
    socket.set_read_timeout(Some(TIMEOUT)).unwrap();
    socket.set_write_timeout(Some(TIMEOUT)).unwrap();
    socket
}

fn write(folder: &Path, certificate: &str, key: &str) -> (std::path::PathBuf, std::path::PathBuf) {
    let (certificate_file, key_file) = (folder.join("tls.pem"), folder.join("tls.key"));
    std::fs::write(&certificate_file, certificate).unwrap();
    std::fs::write(&key_file, key).unwrap();
    set_mode(&key_file, 0o600);
    (certificate_file, key_file)
}

fn set_mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

fn send(client: &mut Client, text: &str) {
    client.get_mut().write_all(text.as_bytes()).unwrap();
}

fn reply(client: &mut Client) -> String {
    let mut line = String::new();
    client.read_line(&mut line).unwrap();
    line
}

/// Ends the client's side as TLS does, and leaves the socket open.
fn say_end(client: &mut Client) {
    let stream = client.get_mut();
    stream.conn.send_close_notify();
    while stream.conn.wants_write() {
        stream.conn.write_tls(&mut stream.sock).unwrap();
    }
}

#[test]
fn events_and_replies_of_all_sizes_come_through() {
    let secure = Secure::start("guest-echo");
    for bytes in [0, 1, 1000, 16_384, 65_536, 1 << 20, 9 << 20] {
        let mut client = secure.lines();
        let event = format!("\"{}\"", "x".repeat(bytes));
        for _ in 0..2 {
            send(&mut client, &format!("{event}\n"));
            assert!(reply(&mut client).contains(&event), "{bytes}");
        }
    }
}

#[test]
fn a_client_that_sends_much_before_it_reads_gets_every_reply() {
    let secure = Secure::start("guest-echo");
    let mut client = secure.lines();
    let count = 200;
    // More than all buffers on the way, each way; a second client is served.
    let event = format!("\"{}\"\n", "y".repeat(5000));
    for _ in 0..count {
        send(&mut client, &event);
    }
    say_end(&mut client);
    std::thread::sleep(Duration::from_millis(300));
    let mut other = secure.lines();
    send(&mut other, "1\n");
    assert!(reply(&mut other).contains("\"ok\""));
    // The end of the client's TLS is enough: its socket is still open.
    let mut rest = String::new();
    client.read_to_string(&mut rest).unwrap();
    assert_eq!(rest.lines().count(), count);
    assert!(rest.lines().all(|line| line.len() > event.len()));
}

#[test]
fn a_client_that_never_reads_is_left_to_wait_and_gets_all_in_the_end() {
    let secure = Secure::start("guest-echo");
    let mut deaf = secure.lines();
    // Complete the handshake, then stop at the first write that does not fit.
    send(&mut deaf, "1\n");
    assert!(reply(&mut deaf).contains("\"ok\""));
    let event = format!("\"{}\"\n", "z".repeat(100_000));
    let stream = deaf.get_mut();
    stream.conn.set_buffer_limit(None);
    stream.sock.set_nonblocking(true).unwrap();
    let mut sent = 0;
    'full: for _ in 0..2000 {
        stream.conn.writer().write_all(event.as_bytes()).unwrap();
        sent += 1;
        let mut tries = 0;
        while stream.conn.wants_write() {
            match stream.conn.write_tls(&mut stream.sock) {
                Ok(_) => tries = 0,
                Err(e) if e.kind() == ErrorKind::WouldBlock && tries < 50 => {
                    tries += 1;
                    std::thread::sleep(Duration::from_millis(10));
                }
                Err(e) => {
                    assert_eq!(e.kind(), ErrorKind::WouldBlock);
                    break 'full;
                }
            }
        }
    }
    assert!(sent < 2000, "the server takes what nobody reads");
    let mut other = secure.lines();
    send(&mut other, "1\n");
    assert!(reply(&mut other).contains("\"ok\""));
    // It reads at last, and sends the rest of what it began.
    let stream = deaf.get_mut();
    let (mut lines, mut bytes, begun) = (0, 0, Instant::now());
    let mut buffer = vec![0; 1 << 16];
    while lines < sent {
        assert!(begun.elapsed() < TIMEOUT, "{lines} of {sent}");
        while stream.conn.wants_write() && stream.conn.write_tls(&mut stream.sock).is_ok() {}
        match stream.conn.read_tls(&mut stream.sock) {
            Err(e) if e.kind() == ErrorKind::WouldBlock => {
                std::thread::sleep(Duration::from_millis(1));
            }
            read => assert!(read.unwrap() > 0, "{lines} of {sent}"),
        }
        stream.conn.process_new_packets().unwrap();
        while let Ok(read) = stream.conn.reader().read(&mut buffer) {
            lines += buffer[..read].split(|byte| *byte == b'\n').count() - 1;
            bytes += read;
        }
    }
    assert!(bytes > sent * event.len());
}

#[test]
fn what_was_cut_off_without_tls_s_own_end_is_no_event() {
    let secure = Secure::start("guest-echo");
    let mut client = secure.lines();
    send(&mut client, "1\n2");
    client
        .get_mut()
        .sock
        .shutdown(std::net::Shutdown::Write)
        .unwrap();
    let mut rest = String::new();
    client.read_to_string(&mut rest).unwrap();
    assert_eq!(rest.lines().count(), 1, "{rest}");
    // With it, the last line needs no line feed.
    let mut client = secure.lines();
    send(&mut client, "3\n4");
    say_end(&mut client);
    let mut rest = String::new();
    client.read_to_string(&mut rest).unwrap();
    assert_eq!(rest.lines().count(), 2, "{rest}");
    assert!(rest.contains("\"count\":3"), "2 was carried out: {rest}");
}

#[test]
fn what_is_no_tls_is_shut_out_and_others_are_served() {
    let secure = Secure::start("guest-echo");
    for address in [secure.server.lines(), secure.server.http()] {
        for text in [
            "{\"n\":1}\n",
            "GET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n",
            "\x16\x03\x01\u{7f}\u{7f}",
        ] {
            let mut client = plain(address);
            client.write_all(text.as_bytes()).unwrap();
            client.shutdown(std::net::Shutdown::Write).unwrap();
            let mut told = Vec::new();
            if let Err(e) = client.read_to_end(&mut told) {
                assert_eq!(e.kind(), ErrorKind::ConnectionReset, "{e}");
            }
            let told = String::from_utf8_lossy(&told);
            assert!(!told.contains("ok") && !told.contains("200"), "{told}");
        }
    }
    // Half a handshake holds up nobody.
    let mut half = plain(secure.server.lines());
    half.write_all(b"\x16\x03\x01").unwrap();
    let mut client = secure.lines();
    send(&mut client, "1\n");
    assert!(reply(&mut client).contains("\"count\":1"));
}

#[test]
fn http_is_served_over_tls() {
    let secure = Secure::start("kv-store");
    let address = secure.server.http();
    let ask = |method: &str, body: &str| {
        let mut client = secure.connect(address);
        let length = body.len();
        send(
            &mut client,
            &format!(
                "{method} /keys/a HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
            ),
        );
        Response::read(client)
    };
    let large = format!("\"{}\"", "x".repeat(5 << 20));
    assert_eq!(ask("PUT", &large).status, 200);
    assert_eq!(ask("GET", "").body, large.as_bytes());
}

#[test]
fn a_server_that_ends_says_so_in_tls() {
    let secure = Secure::start("guest-echo");
    let mut client = secure.lines();
    send(&mut client, "1\n");
    assert!(reply(&mut client).contains("\"ok\""));
    secure.server.stop().unwrap();
    // Without it, this would be an error.
    let mut rest = String::new();
    client.read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "");
}

#[test]
fn what_is_no_certificate_and_its_key_is_named() {
    let folder = TempDir::new().unwrap();
    let one = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let other = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let (certificate, key) = (one.cert.pem(), one.signing_key.serialize_pem());
    let other_key = other.signing_key.serialize_pem();
    let secret = key.lines().nth(1).unwrap();
    for (certificate, key, said) in [
        (
            "",
            &key[..],
            "tls.pem can't be used for TLS: there is no PEM certificate",
        ),
        (
            &key,
            &key,
            "tls.pem can't be used for TLS: there is no PEM certificate",
        ),
        (
            &certificate,
            "",
            "tls.key can't be used for TLS: there is no PEM key",
        ),
        (
            &certificate,
            &certificate,
            "tls.key can't be used for TLS: there is no PEM key",
        ),
        (
            &certificate,
            &key.replace('\n', "!\n"),
            "tls.key can't be used for TLS",
        ),
        (&certificate, &other_key, "can't be served with the key"),
    ] {
        let (certificate_file, key_file) = write(folder.path(), certificate, key);
        let message = Certificate::read(&certificate_file, &key_file)
            .unwrap_err()
            .to_string();
        assert!(message.contains(said), "{message}");
        assert!(!message.contains(secret), "{message}");
    }
    let (certificate_file, key_file) = write(folder.path(), &certificate, &key);
    set_mode(&key_file, 0o644);
    let message = Certificate::read(&certificate_file, &key_file)
        .unwrap_err()
        .to_string();
    assert!(
        message.contains("tls.key") && message.contains("mode 644"),
        "{message}"
    );
    let missing = folder.path().join("missing");
    for (certificate_file, key_file) in [(&missing, &key_file), (&certificate_file, &missing)] {
        let message = Certificate::read(certificate_file, key_file)
            .unwrap_err()
            .to_string();
        assert!(message.contains("missing can't be used"), "{message}");
    }
}
