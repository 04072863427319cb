//! Limits, made small enough to run into.

use super::*;
use kv_runtime::{ActorSettings, GuestLimits, Messages};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::thread::JoinHandle;
use std::time::Duration;
use tempfile::TempDir;

struct Running {
    addresses: Addresses,
    shutdown: crate::Shutdown,
    thread: Option<JoinHandle<io::Result<()>>>,
    _data: TempDir,
}

impl Running {
    fn start(guest: &str, change: impl FnOnce(&mut Limits)) -> Self {
        Self::start_with(guest, None, change)
    }

    fn start_with(guest: &str, token: Option<Secret>, change: impl FnOnce(&mut Limits)) -> Self {
        let mut server = Server::bind(&ListenOptions {
            token,
            lines: Some("127.0.0.1:0".to_owned()),
            http: Some("127.0.0.1:0".to_owned()),
            ..ListenOptions::default()
        })
        .unwrap();
        change(&mut server.limits);
        let data = TempDir::new().unwrap();
        let component = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../../target/component")
            .join(guest);
        let settings = ActorSettings {
            name: guest.to_owned(),
            component: std::fs::read(component).expect("run `make component` first"),
            data: data.path().to_owned(),
            configuration: "{}".to_owned(),
            limits: GuestLimits::default(),
            messages: Messages::default(),
            compiled: None,
        };
        Self {
            addresses: server.addresses().clone(),
            shutdown: server.shutdown(),
            thread: Some(std::thread::spawn(move || {
                server.run(Actor::start(settings).unwrap())
            })),
            _data: data,
        }
    }

    fn lines(&self) -> Client {
        Client::connect(self.addresses.lines.unwrap())
    }

    fn http(&self) -> Client {
        Client::connect(self.addresses.http.unwrap())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.shutdown.ask().unwrap();
        let ended = self.thread.take().unwrap().join();
        if !std::thread::panicking() {
            ended.unwrap().unwrap();
        }
    }
}

struct Client(BufReader<TcpStream>);

impl Client {
    fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        // Only a hang takes longer.
        stream
            .set_read_timeout(Some(Duration::from_mins(1)))
            .unwrap();
        stream
            .set_write_timeout(Some(Duration::from_mins(1)))
            .unwrap();
        Self(BufReader::new(stream))
    }

    fn send(&mut self, text: impl AsRef<[u8]>) {
        self.0.get_mut().write_all(text.as_ref()).unwrap();
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).unwrap();
        line
    }

    fn ask(&mut self, line: &str) -> String {
        self.send(format!("{line}\n"));
        self.line()
    }

    /// What comes until the server ends the connection, in whichever way.
    fn rest(&mut self) -> String {
        let mut bytes = Vec::new();
        if let Err(e) = self.0.read_to_end(&mut bytes) {
            assert_eq!(e.kind(), io::ErrorKind::ConnectionReset, "{e}");
        }
        String::from_utf8(bytes).unwrap()
    }
}

const GET: &str = "GET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n";

#[test]
fn one_client_too_many_is_told_so_and_a_place_that_is_free_again_is_taken() {
    let server = Running::start("guest-echo.wasm", |limits| limits.line_connections_max = 2);
    let mut clients = [server.lines(), server.lines()];
    for client in &mut clients {
        assert!(client.ask("{\"n\":1}").contains("\"ok\""));
    }
    let refused = server.lines().rest();
    assert!(
        refused.contains("\"unavailable\"") && refused.ends_with("}\n"),
        "{refused}"
    );
    let [gone, mut staying] = clients;
    gone.0.get_ref().shutdown(Shutdown::Write).unwrap();
    drop(gone);
    // The server sees to it before what this one asks after.
    assert!(staying.ask("{\"n\":2}").contains("\"ok\""));
    let mut next = server.lines();
    assert!(next.ask("{\"n\":3}").contains("\"ok\""));
    assert!(staying.ask("{\"n\":4}").contains("\"ok\""));
}

#[test]
fn clients_that_hold_too_much_go_and_small_ones_stay() {
    let server = Running::start("guest-echo.wasm", |limits| {
        limits.held_bytes_max = 8 << 20;
    });
    let mut small = server.lines();
    small.send("{\"n\":");
    let half = format!("{{\"text\":\"{}", "x".repeat(1 << 20));
    let mut hogs: Vec<_> = (0..16).map(|_| server.lines()).collect();
    for hog in &mut hogs {
        // It may be disconnected while it sends.
        hog.0.get_mut().write_all(half.as_bytes()).ok();
    }
    small.send("1}\n");
    assert!(small.line().contains("{\"n\":1}"));
    let mut answered = 0;
    for hog in &mut hogs {
        hog.0.get_mut().write_all(b"\"}\n").ok();
        hog.0.get_mut().shutdown(Shutdown::Write).ok();
        answered += usize::from(hog.rest().ends_with("}\n"));
    }
    assert!((1..16).contains(&answered), "{answered} of 16 were served");
}

#[test]
fn a_client_with_many_large_replies_due_holds_few_of_them() {
    let server = Running::start("kv-store.wasm", |limits| {
        limits.held_bytes_max = 48 << 20;
    });
    let mut client = server.lines();
    let value = "v".repeat(4 << 20);
    let put = format!("{{\"type\":\"put\",\"key\":\"k\",\"value\":\"{value}\"}}");
    assert!(client.ask(&put).contains("\"ok\""));
    // All in one batch; 256 MiB of replies.
    let gets = (0..64).map(|n| format!("{{\"type\":\"get\",\"key\":\"k\",\"id\":{n}}}\n"));
    client.send(gets.collect::<String>());
    let mut other = server.lines();
    for _ in 0..10 {
        assert!(
            other
                .ask("{\"type\":\"get\",\"key\":\"none\"}")
                .contains("\"not_found\"")
        );
    }
    for n in 0..64 {
        let reply = client.line();
        let begin = format!("{{\"status\":\"ok\",\"id\":{n},");
        assert!(
            reply.starts_with(&begin) && reply.len() > value.len(),
            "reply {n}"
        );
    }
}

#[test]
fn an_http_client_waits_until_there_is_a_place() {
    let server = Running::start("guest-echo.wasm", |limits| limits.http_connections_max = 1);
    let mut first = server.http();
    first.send(GET);
    assert!(first.line().starts_with("HTTP/1.1 200"));
    let mut second = server.http();
    second.send(GET);
    drop(first);
    assert!(second.line().starts_with("HTTP/1.1 200"));
}

#[test]
fn bodies_that_there_is_no_room_for_are_refused_and_others_are_served() {
    let server = Running::start("guest-echo.wasm", |limits| {
        limits.http_bodies_bytes_max = 1 << 20;
    });
    let head = |bytes: usize| {
        format!(
            "POST /events HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: {bytes}\r\n\r\n"
        )
    };
    let mut large = server.http();
    large.send(head(2 << 20) + &" ".repeat(2 << 20));
    let response = large.rest();
    assert!(
        response.starts_with("HTTP/1.1 503") && response.contains("retry-after"),
        "{response}"
    );
    let mut small = server.http();
    small.send(head(7) + "{\"n\":1}");
    assert!(small.rest().starts_with("HTTP/1.1 200"));
}

#[test]
fn an_http_client_that_stalls_is_left() {
    let server = Running::start("guest-echo.wasm", |limits| {
        limits.http_stall_timeout = Duration::from_millis(300);
    });
    // Nothing at all, half a head, and an end of no request.
    for text in ["", "GET /livez HT", GET] {
        let mut client = server.http();
        client.send(text);
        assert_eq!(client.rest().contains("200 OK"), text == GET, "{text}");
    }
    // Half a body.
    let mut client = server.http();
    client.send("PUT /keys/a HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n123");
    let response = client.rest();
    assert!(response.starts_with("HTTP/1.1 408"), "{response}");
    // A response that is not taken: far more of it than the buffers hold.
    let event = format!("{{\"text\":\"{}\"}}\n", "x".repeat(1 << 20)).repeat(32);
    let mut client = server.http();
    client.send(format!(
        "POST /events HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/x-ndjson\r\ncontent-length: {}\r\n\r\n{event}",
        event.len()
    ));
    std::thread::sleep(Duration::from_secs(3));
    assert!(client.rest().len() < event.len());
}

#[test]
fn a_line_client_that_is_idle_for_too_long_is_left_and_others_are_served() {
    let server = Running::start("guest-echo.wasm", |limits| {
        limits.line_idle_timeout = Duration::from_millis(400);
    });
    let mut busy = server.lines();
    let mut idle = [server.lines(), server.lines(), server.lines()];
    assert!(idle[0].ask("{\"n\":1}").contains("\"ok\""));
    idle[1].send("{\"n\":");
    // The clock of each is its own: this one is never idle for so long.
    for n in 0..40 {
        assert!(busy.ask(&format!("{{\"n\":{n}}}")).contains("\"ok\""));
        std::thread::sleep(Duration::from_millis(40));
    }
    for client in &mut idle {
        assert_eq!(client.rest(), "");
    }
}

#[test]
fn who_watches_may_be_silent_for_as_long_as_nothing_changes() {
    let server = Running::start("kv-store.wasm", |limits| {
        limits.line_idle_timeout = Duration::from_millis(400);
        limits.http_stall_timeout = Duration::from_millis(400);
    });
    let mut client = server.lines();
    assert!(client.ask(r#"{"type":"watch"}"#).contains("\"ok\""));
    // One that has left off watching is as any other.
    let mut ended = server.lines();
    assert!(ended.ask(r#"{"type":"watch"}"#).contains("\"ok\""));
    assert!(ended.ask(r#"{"type":"unwatch"}"#).contains("\"ok\""));
    let mut stream = server.http();
    stream.send("GET /watch HTTP/1.1\r\nhost: localhost\r\n\r\n");
    while !stream.line().starts_with("id: 0") {}
    std::thread::sleep(Duration::from_millis(1500));
    assert_eq!(ended.rest(), "");
    let mut writer = server.lines();
    assert!(
        writer
            .ask(r#"{"type":"put","key":"k","value":1}"#)
            .contains("\"ok\"")
    );
    assert!(client.line().contains("\"change\""));
    while !stream.line().starts_with("event: change") {}
}

#[test]
fn a_line_client_that_shows_no_token_in_time_is_told_so() {
    let text = "6c1f0a52e8d94b7736c5a1f20e9b8d4c57a3f6e10b2d49c8857e6a1fd3029b4c";
    let token = Secret::from(&crate::TokenText::new(text).unwrap());
    let server = Running::start_with("guest-echo.wasm", Some(token), |limits| {
        limits.authentication_timeout = Duration::from_millis(400);
    });
    let mut silent = server.lines();
    let mut slow = server.lines();
    // Bytes gain no time.
    for _ in 0..20 {
        slow.0.get_mut().write_all(b" ").ok();
        std::thread::sleep(Duration::from_millis(50));
    }
    for client in [&mut silent, &mut slow] {
        assert!(client.rest().contains("\"unauthenticated\""));
    }
    let mut client = server.lines();
    let line = format!("{{\"type\":\"authenticate\",\"token\":\"{text}\"}}");
    assert!(client.ask(&line).contains("\"ok\""));
    // Who was let in may be idle for longer.
    std::thread::sleep(Duration::from_secs(1));
    assert!(client.ask("{\"n\":1}").contains("\"ok\""));
}
