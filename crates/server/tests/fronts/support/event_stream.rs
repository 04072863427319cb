//! A reader of server-sent events that goes by the standard: what it is told,
//! and from where it would resume.

use super::http_client::{connect, head};
use serde_json::Value;
use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::net::{SocketAddr, TcpStream};

pub(crate) struct EventStream {
    reader: BufReader<TcpStream>,
    /// What a browser would send as `Last-Event-ID`.
    pub(crate) last_id: Option<String>,
    /// Comment lines.
    pub(crate) heartbeats: usize,
}

impl EventStream {
    /// Opens a stream that must be accepted.
    pub(crate) fn open(address: SocketAddr, path: &str, last_id: Option<&str>) -> Self {
        let mut stream = connect(address);
        let headers: Vec<_> = last_id
            .map(|id| ("last-event-id", id))
            .into_iter()
            .collect();
        let request = head(address, "GET", path, &headers);
        stream.write_all(request.as_bytes()).unwrap();
        let mut opened = Self {
            reader: BufReader::new(stream),
            last_id: None,
            heartbeats: 0,
        };
        let status = opened.raw_line().unwrap();
        assert!(status.contains(" 200 "), "{status}");
        while let Some(line) = opened.raw_line().filter(|line| !line.is_empty()) {
            if let Some(kind) = line.strip_prefix("content-type: ") {
                assert_eq!(kind, "text/event-stream");
            }
        }
        // The place where it begins comes first.
        while opened.last_id.is_none() {
            opened.line();
        }
        opened
    }

    /// The next event, its name and its data; nothing at the end.
    pub(crate) fn next(&mut self) -> Option<(String, Value)> {
        let (mut name, mut data) = (String::new(), String::new());
        loop {
            let line = self.line()?;
            if let Some(value) = line.strip_prefix("event: ") {
                value.clone_into(&mut name);
            } else if let Some(value) = line.strip_prefix("data: ") {
                data.push_str(value);
            } else if line.is_empty() && !data.is_empty() {
                return Some((name, serde_json::from_str(&data).unwrap()));
            }
        }
    }

    /// The next change.
    pub(crate) fn change(&mut self) -> Value {
        let (name, data) = self.next().expect("a change");
        assert_eq!(name, "change", "{data}");
        data
    }

    /// The next line of the stream, which is sent in chunks of whole lines.
    fn line(&mut self) -> Option<String> {
        loop {
            let line = self.raw_line()?;
            if let Some(id) = line.strip_prefix("id: ") {
                self.last_id = Some(id.to_owned());
            } else if line.starts_with(':') {
                self.heartbeats += 1;
            } else if line == "0" {
                return None;
            } else if u32::from_str_radix(&line, 16).is_ok() {
                // The length of a chunk: no field is such a number.
                continue;
            }
            return Some(line);
        }
    }

    fn raw_line(&mut self) -> Option<String> {
        let mut line = String::new();
        match self.reader.read_line(&mut line) {
            Ok(0) => None,
            Err(e) if e.kind() == ErrorKind::ConnectionReset => None,
            Ok(_) => Some(line.trim_end_matches(['\r', '\n']).to_owned()),
            Err(e) => panic!("{e}"),
        }
    }
}
