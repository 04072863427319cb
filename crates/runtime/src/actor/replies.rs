//! What a guest hands back is checked before anybody relies on it.

use super::Handled;
use crate::instance::interface::Handled as GuestHandled;
use memchr::memchr_iter;
use std::fmt;

/// What is wrong with a guest's replies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WrongReplies {
    NotUtf8,
    NotEnded,
    NoObject,
    Count { answered: usize, events: usize },
}

impl fmt::Display for WrongReplies {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotUtf8 => formatter.write_str("its replies are not UTF-8"),
            Self::NotEnded => formatter.write_str("its last reply has no end"),
            Self::NoObject => formatter.write_str("a line of its replies is no JSON object"),
            Self::Count { answered, events } => {
                write!(formatter, "it gave {answered} replies to {events} events")
            }
        }
    }
}

/// Checks the replies to `events` events; says also whether the instance is
/// finished.
pub(super) fn check(handled: GuestHandled, events: usize) -> Result<(Handled, bool), WrongReplies> {
    let GuestHandled {
        replies,
        changes,
        finished,
        wake_at_ms,
    } = handled;
    if replies.last().is_some_and(|byte| *byte != b'\n') {
        return Err(WrongReplies::NotEnded);
    }
    if std::str::from_utf8(&replies).is_err() {
        return Err(WrongReplies::NotUtf8);
    }
    let (mut answered, mut begin, mut are_objects) = (0, 0, true);
    for end in memchr_iter(b'\n', &replies) {
        // Its braces only: to read every reply would cost as much as to make it.
        are_objects &= matches!(replies[begin..end], [b'{', .., b'}']);
        (answered, begin) = (answered + 1, end + 1);
    }
    // Fewer are fine: the others are handed in again. None would be for ever.
    if answered > events || (answered == 0 && events > 0) {
        return Err(WrongReplies::Count { answered, events });
    }
    if !are_objects {
        return Err(WrongReplies::NoObject);
    }
    let handled = Handled {
        replies,
        answered,
        changes,
        wake_at_ms,
    };
    Ok((handled, finished))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(replies: &[u8], events: usize) -> Result<usize, WrongReplies> {
        let handled = GuestHandled {
            replies: replies.to_vec(),
            changes: Vec::new(),
            finished: false,
            wake_at_ms: None,
        };
        check(handled, events).map(|(handled, _)| handled.answered)
    }

    #[test]
    fn replies_are_ended_lines_of_text_as_many_as_events_at_most() {
        assert_eq!(answered(b"", 0), Ok(0));
        assert_eq!(answered(b"{}\n", 1), Ok(1));
        assert_eq!(answered("{\"ü\":1}\n{}\n".as_bytes(), 3), Ok(2));
        let count = |answered, events| Err(WrongReplies::Count { answered, events });
        assert_eq!(answered(b"", 1), count(0, 1));
        assert_eq!(answered(b"{}\n", 0), count(1, 0));
        assert_eq!(answered(b"{}\n{}\n", 1), count(2, 1));
        assert_eq!(answered(b"{}", 1), Err(WrongReplies::NotEnded));
        assert_eq!(answered(b"{}\n{}", 2), Err(WrongReplies::NotEnded));
        assert_eq!(answered(b"{\xff}\n", 1), Err(WrongReplies::NotUtf8));
        for line in ["", "1", "{", "}", "{}x", " {}", "{\r"] {
            let replies = format!("{{}}\n{line}\n");
            assert_eq!(answered(replies.as_bytes(), 2), Err(WrongReplies::NoObject));
        }
    }
}
