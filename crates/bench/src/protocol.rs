//! The two protocols: our JSON lines, and Redis's RESP. Requests are written and
//! replies checked in the same way for both: every byte of a value counts.

use crate::load::Failure;
use crate::workload::{KEY_BYTES, Operation, VALUE_BYTES, key, value};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    Lines,
    Redis,
}

impl Protocol {
    /// Appends a request.
    pub(crate) fn write(self, output: &mut Vec<u8>, operation: Operation, number: u64) {
        let parts: &[&[u8]] = match (self, operation) {
            (Self::Lines, Operation::Put) => &[
                b"{\"type\":\"put\",\"key\":\"",
                &key(number),
                b"\",\"value\":",
                &value(number),
                b"}\n",
            ],
            (Self::Lines, Operation::Get) => {
                &[b"{\"type\":\"get\",\"key\":\"", &key(number), b"\"}\n"]
            }
            (Self::Redis, Operation::Put) => &[
                b"*3\r\n$3\r\nSET\r\n$20\r\n",
                &key(number),
                b"\r\n$200\r\n",
                &value(number),
                b"\r\n",
            ],
            (Self::Redis, Operation::Get) => {
                &[b"*2\r\n$3\r\nGET\r\n$20\r\n", &key(number), b"\r\n"]
            }
        };
        for part in parts {
            output.extend_from_slice(part);
        }
    }

    /// Checks the reply that `input` begins with, and returns its bytes; nothing
    /// where it isn't whole yet.
    pub(crate) fn read(
        self,
        input: &[u8],
        operation: Operation,
        number: u64,
    ) -> Result<Option<usize>, Failure> {
        let Some(line) = input
            .iter()
            .position(|byte| *byte == b'\n')
            .map(|end| end + 1)
        else {
            return Ok(None);
        };
        let (bytes, right) = match (self, operation) {
            (Self::Lines, Operation::Put) => {
                (line, starts(input, &[LINES_OK, &key(number), b"\","]))
            }
            (Self::Lines, Operation::Get) => (
                line,
                starts(
                    input,
                    &[
                        LINES_OK,
                        &key(number),
                        b"\",\"value\":",
                        &value(number),
                        b",",
                    ],
                ),
            ),
            (Self::Redis, Operation::Put) => (line, starts(input, &[b"+OK\r\n"])),
            (Self::Redis, Operation::Get) => {
                let bytes = REDIS_VALUE.len() + VALUE_BYTES + 2;
                if input.starts_with(REDIS_VALUE) && input.len() < bytes {
                    return Ok(None);
                }
                (
                    bytes,
                    starts(input, &[REDIS_VALUE, &value(number), b"\r\n"]),
                )
            }
        };
        if right {
            return Ok(Some(bytes));
        }
        let shown = &input[..line.min(200)];
        Err(Failure::new(format!(
            "a wrong reply to the {operation:?} of {}: {}",
            String::from_utf8_lossy(&key(number)),
            String::from_utf8_lossy(shown)
        )))
    }
}

const LINES_OK: &[u8] = b"{\"status\":\"ok\",\"key\":\"";
const REDIS_VALUE: &[u8] = b"$200\r\n";
const _: () = assert!(KEY_BYTES == 20 && VALUE_BYTES == 200, "as the requests say");

/// Whether `input` begins with these parts, one behind another.
fn starts(input: &[u8], parts: &[&[u8]]) -> bool {
    let mut rest = input;
    parts.iter().all(|part| {
        rest.strip_prefix(*part).is_some_and(|behind| {
            rest = behind;
            true
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn right(protocol: Protocol, operation: Operation) -> Vec<u8> {
        let (key, value) = (key(7), value(7));
        let (key, value) = (
            String::from_utf8_lossy(&key),
            String::from_utf8_lossy(&value),
        );
        match (protocol, operation) {
            (Protocol::Lines, Operation::Put) => {
                format!("{{\"status\":\"ok\",\"key\":\"{key}\",\"version\":3}}\n")
            }
            (Protocol::Lines, Operation::Get) => {
                format!("{{\"status\":\"ok\",\"key\":\"{key}\",\"value\":{value},\"version\":3}}\n")
            }
            (Protocol::Redis, Operation::Put) => "+OK\r\n".to_owned(),
            (Protocol::Redis, Operation::Get) => format!("$200\r\n{value}\r\n"),
        }
        .into_bytes()
    }

    #[test]
    fn replies_are_checked_however_they_are_split() {
        for protocol in [Protocol::Lines, Protocol::Redis] {
            for operation in [Operation::Put, Operation::Get] {
                let reply = right(protocol, operation);
                for end in 0..reply.len() {
                    assert!(matches!(
                        protocol.read(&reply[..end], operation, 7),
                        Ok(None)
                    ));
                }
                let followed = [&reply[..], b"more"].concat();
                let read = protocol.read(&followed, operation, 7);
                assert!(matches!(read, Ok(Some(bytes)) if bytes == reply.len()));
            }
        }
    }

    #[test]
    fn wrong_replies_are_failures() {
        for protocol in [Protocol::Lines, Protocol::Redis] {
            let reply = right(protocol, Operation::Get);
            assert!(protocol.read(&reply, Operation::Get, 8).is_err());
            for error in ["-ERR no\r\n", "$-1\r\n", "{\"status\":\"error\"}\n"] {
                assert!(
                    protocol.read(error.as_bytes(), Operation::Get, 7).is_err(),
                    "{error}"
                );
                assert!(
                    protocol.read(error.as_bytes(), Operation::Put, 7).is_err(),
                    "{error}"
                );
            }
        }
    }
}
