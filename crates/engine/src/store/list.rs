//! Keys in order, page by page; and the deletion of those with a prefix.

use super::{Store, Turn};
use crate::files::Files;
use crate::index::{Address, Entry, Index};
use crate::log::record::Change;
use kv_protocol::event::List;
use kv_protocol::limits::PAGE_BYTES;
use kv_protocol::reply::{self, Rows};
use kv_protocol::{Code, Refusal};
use std::borrow::Cow;
use std::ops::Bound;

/// A page looks at this many keys at most whose time is up and whose end is not
/// written yet: a page costs no more, whatever is there.
const PASSED_OVER_MAX: usize = 1000;

impl<F: Files> Store<F> {
    /// Tells a page of keys.
    pub(super) fn list(
        &mut self,
        query: &List<'_>,
        turn: Turn<'_>,
        id: Option<&str>,
        replies: &mut Vec<u8>,
    ) -> Result<(), Refusal> {
        let last = match &query.cursor {
            Some(cursor) => Some(last_key(query, cursor)?),
            None => None,
        };
        let limit = usize::try_from(query.limit).unwrap_or(usize::MAX);
        let (found, mut resume) = page(&self.index, query, last, limit, turn.time_ms);
        let mut rows = Rows::begin(replies, id, "keys");
        for (key, entry) in found {
            let mut write = |value: Option<&str>| {
                rows.row(|output| {
                    reply::object(output, "key", &key, |members| {
                        if let Some(value) = value {
                            members.raw("value", value);
                        }
                        members.number("version", entry.location.version);
                    });
                });
            };
            if query.values {
                let told = self.read(Address::Key(&key), entry, |value| write(Some(value)));
                if let Err(refusal) = told {
                    rows.abandon();
                    return Err(refusal);
                }
            } else {
                write(None);
            }
            if rows.bytes() >= PAGE_BYTES {
                resume = Some(key);
                break;
            }
        }
        rows.end(|members| {
            members.boolean("complete", resume.is_none());
            if let Some(key) = &resume {
                members.string("cursor", &cursor(query, key));
            }
        });
        Ok(())
    }

    /// Deletes the first keys that begin with `prefix`, all of them or none.
    pub(super) fn delete_prefix(
        &mut self,
        prefix: &str,
        limit: u64,
        turn: Turn<'_>,
        id: Option<&str>,
        replies: &mut Vec<u8>,
    ) -> Result<(), Refusal> {
        let query = List {
            prefix: Cow::Borrowed(prefix),
            start: None,
            end: None,
            reverse: false,
            limit,
            values: false,
            cursor: None,
        };
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let (found, resume) = page(&self.index, &query, None, limit, turn.time_ms);
        let delete = |(key, _): &(String, Entry)| Change::Delete {
            key: Cow::Owned(key.clone()),
        };
        let changes: Vec<_> = found.iter().map(delete).collect();
        let version = match changes.as_slice() {
            [] => None,
            changes => Some(self.collect(changes, turn)?),
        };
        reply::members(replies, id, |members| {
            members.number("deleted", changes.len() as u64);
            members.boolean("complete", resume.is_none());
            if let Some(version) = version {
                members.number("version", version);
            }
        });
        Ok(())
    }
}

/// The keys of a page behind `last`, and the last key that was looked at where
/// there are more.
fn page(
    index: &Index,
    query: &List<'_>,
    last: Option<&str>,
    limit: usize,
    time_ms: u64,
) -> (Vec<(String, Entry)>, Option<String>) {
    let behind_prefix = successor(&query.prefix);
    let mut low = Bound::Included(&*query.prefix);
    if let Some(start) = query
        .start
        .as_deref()
        .filter(|start| **start > *query.prefix)
    {
        low = Bound::Included(start);
    }
    let ends = [query.end.as_deref(), behind_prefix.as_deref()];
    let end = ends.into_iter().flatten().min();
    let mut high = end.map_or(Bound::Unbounded, Bound::Excluded);
    if let Some(last) = last {
        *(if query.reverse { &mut high } else { &mut low }) = Bound::Excluded(last);
    }
    let (Bound::Included(from) | Bound::Excluded(from)) = low else {
        return (Vec::new(), None);
    };
    if let Bound::Excluded(to) = high
        && from >= to
    {
        return (Vec::new(), None);
    }
    let keys = index.keys_in((low, high));
    let keys: Box<dyn Iterator<Item = _>> = if query.reverse {
        Box::new(keys.rev())
    } else {
        Box::new(keys)
    };
    let mut found = Vec::new();
    let mut passed_over = 0;
    let mut seen: Option<Cow<'_, str>> = None;
    for (key, entry) in keys {
        if found.len() == limit || passed_over == PASSED_OVER_MAX {
            return (found, seen.map(Cow::into_owned));
        }
        if index
            .expires_ms(&key)
            .is_some_and(|end_ms| end_ms <= time_ms)
        {
            passed_over += 1;
        } else {
            found.push((key.clone().into_owned(), entry));
        }
        seen = Some(key);
    }
    (found, None)
}

/// The first string behind all that begin with `prefix`; nothing where there is
/// none.
fn successor(prefix: &str) -> Option<String> {
    let mut characters: Vec<char> = prefix.chars().collect();
    while let Some(last) = characters.pop() {
        let next = (u32::from(last) + 1..=u32::from(char::MAX)).find_map(char::from_u32);
        if let Some(next) = next {
            characters.push(next);
            return Some(characters.into_iter().collect());
        }
    }
    None
}

/// Where a listing goes on: the last key, under a checksum of it and the query.
fn cursor(query: &List<'_>, last: &str) -> String {
    format!("{:08x}{last}", query_checksum(query, last))
}

/// The key in a cursor.
fn last_key<'c>(query: &List<'_>, cursor: &'c str) -> Result<&'c str, Refusal> {
    let (digits, last) = cursor.split_at_checked(8).unwrap_or_default();
    let checksum = u32::from_str_radix(digits, 16);
    if checksum != Ok(query_checksum(query, last)) {
        return Err(Refusal::new(
            Code::InvalidEvent,
            "`cursor` is none of this listing: send the one of the page before, with the same `prefix`, `start`, `end` and `reverse`",
        ));
    }
    Ok(last)
}

fn query_checksum(query: &List<'_>, last: &str) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    let ends = [
        Some(&*query.prefix),
        query.start.as_deref(),
        query.end.as_deref(),
        Some(last),
    ];
    for text in ends {
        // No two queries run together: each part has its length before it.
        hasher.update(&text.map_or(0, |text| text.len() as u64 + 1).to_le_bytes());
        hasher.update(text.unwrap_or_default().as_bytes());
    }
    hasher.update(&[u8::from(query.reverse)]);
    hasher.finalize()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_successor_is_the_first_behind() {
        for (prefix, next) in [
            ("", None),
            ("a", Some("b")),
            ("a/", Some("a0")),
            ("\u{d7ff}", Some("\u{e000}")),
            ("a\u{10ffff}", Some("b")),
            ("\u{10ffff}", None),
        ] {
            assert_eq!(successor(prefix).as_deref(), next, "{prefix}");
        }
    }
}
