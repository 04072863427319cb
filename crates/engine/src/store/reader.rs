//! Values that are not in the cache: one read of one line, all of it checked.

use crate::content;
use crate::files::{Access, File, FileError, FileErrorKind, Files};
use crate::index::{Address, Location};
use crate::log::line::{Line, Read, Stored};
use crate::log::record::check;
use crate::log::segment::file_name;
use kv_protocol::event::hash_digits;
use kv_protocol::{Code, Refusal};
use std::collections::BTreeMap;

/// The segments that are open for reading.
#[derive(Debug)]
pub(super) struct Reader<F: Files> {
    open: BTreeMap<u32, F::File>,
    open_max: usize,
    /// The line that was read last.
    line: Vec<u8>,
}

/// The room for a line that is kept once a longer one was read.
const LINE_BYTES_KEPT: usize = 64 * 1024;

impl<F: Files> Reader<F> {
    /// Keeps so many segments open at most.
    pub(super) fn new(open_max: usize) -> Self {
        Self {
            open: BTreeMap::new(),
            open_max,
            line: Vec::new(),
        }
    }

    /// Reads and checks the value at a location.
    pub(super) fn read(
        &mut self,
        files: &F,
        address: Address<'_>,
        location: Location,
    ) -> Result<&str, Refusal> {
        let mut line = std::mem::take(&mut self.line);
        line.resize(location.length as usize, 0);
        let bytes = self
            .file(files, location.segment)
            .and_then(|file| file.read_at(u64::from(location.offset), &mut line))
            .map_err(|e| unreadable(&e))?;
        line.truncate(bytes);
        if line.len() < LINE_BYTES_KEPT {
            line.shrink_to(LINE_BYTES_KEPT);
        }
        self.line = line;
        value(&self.line, address, location)
    }

    /// Closes a segment that is no longer part of the log.
    pub(super) fn forget(&mut self, number: u32) {
        self.open.remove(&number);
    }

    fn file(&mut self, files: &F, number: u32) -> Result<&F::File, FileError> {
        if !self.open.contains_key(&number) {
            if self.open.len() >= self.open_max {
                // Any will do: it is opened again when it is needed.
                self.open.pop_first();
            }
            let file = files.open(&file_name(number), Access::Read)?;
            self.open.insert(number, file);
        }
        self.open.get(&number).ok_or_else(|| FileError {
            operation: "open",
            name: file_name(number),
            kind: FileErrorKind::Other,
            detail: "it was not kept open".to_owned(),
        })
    }
}

/// The value in a line, which must be the line that the index means.
pub(super) fn value<'l>(
    line: &'l [u8],
    address: Address<'_>,
    location: Location,
) -> Result<&'l str, Refusal> {
    let damaged = |reason: &str| {
        Refusal::new(
            Code::Corrupt,
            format!(
                "{}, byte {}: {reason}; the value is not served, restore the file from a backup",
                file_name(location.segment),
                location.offset
            ),
        )
    };
    if line.len() < location.length as usize {
        return Err(damaged("the file ends within the line"));
    }
    check(line, location.checksum_before).map_err(|reason| damaged(&reason))?;
    let value = stored_in(line, address)
        .map_err(|reason| damaged(&reason))?
        .ok_or_else(|| damaged("the line holds something else"))?;
    match address {
        Address::Content(expected) if !content::verify(expected, value) => {
            Err(damaged("the content does not have its hash"))
        }
        _ => Ok(value),
    }
}

/// What a line stores at an address: the last of it counts where a batch has
/// several.
fn stored_in<'l>(line: &'l [u8], address: Address<'_>) -> Result<Option<&'l str>, String> {
    match (Stored::read(line), address) {
        (Some(Stored::Value(key, value)), Address::Key(expected)) if key == expected => {
            return Ok(Some(value));
        }
        (Some(Stored::Content(digits, content)), Address::Content(expected))
            if digits.as_bytes() == hash_digits(expected) =>
        {
            return Ok(Some(content));
        }
        _ => {}
    }
    let changes = Line::read(line).and_then(Line::changes)?;
    let found = changes
        .as_slice()
        .iter()
        .rev()
        .find_map(|change| match (change, address) {
            (Read::Put(key, value, _), Address::Key(expected)) if key == expected => Some(*value),
            (Read::Content(hash, value), Address::Content(expected)) if hash == expected => {
                Some(*value)
            }
            _ => None,
        });
    Ok(found)
}

fn unreadable(error: &FileError) -> Refusal {
    let code = match error.kind {
        FileErrorKind::NotFound | FileErrorKind::NotAFile => Code::Corrupt,
        _ => Code::Storage,
    };
    Refusal::new(code, format!("the value can't be read: {error}"))
}
