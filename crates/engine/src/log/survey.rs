//! One segment, read past its damage: what of it is proven, and what isn't.
//!
//! A line is proven by its own checksum, which continues the one before. Behind a
//! damaged line the checksum goes on from what that line claims, or, where only
//! its digits are damaged, from what its bytes come to; then the next line proves
//! the damaged one's bytes too.

use crate::files::{File, FileError};
use crate::log::line::Line;
use crate::log::lines::Lines;
use crate::log::record::{self, PREFIX_BYTES, checksum_of, parse_checksum};
use memchr::memmem;

/// A piece of a segment, in order.
#[derive(Debug)]
pub(super) enum Piece<'a> {
    /// A line as it was written, without its line feed.
    Sound(&'a [u8], Line<'a>),
    /// A line of which only the checksum's digits are damaged.
    Mended(&'a [u8], Line<'a>),
    /// Bytes, with their line feed, that nothing proves, and why.
    Damaged(&'a [u8], &'a str),
}

/// Where a piece lies.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) line: u64,
    pub(super) byte: u64,
}

/// A damaged line that the next one may still prove.
struct Pending {
    place: Place,
    /// It is an empty line, or several.
    is_room: bool,
    bytes: Vec<u8>,
    reason: String,
    /// What its bytes come to, by each checksum that may stand before it.
    computed: Vec<u32>,
}

/// Reads the first `end` bytes of a segment. `last` is its last checksum, where
/// that is known. True if all of it is sound.
pub(super) fn survey<T: File>(
    file: &T,
    end: u64,
    last: Option<u32>,
    mut visit: impl FnMut(Place, Piece<'_>) -> Result<(), FileError>,
) -> Result<bool, FileError> {
    let mut lines = Lines::new(file, 0, end);
    let mut before = vec![0];
    let mut pending: Option<Pending> = None;
    let mut count = 0;
    let mut sound = true;
    while let Some(raw) = lines.next_line()? {
        count += 1;
        // Room that was not written over is one piece.
        if let Some(room) = pending.as_mut().filter(|pending| pending.is_room)
            && raw.bytes.is_empty()
        {
            room.bytes.push(b'\n');
            continue;
        }
        let place = Place {
            line: count,
            byte: raw.offset,
        };
        let proven = raw.ended.then(|| {
            let mut from = before.iter().copied();
            from.find_map(|from| Some((from, record::check(raw.bytes, from).ok()?)))
        });
        let read = match proven.flatten() {
            Some((from, own)) => Line::read(raw.bytes).map(|line| (from, own, line)),
            None => Err(reason(raw.bytes, raw.ended, &before)),
        };
        let proof = read.as_ref().ok().map(|(from, ..)| *from);
        settle(pending.take(), proof, &mut visit)?;
        match read {
            Ok((_, own, line)) => {
                visit(place, Piece::Sound(raw.bytes, line))?;
                before.clear();
                before.push(own);
            }
            Err(reason) => {
                sound = false;
                let mut bytes = raw.bytes.to_vec();
                let computed = computed(raw.bytes, &before);
                before.clone_from(&computed);
                before.extend(claimed(raw.bytes));
                if raw.ended {
                    bytes.push(b'\n');
                }
                pending = Some(Pending {
                    place,
                    is_room: raw.bytes.is_empty(),
                    bytes,
                    reason,
                    computed,
                });
            }
        }
    }
    settle(pending, last, &mut visit)?;
    Ok(sound && last.is_none_or(|last| before == [last]))
}

/// Hands over a damaged line: mended, if what follows continues its bytes.
fn settle(
    pending: Option<Pending>,
    proof: Option<u32>,
    visit: &mut impl FnMut(Place, Piece<'_>) -> Result<(), FileError>,
) -> Result<(), FileError> {
    let Some(pending) = pending else {
        return Ok(());
    };
    let proven = proof.is_some_and(|proof| pending.computed.contains(&proof));
    if proven
        && let Some(text) = pending.bytes.strip_suffix(b"\n")
        && text.len() >= PREFIX_BYTES
    {
        // Whatever stands in the place of the digits is not looked at.
        let mut mended = text.to_vec();
        mended[..PREFIX_BYTES].copy_from_slice(b"{\"c\":\"00000000\",");
        if let Ok(line) = Line::read(&mended) {
            return visit(pending.place, Piece::Mended(&mended, line));
        }
    }
    visit(
        pending.place,
        Piece::Damaged(&pending.bytes, &pending.reason),
    )
}

fn reason(bytes: &[u8], ended: bool, before: &[u32]) -> String {
    if !ended {
        return "the line has no end".to_owned();
    }
    let first = before.first().copied().unwrap_or_default();
    record::check(bytes, first)
        .map_or_else(|reason| reason, |_| "the line can't be read".to_owned())
}

fn computed(bytes: &[u8], before: &[u32]) -> Vec<u32> {
    let rest = bytes.get(PREFIX_BYTES..).unwrap_or_default();
    before.iter().map(|from| checksum_of(*from, rest)).collect()
}

/// The checksums that a damaged line claims: its own, and that of a line which
/// runs on behind a damaged line feed.
fn claimed(bytes: &[u8]) -> Vec<u32> {
    const MARK: &[u8] = b"{\"c\":\"";
    let digits = |start: usize| {
        let digits = bytes.get(start + MARK.len()..start + MARK.len() + 8)?;
        parse_checksum(std::str::from_utf8(digits).ok()?)
    };
    let last = memmem::rfind_iter(bytes, MARK).next();
    let mut claimed: Vec<u32> = digits(0).into_iter().collect();
    claimed.extend(last.filter(|start| *start > 0).and_then(digits));
    claimed
}
