//! HTTP/1.1 with connections kept alive: as much of it as a client needs that
//! knows its server.

use super::Wire;
use crate::requests::Operation;
use crate::values::key;
use memchr::memmem;

/// Which resource is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Route {
    /// `PUT` and `GET /keys/{key}`.
    Keys,
    /// `POST /events`, one event each.
    Events,
}

impl Wire {
    pub(super) fn write_http(
        &self,
        route: Route,
        output: &mut Vec<u8>,
        operation: Operation,
        number: u64,
    ) {
        const HOST: &[u8] = b" HTTP/1.1\r\nhost: localhost\r\n";
        const BODY: &[u8] = b"content-type: application/json\r\ncontent-length: ";
        match (route, operation) {
            (Route::Keys, Operation::Get) => {
                output.extend_from_slice(b"GET /keys/");
                output.extend_from_slice(&key(number));
                output.extend_from_slice(HOST);
                output.extend_from_slice(b"\r\n");
            }
            (Route::Keys, Operation::Put) => {
                output.extend_from_slice(b"PUT /keys/");
                output.extend_from_slice(&key(number));
                output.extend_from_slice(HOST);
                output.extend_from_slice(BODY);
                output.extend_from_slice(self.values.length.as_bytes());
                output.extend_from_slice(b"\r\n\r\n");
                self.values.write(output, number);
            }
            (Route::Events, _) => {
                let mut event = Vec::new();
                self.write_event(&mut event, operation, number);
                output.extend_from_slice(b"POST /events");
                output.extend_from_slice(HOST);
                output.extend_from_slice(BODY);
                output.extend_from_slice(event.len().to_string().as_bytes());
                output.extend_from_slice(b"\r\n\r\n");
                output.extend_from_slice(&event);
            }
        }
    }

    /// The bytes of a response, and whether it is right.
    pub(super) fn read_http(
        &self,
        route: Route,
        input: &[u8],
        operation: Operation,
        number: u64,
    ) -> Option<(usize, bool)> {
        let head = memmem::find(input, b"\r\n\r\n")? + 4;
        let Some(length) = content_length(&input[..head]) else {
            return Some((head, false));
        };
        let body = input.get(head..head + length)?;
        let right = input.starts_with(b"HTTP/1.1 200 ")
            && match (route, operation) {
                (Route::Keys, Operation::Get) => self.values.is(body, number),
                _ => self.is_reply(body, operation, number),
            };
        Some((head + length, right))
    }
}

fn content_length(head: &[u8]) -> Option<usize> {
    const NAME: &[u8] = b"\r\ncontent-length: ";
    let start = memmem::find(head, NAME)? + NAME.len();
    let digits = head[start..].split(|byte| *byte == b'\r').next()?;
    std::str::from_utf8(digits).ok()?.parse().ok()
}
