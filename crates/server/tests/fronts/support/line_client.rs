//! A client of the line front. Whatever it waits for, it does not wait for ever.

use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

/// Long enough on any machine; only a hang takes longer.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(60);

pub(crate) struct LineClient {
    stream: TcpStream,
    replies: BufReader<TcpStream>,
}

impl LineClient {
    pub(crate) fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(TIMEOUT)).unwrap();
        stream.set_write_timeout(Some(TIMEOUT)).unwrap();
        let replies = BufReader::new(stream.try_clone().unwrap());
        Self { stream, replies }
    }

    pub(crate) fn stream(&self) -> &TcpStream {
        &self.stream
    }

    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).unwrap();
    }

    /// Says that nothing more is sent.
    pub(crate) fn end(&mut self) {
        self.stream.shutdown(Shutdown::Write).unwrap();
    }

    pub(crate) fn reply(&mut self) -> Value {
        let mut line = String::new();
        self.replies.read_line(&mut line).unwrap();
        assert!(line.ends_with('\n'), "no whole reply: {line:?}");
        serde_json::from_str(&line).unwrap()
    }

    pub(crate) fn ask(&mut self, line: &str) -> Value {
        self.send(format!("{line}\n"));
        self.reply()
    }

    /// Every reply until the server closes the connection.
    pub(crate) fn rest(mut self) -> Vec<Value> {
        let mut text = String::new();
        self.replies.read_to_string(&mut text).unwrap();
        assert!(text.is_empty() || text.ends_with('\n'), "cut off: {text:?}");
        let lines = text.lines();
        lines.map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}
