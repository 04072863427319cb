//! A line of the log, written into a batch; and its checksum.

use crate::log::segment::Extent;
use kv_protocol::event::hash_digits;
pub(super) use kv_protocol::json::hexadecimal;
use kv_protocol::json::{write_number, write_string};
use std::borrow::Cow;

/// The format that this release writes, and the only one it reads.
pub const FORMAT: u64 = 1;

/// `{"c":"00000000",`: what stands before the checked rest of a line.
pub const PREFIX_BYTES: usize = 16;

/// A change. A line holds one, or several of which all or none happen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change<'a> {
    /// `key` gets `value`, a compact JSON text.
    Put {
        /// The key.
        key: Cow<'a, str>,
        /// The value's text.
        value: Cow<'a, str>,
        /// When its time is up, in milliseconds since the Unix epoch.
        expires_ms: Option<u64>,
    },
    /// `key` loses its value.
    Delete {
        /// The key.
        key: Cow<'a, str>,
    },
    /// `key` loses its value, because its time is up.
    Expire {
        /// The key.
        key: Cow<'a, str>,
    },
    /// Content in its canonical form.
    Content {
        /// Its hash.
        hash: [u8; 20],
        /// The canonical text.
        content: Cow<'a, str>,
    },
}

/// Appends a line to a batch. `batch` holds the batch from its first line on,
/// `checksum` is that of the line before, and the new line's is returned.
/// `copy_of` is the version of the change that the line repeats, if it does.
pub fn write_changes(
    batch: &mut Vec<u8>,
    checksum: u32,
    time_ms: u64,
    version: u64,
    copy_of: Option<u64>,
    changes: &[Change<'_>],
) -> u32 {
    let start = begin(batch, time_ms);
    let mut sum = Sum::begin(start, checksum);
    batch.extend_from_slice(b"\"v\":");
    write_number(batch, version);
    if let Some(original) = copy_of {
        batch.extend_from_slice(b",\"copy\":");
        write_number(batch, original);
    }
    batch.push(b',');
    if let [change] = changes {
        write_change(batch, &mut sum, change);
    } else {
        batch.extend_from_slice(b"\"batch\":[");
        for (position, change) in changes.iter().enumerate() {
            batch.extend_from_slice(if position > 0 { b",{" } else { b"{" });
            write_change(batch, &mut sum, change);
            batch.push(b'}');
        }
        batch.push(b']');
    }
    end_with(batch, start, sum)
}

/// The checksum of a line as far as it is written.
struct Sum {
    checksum: u32,
    /// Where what it covers ends in the batch.
    end: usize,
}

impl Sum {
    fn begin(start: usize, before: u32) -> Self {
        Self {
            checksum: before,
            end: start + PREFIX_BYTES,
        }
    }

    /// Covers what was written since.
    fn catch_up(&mut self, batch: &[u8]) {
        self.checksum = checksum_of(self.checksum, &batch[self.end..]);
        self.end = batch.len();
    }
}

/// Appends a value. A long one is read for its checksum piece by piece, while
/// the piece is still in the processor's cache.
fn write_value(batch: &mut Vec<u8>, sum: &mut Sum, value: &str) {
    const PIECE_BYTES: usize = 64 * 1024;
    if value.len() <= PIECE_BYTES {
        batch.extend_from_slice(value.as_bytes());
        return;
    }
    batch.reserve(value.len() + PIECE_BYTES);
    for piece in value.as_bytes().chunks(PIECE_BYTES) {
        batch.extend_from_slice(piece);
        sum.catch_up(batch);
    }
}

fn write_change(batch: &mut Vec<u8>, sum: &mut Sum, change: &Change<'_>) {
    match change {
        Change::Put {
            key,
            value,
            expires_ms,
        } => {
            if let Some(expires_ms) = expires_ms {
                batch.extend_from_slice(b"\"expires\":");
                write_number(batch, *expires_ms);
                batch.push(b',');
            }
            batch.extend_from_slice(b"\"put\":{");
            write_string(batch, key);
            batch.push(b':');
            write_value(batch, sum, value);
            batch.push(b'}');
        }
        Change::Content { hash, content } => {
            batch.extend_from_slice(b"\"content\":{\"");
            batch.extend_from_slice(&hash_digits(hash));
            batch.extend_from_slice(b"\":");
            write_value(batch, sum, content);
            batch.push(b'}');
        }
        Change::Delete { key } => {
            batch.extend_from_slice(b"\"delete\":");
            write_string(batch, key);
        }
        Change::Expire { key } => {
            batch.extend_from_slice(b"\"expire\":");
            write_string(batch, key);
        }
    }
}

/// Appends a line of a log once more: its own place and time, the same change.
pub fn write_again(batch: &mut Vec<u8>, checksum: u32, time_ms: u64, line: &[u8]) -> u32 {
    let start = begin(batch, time_ms);
    let rest = line.get(PREFIX_BYTES..).unwrap_or_default();
    let behind = memchr::memchr(b',', rest).map_or(rest.len(), |comma| comma + 1);
    batch.extend_from_slice(rest[behind..].trim_ascii_end());
    batch.pop();
    end(batch, start, checksum)
}

/// The time of the batch, where a line is its first, and the version after the
/// line, read without a look at the rest. Nothing where it is not written as
/// this release writes it.
#[must_use]
pub fn time_and_version(line: &[u8]) -> Option<(Option<u64>, u64)> {
    fn number(text: &[u8]) -> Option<(u64, &[u8])> {
        let end = text.iter().position(|byte| !byte.is_ascii_digit())?;
        let (digits, rest) = text.split_at(end);
        Some((std::str::from_utf8(digits).ok()?.parse().ok()?, rest))
    }
    let rest = line.get(PREFIX_BYTES..)?;
    let (time_ms, rest) = match rest.strip_prefix(b"\"t\":") {
        Some(rest) => number(rest).map(|(time_ms, rest)| (Some(time_ms), rest))?,
        None => (None, number(rest.strip_prefix(b"\"b\":")?)?.1),
    };
    let (version, _) = number(rest.strip_prefix(b",\"v\":")?)?;
    Some((time_ms, version))
}

/// Appends a segment's header, which is a batch's first line.
pub fn write_header(
    batch: &mut Vec<u8>,
    time_ms: u64,
    version: u64,
    number: u32,
    segments: &[Extent],
) -> u32 {
    let start = begin(batch, time_ms);
    batch.extend_from_slice(b"\"format\":");
    write_number(batch, FORMAT);
    batch.extend_from_slice(b",\"segment\":");
    write_number(batch, u64::from(number));
    batch.extend_from_slice(b",\"segments\":[");
    for (position, sealed) in segments.iter().enumerate() {
        if position > 0 {
            batch.push(b',');
        }
        sealed.write(batch);
    }
    batch.extend_from_slice(b"],\"v\":");
    write_number(batch, version);
    end(batch, start, 0)
}

/// Writes the first line of a backup of everything, or of the changes since a
/// version other than 0. `version` is where its changes begin.
pub fn write_backup_begin(line: &mut Vec<u8>, time_ms: u64, version: u64, since: u64) -> u32 {
    let start = begin(line, time_ms);
    line.extend_from_slice(b"\"format\":");
    write_number(line, FORMAT);
    line.extend_from_slice(b",\"backup_since\":");
    write_number(line, since);
    line.extend_from_slice(b",\"v\":");
    write_number(line, version);
    end(line, start, 0)
}

/// Writes the last line of a backup, which proves that it is whole: the version
/// that it shows, and how many lines stand before.
pub fn write_backup_end(
    line: &mut Vec<u8>,
    checksum: u32,
    time_ms: u64,
    version: u64,
    lines: u64,
) -> u32 {
    let start = begin(line, time_ms);
    line.extend_from_slice(b"\"v\":");
    write_number(line, version);
    line.extend_from_slice(b",\"backup_lines\":");
    write_number(line, lines);
    end(line, start, checksum)
}

fn begin(batch: &mut Vec<u8>, time_ms: u64) -> usize {
    let start = batch.len();
    if start == 0 {
        batch.extend_from_slice(b"{\"c\":\"00000000\",\"t\":");
        write_number(batch, time_ms);
    } else {
        batch.extend_from_slice(b"{\"c\":\"00000000\",\"b\":");
        write_number(batch, start as u64);
    }
    batch.push(b',');
    start
}

fn end(batch: &mut Vec<u8>, start: usize, checksum: u32) -> u32 {
    end_with(batch, start, Sum::begin(start, checksum))
}

fn end_with(batch: &mut Vec<u8>, start: usize, mut sum: Sum) -> u32 {
    batch.push(b'}');
    sum.catch_up(batch);
    batch[start + 6..start + 14].copy_from_slice(&hexadecimal(sum.checksum));
    batch.push(b'\n');
    sum.checksum
}

/// The checksum of `rest` behind what has the checksum `before`.
#[must_use]
pub fn checksum_of(before: u32, rest: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new_with_initial(before);
    hasher.update(rest);
    hasher.finalize()
}

/// Checks a line, without its line feed, against the checksum of the line
/// before it, and returns its own.
///
/// # Errors
/// What is wrong with it, for people.
pub fn check(line: &[u8], before: u32) -> Result<u32, String> {
    let Some((claimed, rest)) = split(line) else {
        return Err("this is no line of a log".to_owned());
    };
    let actual = checksum_of(before, rest);
    if claimed == actual {
        Ok(actual)
    } else {
        Err(format!(
            "the checksum is {actual:08x} where {claimed:08x} is written: the line, or its place, was changed"
        ))
    }
}

/// A line's own checksum and the rest that it covers.
fn split(line: &[u8]) -> Option<(u32, &[u8])> {
    let rest = line.get(PREFIX_BYTES..)?;
    let digits = line.strip_prefix(b"{\"c\":\"")?.get(..8)?;
    if &line[14..PREFIX_BYTES] != b"\"," {
        return None;
    }
    let digits = std::str::from_utf8(digits).ok()?;
    Some((parse_checksum(digits)?, rest))
}

/// Reads a checksum's eight digits, exactly as they are written.
pub(super) fn parse_checksum(digits: &str) -> Option<u32> {
    let exact = digits.len() == 8
        && digits
            .bytes()
            .all(|digit| digit.is_ascii_digit() || (b'a'..=b'f').contains(&digit));
    exact
        .then(|| u32::from_str_radix(digits, 16).ok())
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_value_has_the_checksum_of_the_whole_line() {
        for bytes in [10, 65_534, 65_535, 65_536, 65_537, 200_000] {
            let value = format!("\"{}\"", "v".repeat(bytes));
            let change = Change::Put {
                key: Cow::Borrowed("k"),
                value: Cow::Borrowed(&value),
                expires_ms: None,
            };
            let changes = [change.clone(), change];
            let mut batch = b"another\n".to_vec();
            for count in 1..=2 {
                let start = batch.len();
                let checksum = write_changes(&mut batch, 7, 1, 2, None, &changes[..count]);
                let line = batch[start..].trim_ascii_end();
                assert_eq!(check(line, 7), Ok(checksum), "{bytes}, {count}");
            }
        }
    }
}
