//! Values that are not in the cache: one read of one line, all of it checked.

use crate::content;
use crate::files::{Access, File, FileError, FileErrorKind, Files};
use crate::index::{Address, Location};
use crate::log::line::{Line, Read};
use crate::log::record::check;
use crate::log::segment::file_name;
use kv_protocol::{Code, Refusal};
use std::collections::BTreeMap;

/// The segments that are open for reading.
#[derive(Debug)]
pub(super) struct Reader<F: Files> {
    open: BTreeMap<u32, F::File>,
    open_max: usize,
}

impl<F: Files> Reader<F> {
    /// Keeps so many segments open at most.
    pub(super) fn new(open_max: usize) -> Self {
        Self {
            open: BTreeMap::new(),
            open_max,
        }
    }

    /// Reads and checks the value at a location.
    pub(super) fn read(
        &mut self,
        files: &F,
        address: Address<'_>,
        location: Location,
    ) -> Result<String, Refusal> {
        let mut line = vec![0; location.length as usize];
        let bytes = self
            .file(files, location.segment)
            .and_then(|file| file.read_at(u64::from(location.offset), &mut line))
            .map_err(|e| unreadable(&e))?;
        line.truncate(bytes);
        value(&line, address, location)
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
pub(super) fn value(
    line: &[u8],
    address: Address<'_>,
    location: Location,
) -> Result<String, Refusal> {
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
    let changes = Line::read(line)
        .and_then(Line::changes)
        .map_err(|reason| damaged(&reason))?;
    // The last one counts where a batch has several for one address.
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
    let value = found.ok_or_else(|| damaged("the line holds something else"))?;
    match address {
        Address::Content(expected) if !content::verify(expected, value) => {
            Err(damaged("the content does not have its hash"))
        }
        _ => Ok(value.to_owned()),
    }
}

fn unreadable(error: &FileError) -> Refusal {
    let code = match error.kind {
        FileErrorKind::NotFound | FileErrorKind::NotAFile => Code::Corrupt,
        _ => Code::Storage,
    };
    Refusal::new(code, format!("the value can't be read: {error}"))
}
