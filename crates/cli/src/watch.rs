//! `kv-actor watch`: changes as they happen, from a running server. A connection
//! that breaks is made anew; nothing is missed, and nothing is printed twice.

use crate::arguments::Watch as Arguments;
use crate::event::Reply;
use crate::failure::Failure;
use crate::output::print;
use crate::place::Server;
use kv_protocol::Code;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use std::io::{BufRead, BufReader, Read};
use std::thread::sleep;
use std::time::Duration;

/// How long to wait before a server is asked again.
const AGAIN: Duration = Duration::from_secs(1);

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let Some(url) = &arguments.place.url else {
        let message = "changes are told by a running server; name it with --url";
        return Err(Failure::new(message));
    };
    let server = Server::new(url, &arguments.place)?;
    let prefix = utf8_percent_encode(&arguments.prefix, NON_ALPHANUMERIC);
    let path = match arguments.since {
        Some(since) => format!("watch?prefix={prefix}&since={since}"),
        None => format!("watch?prefix={prefix}"),
    };
    let mut last_id = None;
    loop {
        let stream = match server.get(&path, last_id.as_deref()) {
            Ok(stream) => stream,
            // One that has answered before may come back.
            Err(failure) if last_id.is_some() && failure.is(Code::Unavailable) => {
                sleep(AGAIN);
                continue;
            }
            Err(failure) => return Err(failure),
        };
        follow(stream, &mut last_id)?;
        eprintln!("note: the connection has ended; it is made anew");
        sleep(AGAIN);
    }
}

/// Prints the changes of a stream until it breaks off. Those of one version are
/// printed once all of them are there: the last has the version as its `id`.
fn follow(stream: impl Read, last_id: &mut Option<String>) -> Result<(), Failure> {
    let mut rows: Vec<String> = Vec::new();
    let mut is_error = false;
    for line in BufReader::new(stream).lines() {
        let Ok(line) = line else {
            return Ok(());
        };
        if let Some(id) = line.strip_prefix("id: ") {
            for row in rows.drain(..) {
                print(&row)?;
            }
            *last_id = Some(id.to_owned());
        } else if let Some(kind) = line.strip_prefix("event: ") {
            is_error = kind == "error";
        } else if let Some(data) = line.strip_prefix("data: ") {
            if is_error {
                return match Reply::read(data) {
                    // It can go on from where it is.
                    Err(failure) if failure.is(Code::Unavailable) => Ok(()),
                    other => other.map(drop),
                };
            }
            rows.push(data.to_owned());
        }
    }
    Ok(())
}
