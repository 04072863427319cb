//! `kv-actor send`: events as they are, and their replies.

use crate::arguments::Place as Arguments;
use crate::event::Reply;
use crate::failure::Failure;
use crate::output::Output;
use crate::place::Place;
use std::io::BufRead;

pub(crate) fn run(place: &Arguments, events: &[String]) -> Result<(), Failure> {
    let mut sender = Sender {
        place: Place::open(place)?,
        output: Output::new(),
        first: None,
    };
    if events.is_empty() {
        for line in std::io::stdin().lock().lines() {
            let line =
                line.map_err(|e| Failure::new(format!("standard input can't be read: {e}")))?;
            sender.send(&line)?;
        }
    }
    for event in events {
        sender.send(event)?;
    }
    sender.place.stop();
    sender.output.finish()?;
    sender.first.map_or(Ok(()), Err)
}

struct Sender {
    place: Place,
    output: Output,
    /// The first refusal: its exit code is the command's.
    first: Option<Failure>,
}

impl Sender {
    /// Sends one event, whose line feeds are of no matter, and prints its reply.
    fn send(&mut self, event: &str) -> Result<(), Failure> {
        let mut line = event.replace('\n', " ");
        if line.trim().is_empty() {
            return Ok(());
        }
        line.push('\n');
        let replies = self.place.send(line.as_bytes())?;
        let replies = String::from_utf8(replies)
            .map_err(|_| Failure::new("the store's reply is not UTF-8"))?;
        for reply in replies.lines() {
            self.output.line(reply)?;
            if let Err(failure) = Reply::read(reply) {
                self.first.get_or_insert(failure);
            }
        }
        Ok(())
    }
}
