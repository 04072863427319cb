//! The commands that follow an event's pages to their end.

use crate::arguments::{Changes, List, Place as Arguments};
use crate::event::Event;
use crate::failure::Failure;
use crate::output::{Output, print};
use crate::place::Place;
use kv_protocol::limits::PAGE_ROWS_MAX;
use serde::Deserialize;
use serde_json::value::RawValue;

/// A page of any kind.
#[derive(Deserialize)]
struct Page<'a> {
    #[serde(borrow, default, alias = "keys", alias = "changes")]
    rows: Vec<&'a RawValue>,
    complete: bool,
    cursor: Option<String>,
    version: Option<u64>,
    #[serde(default)]
    deleted: u64,
}

impl<'a> Page<'a> {
    fn read(reply: &'a str) -> Result<Self, Failure> {
        serde_json::from_str(reply)
            .map_err(|e| Failure::new(format!("the store's reply can't be read: {e}")))
    }
}

/// Prints keys in order.
pub(crate) fn list(arguments: &List) -> Result<(), Failure> {
    let mut place = Place::open(&arguments.place)?;
    let mut left = arguments.limit.unwrap_or(u64::MAX);
    let mut cursor: Option<String> = None;
    let mut output = Output::new();
    while left > 0 {
        let mut event = Event::new("list").string("prefix", &arguments.prefix);
        for (name, key) in [
            ("start", &arguments.start),
            ("end", &arguments.end),
            ("cursor", &cursor),
        ] {
            if let Some(key) = key {
                event = event.string(name, key);
            }
        }
        for (name, is_set) in [("reverse", arguments.reverse), ("values", arguments.values)] {
            event = event.raw(name, &is_set.to_string());
        }
        let reply = place.ask(event.raw("limit", &left.min(PAGE_ROWS_MAX).to_string()))?;
        let page = Page::read(&reply)?;
        for row in &page.rows {
            output.line(row.get())?;
        }
        left -= page.rows.len() as u64;
        cursor = page.cursor;
        if page.complete {
            break;
        }
    }
    output.finish()
}

/// Prints changes in order.
pub(crate) fn changes(arguments: &Changes) -> Result<(), Failure> {
    let mut place = Place::open(&arguments.place)?;
    let mut since = arguments.since;
    let mut output = Output::new();
    loop {
        let event = Event::new("changes")
            .string("prefix", &arguments.prefix)
            .raw("since", &since.to_string())
            .raw("limit", &PAGE_ROWS_MAX.to_string());
        let reply = place.ask(event)?;
        let page = Page::read(&reply)?;
        for row in &page.rows {
            output.line(row.get())?;
        }
        since = page.version.unwrap_or(since);
        if page.complete {
            return output.finish();
        }
    }
}

/// Removes all keys with a prefix.
pub(crate) fn delete_prefix(place: &Arguments, prefix: &str) -> Result<(), Failure> {
    let mut place = Place::open(place)?;
    let mut deleted = 0;
    loop {
        let reply = place.ask(Event::new("delete_prefix").string("prefix", prefix))?;
        let page = Page::read(&reply)?;
        deleted += page.deleted;
        if page.complete {
            place.stop();
            return print(&format!("{{\"deleted\":{deleted}}}"));
        }
    }
}
