//! A client of the line front. Whatever it waits for, it does not wait for ever.

use serde_json::Value;
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

/// Long enough on any machine; only a hang takes longer.
pub(crate) const TIMEOUT: Duration = Duration::from_mins(1);

/// One event a line: `{"n":0}` and on.
pub(crate) fn numbered(count: usize) -> String {
    (0..count).fold(String::new(), |mut events, n| {
        writeln!(events, "{{\"n\":{n}}}").unwrap();
        events
    })
}

pub(crate) struct LineClient(BufReader<TcpStream>);

impl LineClient {
    pub(crate) fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(TIMEOUT)).unwrap();
        stream.set_write_timeout(Some(TIMEOUT)).unwrap();
        Self(BufReader::new(stream))
    }

    pub(crate) fn stream(&self) -> &TcpStream {
        self.0.get_ref()
    }

    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.0.get_mut().write_all(bytes.as_ref()).unwrap();
    }

    /// Says that nothing more is sent.
    pub(crate) fn end(&mut self) {
        self.stream().shutdown(Shutdown::Write).unwrap();
    }

    pub(crate) fn reply(&mut self) -> Value {
        self.next_reply().expect("a reply")
    }

    /// The next reply, unless the connection ends here.
    pub(crate) fn next_reply(&mut self) -> Option<Value> {
        let mut line = String::new();
        match self.0.read_line(&mut line) {
            Ok(0) => None,
            // A server that ends with something unread resets the connection.
            Err(e) if e.kind() == ErrorKind::ConnectionReset => None,
            Ok(_) => {
                assert!(line.ends_with('\n'), "no whole reply: {line:?}");
                Some(serde_json::from_str(&line).unwrap())
            }
            Err(e) => panic!("{e}"),
        }
    }

    pub(crate) fn ask(&mut self, line: &str) -> Value {
        self.send(format!("{line}\n"));
        self.reply()
    }

    /// Every reply until the server closes the connection.
    pub(crate) fn rest(mut self) -> Vec<Value> {
        let mut text = String::new();
        self.0.read_to_string(&mut text).unwrap();
        assert!(text.is_empty() || text.ends_with('\n'), "cut off: {text:?}");
        let lines = text.lines();
        lines
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }
}
