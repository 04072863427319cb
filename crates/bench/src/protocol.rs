//! The protocols: our JSON lines, Redis's RESP, and HTTP. Requests are written
//! and replies checked in the same way for all: every byte of a value counts.

use crate::failure::Failure;
use crate::requests::Operation;
use crate::values::{KEY_BYTES, Values, key};
use memchr::memchr;

mod http;

pub(crate) use http::Route;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    Lines,
    Redis,
    Http(Route),
    /// HTTP, of a server whose answers are all about the key 0.
    FixedHttp(Route),
}

/// What goes over a connection.
#[derive(Clone, Debug)]
pub(crate) struct Wire {
    pub(crate) protocol: Protocol,
    pub(crate) values: Values,
}

impl Wire {
    pub(crate) fn new(protocol: Protocol, values: Values) -> Self {
        Self { protocol, values }
    }

    /// Appends a request.
    pub(crate) fn write(&self, output: &mut Vec<u8>, operation: Operation, number: u64) {
        match self.protocol {
            Protocol::Lines => self.write_event(output, operation, number),
            Protocol::Redis => self.write_redis(output, operation, number),
            Protocol::Http(route) | Protocol::FixedHttp(route) => {
                self.write_http(route, output, operation, number);
            }
        }
    }

    fn write_event(&self, output: &mut Vec<u8>, operation: Operation, number: u64) {
        output.extend_from_slice(match operation {
            Operation::Put => b"{\"type\":\"put\",\"key\":\"",
            Operation::Get => b"{\"type\":\"get\",\"key\":\"",
        });
        output.extend_from_slice(&key(number));
        if operation == Operation::Put {
            output.extend_from_slice(b"\",\"value\":");
            self.values.write(output, number);
            output.extend_from_slice(b"}\n");
        } else {
            output.extend_from_slice(b"\"}\n");
        }
    }

    fn write_redis(&self, output: &mut Vec<u8>, operation: Operation, number: u64) {
        output.extend_from_slice(match operation {
            Operation::Put => b"*3\r\n$3\r\nSET\r\n$20\r\n",
            Operation::Get => b"*2\r\n$3\r\nGET\r\n$20\r\n",
        });
        output.extend_from_slice(&key(number));
        if operation == Operation::Put {
            output.extend_from_slice(b"\r\n$");
            output.extend_from_slice(self.values.length.as_bytes());
            output.extend_from_slice(b"\r\n");
            self.values.write(output, number);
        }
        output.extend_from_slice(b"\r\n");
    }

    /// Checks the reply that `input` begins with, and returns its bytes; nothing
    /// where it isn't whole yet.
    pub(crate) fn read(
        &self,
        input: &[u8],
        operation: Operation,
        number: u64,
    ) -> Result<Option<usize>, Failure> {
        let read = match self.protocol {
            Protocol::Lines => {
                memchr(b'\n', input).map(|end| (end + 1, self.is_reply(input, operation, number)))
            }
            Protocol::Redis => self.read_redis(input, operation, number),
            Protocol::Http(route) => self.read_http(route, input, operation, number),
            Protocol::FixedHttp(route) => self.read_http(route, input, operation, 0),
        };
        match read {
            None => Ok(None),
            Some((bytes, true)) => Ok(Some(bytes)),
            Some((bytes, false)) => Err(Failure::new(format!(
                "a wrong reply to the {operation:?} of {}: {}",
                String::from_utf8_lossy(&key(number)),
                String::from_utf8_lossy(&input[..bytes.min(input.len()).min(300)])
            ))),
        }
    }

    /// Whether `line` is the right reply to an event.
    fn is_reply(&self, line: &[u8], operation: Operation, number: u64) -> bool {
        let behind = line
            .strip_prefix(b"{\"status\":\"ok\",\"key\":\"")
            .and_then(|line| line.strip_prefix(&key(number)));
        match (operation, behind) {
            (_, None) => false,
            (Operation::Put, Some(behind)) => behind.starts_with(b"\",\"version\":"),
            (Operation::Get, Some(behind)) => behind
                .strip_prefix(b"\",\"value\":")
                .and_then(|behind| behind.split_at_checked(self.values.bytes()))
                .is_some_and(|(value, behind)| {
                    self.values.is(value, number) && behind.starts_with(b",\"version\":")
                }),
        }
    }

    fn read_redis(&self, input: &[u8], operation: Operation, number: u64) -> Option<(usize, bool)> {
        let line = memchr(b'\n', input)? + 1;
        if operation == Operation::Put {
            return Some((line, input.starts_with(b"+OK\r\n")));
        }
        let length = input[..line]
            .strip_prefix(b"$")
            .and_then(|line| line.strip_suffix(b"\r\n"));
        if length != Some(self.values.length.as_bytes()) {
            return Some((line, false));
        }
        let end = line + self.values.bytes();
        let value = input.get(line..end + 2)?;
        let (value, behind) = value.split_at(self.values.bytes());
        Some((end + 2, self.values.is(value, number) && behind == b"\r\n"))
    }
}

const _: () = assert!(KEY_BYTES == 20, "as the requests to Redis say");

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Protocol; 5] = [
        Protocol::Lines,
        Protocol::Redis,
        Protocol::Http(Route::Keys),
        Protocol::Http(Route::Events),
        Protocol::FixedHttp(Route::Keys),
    ];

    fn right(protocol: Protocol, operation: Operation, number: u64) -> Vec<u8> {
        let mut value = Vec::new();
        Values::small().write(&mut value, number);
        let (key, value) = (
            String::from_utf8(key(number).into()).unwrap(),
            String::from_utf8(value).unwrap(),
        );
        let line = match operation {
            Operation::Put => format!("{{\"status\":\"ok\",\"key\":\"{key}\",\"version\":3}}\n"),
            Operation::Get => {
                format!("{{\"status\":\"ok\",\"key\":\"{key}\",\"value\":{value},\"version\":3}}\n")
            }
        };
        let http = |body: &str| {
            format!(
                "HTTP/1.1 200 OK\r\netag: \"3\"\r\ncontent-length: {}\r\ndate: now\r\n\r\n{body}",
                body.len()
            )
        };
        match (protocol, operation) {
            (Protocol::Lines, _) => line,
            (Protocol::Redis, Operation::Put) => "+OK\r\n".to_owned(),
            (Protocol::Redis, Operation::Get) => format!("$200\r\n{value}\r\n"),
            (Protocol::Http(Route::Keys) | Protocol::FixedHttp(Route::Keys), Operation::Get) => {
                http(&value)
            }
            (Protocol::Http(_) | Protocol::FixedHttp(_), _) => http(&line),
        }
        .into_bytes()
    }

    #[test]
    fn replies_are_checked_however_they_are_split() {
        for protocol in ALL {
            let wire = Wire::new(protocol, Values::small());
            for operation in [Operation::Put, Operation::Get] {
                let about = if matches!(protocol, Protocol::FixedHttp(_)) {
                    0
                } else {
                    7
                };
                let reply = right(protocol, operation, about);
                for end in 0..reply.len() {
                    assert!(matches!(wire.read(&reply[..end], operation, 7), Ok(None)));
                }
                let followed = [&reply[..], b"more"].concat();
                let read = wire.read(&followed, operation, 7).unwrap();
                assert_eq!(read, Some(reply.len()), "{protocol:?} {operation:?}");
            }
        }
    }

    #[test]
    fn wrong_replies_are_failures() {
        for protocol in ALL {
            let wire = Wire::new(protocol, Values::small());
            let reply = right(protocol, Operation::Get, 9);
            assert!(wire.read(&reply, Operation::Get, 8).is_err());
        }
        for error in ["-ERR no\r\n", "$-1\r\n", "{\"status\":\"error\"}\n"] {
            for protocol in [Protocol::Lines, Protocol::Redis] {
                let wire = Wire::new(protocol, Values::small());
                for operation in [Operation::Put, Operation::Get] {
                    let read = wire.read(error.as_bytes(), operation, 7);
                    assert!(read.is_err(), "{error}");
                }
            }
        }
        let wire = Wire::new(Protocol::Http(Route::Keys), Values::small());
        let refused = "HTTP/1.1 507 Insufficient Storage\r\ncontent-length: 0\r\n\r\n";
        assert!(wire.read(refused.as_bytes(), Operation::Put, 7).is_err());
    }
}
