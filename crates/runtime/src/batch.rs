//! One batch, collected from many origins: whatever is waiting when the actor
//! becomes free goes in together, up to a limit in events and bytes.

use memchr::memchr_iter;
use std::collections::VecDeque;

/// Events that wait for the actor, each with where its reply goes.
#[derive(Debug)]
pub struct Batch<O> {
    events_max: usize,
    bytes_max: usize,
    lines: Vec<u8>,
    origins: VecDeque<O>,
}

impl<O> Batch<O> {
    /// An empty batch that is full at `events_max` events or `bytes_max` bytes.
    #[must_use]
    pub fn new(events_max: usize, bytes_max: usize) -> Self {
        Self {
            events_max,
            bytes_max,
            lines: Vec::new(),
            origins: VecDeque::new(),
        }
    }

    /// Whether it should take no further event. The last one may have made it
    /// longer than its limit.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.origins.len() >= self.events_max || self.lines.len() >= self.bytes_max
    }

    /// Whether there is nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.origins.is_empty()
    }

    /// How many events it holds.
    #[must_use]
    pub fn len(&self) -> usize {
        self.origins.len()
    }

    /// Adds an event: a line without its line feed, and without any in it.
    pub fn push(&mut self, origin: O, line: &[u8]) {
        self.lines.extend_from_slice(line);
        self.lines.push(b'\n');
        self.origins.push_back(origin);
    }

    /// The events, a line each.
    #[must_use]
    pub fn events(&self) -> &[u8] {
        &self.lines
    }

    /// Pairs the first events' origins with their reply lines (line feed
    /// included), and removes them. Events without a reply stay.
    pub fn answer(&mut self, replies: &[u8], mut reply: impl FnMut(O, &[u8])) {
        let (mut begin, mut answered) = (0, 0);
        for end in memchr_iter(b'\n', replies) {
            let Some(origin) = self.origins.pop_front() else {
                break;
            };
            reply(origin, &replies[begin..=end]);
            (begin, answered) = (end + 1, answered + 1);
        }
        self.forget(answered);
    }

    /// Hands every event, with its line, to `take`, and removes them all.
    pub fn give_up(&mut self, mut take: impl FnMut(O, &[u8])) {
        let mut begin = 0;
        for end in memchr_iter(b'\n', &self.lines) {
            let Some(origin) = self.origins.pop_front() else {
                break;
            };
            take(origin, &self.lines[begin..end]);
            begin = end + 1;
        }
        self.forget(0);
    }

    /// Removes the first `answered` lines.
    fn forget(&mut self, answered: usize) {
        if self.origins.is_empty() {
            // One large event must not hold its memory for ever; but where one follows
            // another, to get it anew costs more than to fill it.
            let used = self.lines.len();
            self.lines.clear();
            self.lines.shrink_to(used.max(self.bytes_max));
            return;
        }
        let mut ends = memchr_iter(b'\n', &self.lines).map(|end| end + 1);
        let end = answered.checked_sub(1).and_then(|last| ends.nth(last));
        self.lines.drain(..end.unwrap_or(0));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled() -> Batch<u32> {
        let mut batch = Batch::new(3, 100);
        for (origin, line) in [(1, "a"), (2, ""), (3, "ccc")] {
            assert!(!batch.is_full());
            batch.push(origin, line.as_bytes());
        }
        batch
    }

    #[test]
    fn it_is_full_at_its_events_or_its_bytes() {
        assert!(filled().is_full());
        let mut batch = Batch::new(10, 4);
        batch.push((), b"12");
        assert!(!batch.is_full());
        batch.push((), b"a longer one still goes in");
        assert!(batch.is_full());
    }

    #[test]
    fn replies_go_to_their_origins_and_the_unanswered_stay() {
        let mut batch = filled();
        assert_eq!(batch.events(), b"a\n\nccc\n");
        let mut got = Vec::new();
        batch.answer(b"A\nB\n", |origin, reply| {
            got.push((origin, reply.to_vec()));
        });
        assert_eq!(got, [(1, b"A\n".to_vec()), (2, b"B\n".to_vec())]);
        assert_eq!((batch.len(), batch.events()), (1, &b"ccc\n"[..]));
        batch.answer(b"C\nextra\n", |origin, reply| {
            got.push((origin, reply.to_vec()));
        });
        assert_eq!(got.len(), 3);
        assert!(batch.is_empty() && batch.events().is_empty());
    }

    #[test]
    fn memory_for_a_large_event_is_kept_until_a_batch_does_without() {
        let mut batch = Batch::new(3, 100);
        for (bytes, kept) in [(5000, 5000), (4000, 4000), (1, 0), (1, 0)] {
            batch.push((), &vec![b'x'; bytes]);
            batch.give_up(|(), _| {});
            let capacity = batch.lines.capacity();
            assert!((kept..=100 + 2 * kept).contains(&capacity), "{capacity}");
        }
    }

    #[test]
    fn what_is_given_up_comes_with_its_line() {
        let mut batch = filled();
        let mut got = Vec::new();
        batch.give_up(|origin, line| got.push((origin, line.to_vec())));
        assert_eq!(got, [(1, b"a".to_vec()), (2, vec![]), (3, b"ccc".to_vec())]);
        assert!(batch.is_empty() && batch.events().is_empty());
    }
}
