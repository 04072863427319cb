//! One client of the line front: what it has sent, what it is owed.

use crate::framing::{Frame, Framing, KEPT_BYTES_MAX};
use crate::stream::Stream;
use crate::token::Token;
use kv_protocol::limits::{AUTHENTICATION_BYTES_MAX, EVENT_BYTES_MAX};
use kv_protocol::{Code, Refusal, authentication, event, reply};
use std::io::{self, Read, Write};
use std::time::Instant;

/// A client that is owed this many bytes is read no further until it takes them.
const OWED_BYTES_MAX: usize = 1024 * 1024;

/// How much is read at a time of a line that is longer than one read.
const LONG_READ_BYTES: usize = 256 * 1024;

// As with one usual read (clients.rs): no line that is too long comes at once.
const _: () = assert!(LONG_READ_BYTES < EVENT_BYTES_MAX);

#[derive(Debug)]
#[allow(
    clippy::struct_excessive_bools,
    reason = "independent facts, not the states of one machine"
)]
pub(crate) struct Connection {
    stream: Stream,
    admission: Admission,
    /// Lines that the actor has left for later: they come before all others.
    returned: Framing,
    framing: Framing,
    /// Replies, and how many of their bytes are sent.
    replies: Vec<u8>,
    sent: usize,
    /// Events of this client that the actor has not answered.
    in_batch: usize,
    /// The socket may have more to read, or take more.
    readable: bool,
    writable: bool,
    /// The client's end of the stream is on its way, or here.
    closing: bool,
    /// It is in the reactor's list of those with something to do.
    pub(crate) listed: bool,
    /// It is in the reactor's list of those that this round has touched.
    pub(crate) touched: bool,
    /// What the reactor has counted as held for it.
    pub(crate) counted_bytes: usize,
    /// The client will send no more.
    ended: bool,
    /// It is gone, or broken.
    broken: bool,
    /// It is told changes, and need not say anything itself: the memory of that.
    pub(crate) watch_bytes: Option<usize>,
    /// The stream was ended behind the last reply.
    said_end: bool,
    /// Something was read or sent since `active` was set.
    moved: bool,
    /// When it last read or sent anything; until it is let in, when it came.
    active: Instant,
}

/// Whether a client is served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Admission {
    /// Its first line must be the token.
    Needed,
    Granted,
    /// It is told why, and then the connection ends.
    Refused,
}

/// How far a connection's end has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// The client has not taken all replies.
    Owed,
    /// It is still sending.
    Heard,
    /// It sends nothing, and has not ended its side.
    Quiet,
    /// Both sides have ended.
    Done,
}

impl Connection {
    pub(crate) fn new(stream: Stream, admission: Admission) -> Self {
        Self {
            stream,
            admission,
            returned: Framing::default(),
            framing: Framing::default(),
            replies: Vec::new(),
            sent: 0,
            in_batch: 0,
            readable: false,
            writable: true,
            closing: false,
            listed: false,
            touched: false,
            counted_bytes: 0,
            ended: false,
            broken: false,
            watch_bytes: None,
            said_end: false,
            moved: false,
            active: Instant::now(),
        }
    }

    pub(crate) fn admission(&self) -> Admission {
        self.admission
    }

    /// Takes the first line, which must be the token.
    pub(crate) fn authenticate(&mut self, token: &Token) {
        let checked = match self.framing.next_frame() {
            Some(Frame::Line(range)) => {
                let line = self.framing.line(range);
                match authentication::token(line) {
                    Ok(shown) if token.is(shown.as_bytes()) => {
                        reply::authenticate(&mut self.replies, event::id_of(line));
                        Ok(())
                    }
                    Ok(_) => Err(authentication::wrong()),
                    Err(refusal) => Err(refusal),
                }
            }
            Some(Frame::TooLong) => Err(authentication::needed()),
            None if self.framing.pending_bytes() > AUTHENTICATION_BYTES_MAX => {
                Err(authentication::needed())
            }
            None => return,
        };
        match checked {
            Ok(()) => self.admission = Admission::Granted,
            Err(refusal) => self.turn_away(&refusal),
        }
    }

    /// Tells the client why it is not served, and keeps nothing that it has sent.
    pub(crate) fn turn_away(&mut self, refusal: &Refusal) {
        self.admission = Admission::Refused;
        self.framing = Framing::default();
        self.refuse(refusal);
    }

    /// Since when nothing was read or sent, as of `now`.
    pub(crate) fn active(&mut self, now: Instant) -> Instant {
        // Who may not come in gains no time by what it sends.
        if std::mem::take(&mut self.moved) && self.admission == Admission::Granted {
            self.active = now;
        }
        self.active
    }

    /// Notes what the socket's event says.
    pub(crate) fn note(&mut self, event: &mio::event::Event) {
        self.closing |= event.is_read_closed() || event.is_error();
        self.readable |= event.is_readable() || self.closing;
        self.writable |= event.is_writable() || event.is_write_closed() || event.is_error();
    }

    /// Reads once, if there may be something and the client takes its replies.
    pub(crate) fn read(&mut self, scratch: &mut [u8]) {
        if !self.readable || self.is_over() || self.is_stalled() || self.has_line() {
            return;
        }
        let (read, asked) = if self.framing.is_within(scratch.len()) {
            let read = |room: &mut [u8]| self.stream.read(room);
            (
                self.framing.feed_from(LONG_READ_BYTES, read),
                LONG_READ_BYTES,
            )
        } else {
            let read = self.stream.read(scratch);
            if let Ok(bytes) = read {
                self.framing.feed(&scratch[..bytes]);
            }
            (read, scratch.len())
        };
        match read {
            Ok(0) => {
                self.ended = true;
                self.framing.end();
            }
            Ok(bytes) => {
                self.moved = true;
                // The event that announced the end has been already.
                self.readable = self.stream.may_have_more(bytes, asked) || self.closing;
            }
            // TLS was cut off: what came last may not be all of its line.
            Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => self.ended = true,
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => self.readable = false,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => self.broken = true,
        }
    }

    /// The next line, for the batch, unless the client is owed too much already.
    /// A line too long is refused here: it took several reads to come, and the
    /// lines before it were answered meanwhile.
    pub(crate) fn next_line(&mut self) -> Option<&[u8]> {
        if self.broken || self.admission != Admission::Granted || self.is_stalled() {
            return None;
        }
        if let Some(Frame::Line(range)) = self.returned.next_frame() {
            self.in_batch += 1;
            return Some(self.returned.line(range));
        }
        loop {
            match self.framing.next_frame()? {
                Frame::Line(range) => {
                    self.in_batch += 1;
                    return Some(self.framing.line(range));
                }
                Frame::TooLong => {
                    let message = format!("the event has more than {EVENT_BYTES_MAX} bytes");
                    let refusal = Refusal::new(Code::TooLarge, message);
                    reply::error(&mut self.replies, None, &refusal);
                }
            }
        }
    }

    /// Takes back the last `count` lines that were taken: the actor left them.
    pub(crate) fn take_back(&mut self, lines: &[u8], count: usize) {
        self.in_batch -= count;
        self.returned.put_back(lines);
    }

    /// Answers one of its events.
    pub(crate) fn reply(&mut self, line: &[u8]) {
        self.in_batch -= 1;
        if !self.broken {
            self.replies.extend_from_slice(line);
        }
    }

    /// Adds lines that are no replies.
    pub(crate) fn tell(&mut self, lines: &[u8]) {
        if !self.broken {
            self.replies.extend_from_slice(lines);
        }
    }

    /// Tells the client what is no reply to an event.
    pub(crate) fn refuse(&mut self, refusal: &Refusal) {
        reply::error(&mut self.replies, None, refusal);
    }

    /// Sends what the socket takes.
    pub(crate) fn send(&mut self) {
        while self.writable && !self.broken && self.sent < self.replies.len() {
            match self.stream.write(&self.replies[self.sent..]) {
                Ok(0) => self.broken = true,
                Ok(bytes) => {
                    self.sent += bytes;
                    self.moved = true;
                }
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => self.writable = false,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => self.broken = true,
            }
        }
        if self.writable && !self.broken {
            match self.stream.flush() {
                Ok(()) => {}
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => self.writable = false,
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

    /// A step towards its end: sends what is owed, ends the stream behind it, and
    /// passes over what still comes. A stream that is closed with something
    /// unread in it is reset, and its last replies may be lost with it.
    pub(crate) fn end(&mut self, scratch: &mut [u8]) -> Ending {
        if self.is_owed() {
            self.writable = true;
            self.send();
        }
        if self.broken {
            return Ending::Done;
        }
        if self.is_owed() {
            return Ending::Owed;
        }
        if !std::mem::replace(&mut self.said_end, true) {
            self.broken = self.stream.end().is_err();
        }
        match self.stream.read(scratch) {
            Ok(0) => Ending::Done,
            Ok(_) => Ending::Heard,
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => Ending::Quiet,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => Ending::Heard,
            Err(_) => Ending::Done,
        }
    }

    /// Gives it up: nothing is read from it or sent to it any more.
    pub(crate) fn break_off(&mut self) {
        self.broken = true;
        self.replies = Vec::new();
        self.sent = 0;
    }

    /// Whether there is something to do that no event of the socket announces.
    pub(crate) fn is_ready(&mut self) -> bool {
        if self.broken || self.admission == Admission::Refused || self.is_stalled() {
            return false;
        }
        self.has_line() || (self.readable && !self.ended)
    }

    /// Whether nothing is left to do for it.
    pub(crate) fn is_done(&mut self) -> bool {
        let answered = self.is_over() && !self.is_owed() && !self.has_line();
        self.in_batch == 0 && (self.broken || answered)
    }

    /// Whether the actor has events of it.
    pub(crate) fn is_in_batch(&self) -> bool {
        self.in_batch > 0
    }

    /// The memory held for this client.
    pub(crate) fn held_bytes(&self) -> usize {
        self.returned.held_bytes()
            + self.framing.held_bytes()
            + self.replies.capacity()
            + self.stream.held_bytes()
            + self.watch_bytes.unwrap_or(0)
    }

    pub(crate) fn stream_mut(&mut self) -> &mut Stream {
        &mut self.stream
    }

    /// What was said and not sent.
    pub(crate) fn owed_bytes(&self) -> usize {
        self.replies.len() - self.sent
    }

    /// Whether something that was said has not been sent.
    fn is_owed(&self) -> bool {
        self.owed_bytes() > 0 || self.stream.has_unsent()
    }

    /// Whether nothing more is read.
    fn is_over(&self) -> bool {
        self.ended || self.broken || self.admission == Admission::Refused
    }

    fn is_stalled(&self) -> bool {
        self.owed_bytes() > OWED_BYTES_MAX
    }

    fn has_line(&mut self) -> bool {
        self.returned.is_ready() || self.framing.is_ready()
    }
}
