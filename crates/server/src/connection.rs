//! One client of the line front: what it has sent, what it is owed.

use crate::framing::{Frame, Framing};
use crate::stream::Stream;
use kv_protocol::limits::EVENT_BYTES_MAX;
use kv_protocol::{Code, Refusal};
use std::io::{self, Read, Write};
use std::ops::Range;

/// A client that is owed this many bytes is read no further until it takes them.
const OWED_BYTES_MAX: usize = 1024 * 1024;

/// A buffer that is empty again keeps no more than this.
const KEPT_BYTES_MAX: usize = 64 * 1024;

#[derive(Debug)]
#[allow(
    clippy::struct_excessive_bools,
    reason = "each is a fact of its own: about the socket, the client, the reactor's lists"
)]
pub(crate) struct Connection {
    stream: Stream,
    framing: Framing,
    /// Replies, and how many of their bytes are sent.
    replies: Vec<u8>,
    sent: usize,
    /// Events of this client that the actor has not answered.
    pub(crate) in_batch: usize,
    /// The socket may have more to read, or take more.
    pub(crate) readable: bool,
    pub(crate) writable: bool,
    /// It is in the reactor's list of those with something to do.
    pub(crate) listed: bool,
    /// It is in the reactor's list of those that this round has touched.
    pub(crate) touched: bool,
    /// What the reactor has counted as held for it.
    pub(crate) counted_bytes: usize,
    /// The next thing to say is that a line was too long.
    refuse_next: bool,
    /// The client will send no more.
    ended: bool,
    /// It is gone, or broken.
    broken: bool,
}

impl Connection {
    pub(crate) fn new(stream: Stream) -> Self {
        Self {
            stream,
            framing: Framing::default(),
            replies: Vec::new(),
            sent: 0,
            in_batch: 0,
            readable: false,
            writable: true,
            listed: false,
            touched: false,
            counted_bytes: 0,
            refuse_next: false,
            ended: false,
            broken: false,
        }
    }

    /// Reads once, if there may be something and the client takes its replies.
    pub(crate) fn read(&mut self, scratch: &mut [u8]) {
        if !self.readable
            || self.ended
            || self.broken
            || self.is_stalled()
            || self.framing.is_ready()
        {
            return;
        }
        match self.stream.read(scratch) {
            Ok(0) => {
                self.ended = true;
                self.framing.end();
            }
            Ok(bytes) => {
                self.framing.feed(&scratch[..bytes]);
                // A socket that gave less than asked for is empty: epoll(7).
                self.readable = bytes == scratch.len();
            }
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => self.readable = false,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => self.broken = true,
        }
    }

    /// Where the next line lies, unless the client is owed too much already. A
    /// line too long is refused here, once the lines before it are answered.
    pub(crate) fn next_line(&mut self) -> Option<Range<usize>> {
        loop {
            if self.broken || self.is_stalled() || (self.refuse_next && self.in_batch > 0) {
                return None;
            }
            if std::mem::take(&mut self.refuse_next) {
                let message = format!("the event has more than {EVENT_BYTES_MAX} bytes");
                let refusal = Refusal::new(Code::TooLarge, message);
                kv_protocol::reply::error(&mut self.replies, None, &refusal);
                continue;
            }
            match self.framing.next()? {
                Frame::Line(range) => return Some(range),
                Frame::TooLong => self.refuse_next = true,
            }
        }
    }

    /// The bytes of a line.
    pub(crate) fn line(&self, range: Range<usize>) -> &[u8] {
        self.framing.line(range)
    }

    /// Whether there is something to do that no event of the socket announces.
    pub(crate) fn is_ready(&mut self) -> bool {
        if self.broken || self.is_stalled() || (self.refuse_next && self.in_batch > 0) {
            return false;
        }
        self.refuse_next || self.framing.is_ready() || (self.readable && !self.ended)
    }

    /// Adds to what the client is owed.
    pub(crate) fn reply(&mut self, line: &[u8]) {
        if !self.broken {
            self.replies.extend_from_slice(line);
        }
    }

    /// Sends what the socket takes.
    pub(crate) fn send(&mut self) {
        while self.writable && !self.broken && self.sent < self.replies.len() {
            match self.stream.write(&self.replies[self.sent..]) {
                Ok(0) => self.broken = true,
                Ok(bytes) => self.sent += bytes,
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => self.writable = false,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => self.broken = true,
            }
        }
        if self.broken || self.sent == self.replies.len() {
            self.replies.clear();
            self.replies.shrink_to(KEPT_BYTES_MAX);
            self.sent = 0;
        } else if self.sent > OWED_BYTES_MAX {
            self.replies.drain(..self.sent);
            self.sent = 0;
        }
    }

    /// The bytes held for this client.
    pub(crate) fn held_bytes(&self) -> usize {
        self.framing.held_bytes() + self.owed_bytes()
    }

    pub(crate) fn owed_bytes(&self) -> usize {
        self.replies.len() - self.sent
    }

    /// Whether nothing is left to do for it.
    pub(crate) fn is_done(&mut self) -> bool {
        let answered =
            self.ended && self.owed_bytes() == 0 && !self.refuse_next && !self.framing.is_ready();
        self.in_batch == 0 && (self.broken || answered)
    }

    /// Gives it up: nothing is read from it or sent to it any more.
    pub(crate) fn break_off(&mut self) {
        self.broken = true;
        self.replies = Vec::new();
        self.sent = 0;
    }

    pub(crate) fn stream_mut(&mut self) -> &mut Stream {
        &mut self.stream
    }

    fn is_stalled(&self) -> bool {
        self.owed_bytes() > OWED_BYTES_MAX
    }
}
