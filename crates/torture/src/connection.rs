//! A client's connection, over any front. Where it breaks, the events that were
//! not answered are told apart from those that were.

use crate::event::{Event, Reply, hash};
use crate::failure::Failure;
use crate::server::{PATIENCE, Ready};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use ureq::http::{Request, Response};
use ureq::{Agent, Body};

/// A way into the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Front {
    /// JSON lines over TCP.
    Tcp,
    /// JSON lines over the Unix socket.
    Unix,
    /// Many events in one HTTP request.
    Ndjson,
    /// Keys and content as HTTP resources.
    Resources,
}

impl Front {
    /// Every front.
    pub const ALL: [Self; 4] = [Self::Tcp, Self::Unix, Self::Ndjson, Self::Resources];
}

trait Stream: Read + Write + Send {}
impl Stream for TcpStream {}
impl Stream for UnixStream {}

/// A connection.
pub struct Connection(Kind);

enum Kind {
    Lines(BufReader<Box<dyn Stream>>),
    Ndjson { agent: Agent, url: String },
    Resources { agent: Agent, url: String },
}

impl Connection {
    /// Connects; over HTTP, that is put off to the first request.
    ///
    /// # Errors
    /// Where the front does not accept.
    pub fn open(front: Front, ready: &Ready) -> Result<Self, Failure> {
        let url = format!("http://{}", ready.http);
        Ok(Self(match front {
            Front::Tcp => {
                let stream = TcpStream::connect(ready.lines)?;
                stream.set_nodelay(true)?;
                stream.set_read_timeout(Some(PATIENCE))?;
                Kind::Lines(BufReader::new(Box::new(stream)))
            }
            Front::Unix => {
                let stream = UnixStream::connect(&ready.unix)?;
                stream.set_read_timeout(Some(PATIENCE))?;
                Kind::Lines(BufReader::new(Box::new(stream)))
            }
            Front::Ndjson => Kind::Ndjson {
                agent: agent(),
                url: format!("{url}/events"),
            },
            Front::Resources => Kind::Resources {
                agent: agent(),
                url,
            },
        }))
    }

    /// Sends events and takes their replies, in order; as many as came before
    /// the connection broke.
    ///
    /// # Errors
    /// Where a reply came that is none.
    pub fn exchange(&mut self, events: &[Event]) -> Result<Vec<Reply>, Failure> {
        match &mut self.0 {
            Kind::Lines(stream) => over_lines(stream, events),
            Kind::Ndjson { agent, url } => {
                let request = Request::post(&*url)
                    .header("content-type", "application/x-ndjson")
                    .body(batch(events));
                let Some(response) = send(agent, request) else {
                    return Ok(Vec::new());
                };
                let status = response.status().as_u16();
                let body = body(response);
                if status != 200 {
                    return Ok(vec![problem(&body)?; events.len()]);
                }
                read_replies(&body, events)
            }
            Kind::Resources { agent, url } => {
                let mut replies = Vec::new();
                for event in events {
                    match over_resources(agent, url, event)? {
                        Some(reply) => replies.push(reply),
                        None => break,
                    }
                }
                Ok(replies)
            }
        }
    }

    /// One event, which must be answered.
    ///
    /// # Errors
    /// Where it isn't.
    pub fn ask(&mut self, event: &Event) -> Result<Reply, Failure> {
        let mut replies = self.exchange(std::slice::from_ref(event))?;
        let reply = replies.pop();
        reply.ok_or_else(|| Failure::new(format!("{} was not answered", event.line())))
    }

    /// Many events, which must all be answered.
    ///
    /// # Errors
    /// Where one isn't.
    pub fn ask_all(&mut self, events: &[Event]) -> Result<Vec<Reply>, Failure> {
        const AT_ONCE: usize = 256;
        let mut replies = Vec::with_capacity(events.len());
        for some in events.chunks(AT_ONCE) {
            let answers = self.exchange(some)?;
            if answers.len() < some.len() {
                let event = &some[answers.len()];
                return Err(Failure::new(format!("{} was not answered", event.line())));
            }
            replies.extend(answers);
        }
        Ok(replies)
    }
}

fn agent() -> Agent {
    let config = Agent::config_builder()
        .http_status_as_error(false)
        .timeout_global(Some(PATIENCE))
        .build();
    config.into()
}

fn batch(events: &[Event]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for event in events {
        bytes.extend_from_slice(event.line().as_bytes());
        bytes.push(b'\n');
    }
    bytes
}

fn over_lines(
    stream: &mut BufReader<Box<dyn Stream>>,
    events: &[Event],
) -> Result<Vec<Reply>, Failure> {
    let mut replies = Vec::new();
    if stream.get_mut().write_all(&batch(events)).is_err() {
        // A part may have been sent, and answered.
    }
    for event in events {
        let mut line = String::new();
        match stream.read_line(&mut line) {
            Ok(_) if line.ends_with('\n') => replies.push(event.read_reply(&line)?),
            _ => break,
        }
    }
    Ok(replies)
}

/// Sends a request; nothing where no response came.
fn send(agent: &Agent, request: ureq::http::Result<Request<Vec<u8>>>) -> Option<Response<Body>> {
    agent.run(request.ok()?).ok()
}

/// The body, as far as it came.
fn body(response: Response<Body>) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut reader = response.into_body().into_reader();
    match reader.read_to_end(&mut bytes) {
        Ok(_) | Err(_) => bytes,
    }
}

fn read_replies(body: &[u8], events: &[Event]) -> Result<Vec<Reply>, Failure> {
    let mut replies = Vec::new();
    for (line, event) in body.split_inclusive(|byte| *byte == b'\n').zip(events) {
        // A line that was cut off is no reply.
        if line.ends_with(b"\n") {
            replies.push(event.read_reply(&String::from_utf8_lossy(line))?);
        }
    }
    Ok(replies)
}

fn over_resources(agent: &Agent, url: &str, event: &Event) -> Result<Option<Reply>, Failure> {
    let key_url = |key: &str| format!("{url}/keys/{}", utf8_percent_encode(key, NON_ALPHANUMERIC));
    let json = "application/json";
    let request = match event {
        Event::Put {
            key,
            value,
            if_version,
        } => {
            let request = Request::put(key_url(key)).header("content-type", json);
            let request = match if_version {
                None => request,
                Some(0) => request.header("if-none-match", "*"),
                Some(version) => request.header("if-match", format!("\"{version}\"")),
            };
            request.body(value.clone().into_bytes())
        }
        Event::Get { key } => Request::get(key_url(key)).body(Vec::new()),
        Event::Delete { key } => Request::delete(key_url(key)).body(Vec::new()),
        Event::StoreContent { content } => Request::post(format!("{url}/content"))
            .header("content-type", json)
            .body(content.clone().into_bytes()),
        Event::GetContent { content } => {
            Request::get(format!("{url}/content/{}", hash(content))).body(Vec::new())
        }
    };
    let Some(response) = send(agent, request) else {
        return Ok(None);
    };
    let status = response.status().as_u16();
    let version = response.headers().get("etag").and_then(|tag| {
        let tag = tag.to_str().ok()?.strip_prefix('"')?.strip_suffix('"')?;
        tag.parse().ok()
    });
    let length = response.headers().get("content-length");
    let length: Option<usize> = length.and_then(|length| length.to_str().ok()?.parse().ok());
    let body = body(response);
    if length.is_some_and(|length| length != body.len()) {
        return Ok(None);
    }
    let text = || String::from_utf8_lossy(&body).into_owned();
    let reply = match (event, status) {
        (Event::Delete { .. }, 204) => Reply::Deleted {
            deleted: true,
            version: None,
        },
        (Event::Delete { .. }, 404) => Reply::Deleted {
            deleted: false,
            version: None,
        },
        (_, 404) => Reply::NotFound,
        (Event::Get { .. }, 200) => Reply::Got {
            value: text(),
            version: version
                .ok_or_else(|| Failure::new(format!("{} has no version", event.line())))?,
        },
        (Event::GetContent { .. }, 200) => Reply::Content { content: text() },
        (Event::Put { .. }, 200) | (Event::StoreContent { .. }, 200 | 201) => {
            event.read_reply(&text())?
        }
        _ => problem(&body)?,
    };
    Ok(Some(reply))
}

fn problem(body: &[u8]) -> Result<Reply, Failure> {
    #[derive(Deserialize)]
    struct Problem {
        code: String,
        detail: String,
        version: Option<u64>,
    }
    let problem: Problem = serde_json::from_slice(body)
        .map_err(|e| Failure::new(format!("{e}: {}", String::from_utf8_lossy(body))))?;
    Ok(match problem.version {
        Some(version) if problem.code == "conflict" => Reply::Conflict { version },
        _ => Reply::Refused {
            code: problem.code,
            message: problem.detail,
        },
    })
}
