//! What a guest has done to its files in one call and not synced yet: a sync may be left
//! behind only where all of that can be taken back.

use crate::syncs::Written;

/// What a call writes over is kept until its sync has ended; of a call that writes over
/// more, the sync is carried out at once.
pub(super) const REPLACED_BYTES_MAX: usize = 1024 * 1024;

#[derive(Debug, Default)]
pub(super) enum Unsynced {
    #[default]
    Nothing,
    /// One piece of one file.
    Piece(u32, Written),
    /// More than can be taken back, for the rest of the call.
    More,
}

impl Unsynced {
    /// Notes a write that was done; none where it can't be taken back.
    pub(super) fn wrote(&mut self, descriptor: u32, written: Option<Written>) {
        *self = match (std::mem::take(self), written) {
            (Self::Nothing, Some(written)) => Self::Piece(descriptor, written),
            (Self::Piece(before, earlier), Some(written)) if before == descriptor => earlier
                .and(written, REPLACED_BYTES_MAX)
                .map_or(Self::More, |both| Self::Piece(descriptor, both)),
            _ => Self::More,
        };
    }

    /// Hands over what a sync of a file makes durable, where that is one piece. What was
    /// done to others stays.
    pub(super) fn take(&mut self, descriptor: u32) -> Option<Written> {
        match std::mem::take(self) {
            Self::Piece(before, written) if before == descriptor => Some(written),
            other => {
                *self = other;
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;

    /// An unsynced write of two bytes at an offset, of an empty file.
    fn written(offset: u64) -> Option<Written> {
        let file: File = tempfile::tempfile().unwrap();
        Written::before(&file, offset, 2, REPLACED_BYTES_MAX)
    }

    #[test]
    fn one_piece_of_one_file_is_handed_over_to_its_sync_and_no_other() {
        let mut unsynced = Unsynced::default();
        assert!(unsynced.take(1).is_none());
        unsynced.wrote(1, written(0));
        unsynced.wrote(1, written(2));
        assert!(unsynced.take(2).is_none());
        assert!(unsynced.take(1).is_some());
        assert!(unsynced.take(1).is_none());
        unsynced.wrote(2, written(0));
        assert!(unsynced.take(2).is_some());
    }

    #[test]
    fn of_several_pieces_none_is_handed_over_for_the_rest_of_the_call() {
        for (descriptor, second) in [(1, written(3)), (2, written(2)), (1, None)] {
            let mut unsynced = Unsynced::default();
            unsynced.wrote(1, written(0));
            unsynced.wrote(descriptor, second);
            // The third goes on where the second has ended.
            unsynced.wrote(descriptor, written(5));
            assert!(unsynced.take(1).is_none());
            assert!(unsynced.take(2).is_none());
            unsynced.wrote(1, written(7));
            assert!(unsynced.take(1).is_none());
        }
    }
}
