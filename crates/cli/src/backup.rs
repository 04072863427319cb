//! `kv-actor backup`: the pages of a backup, in a file.

use crate::arguments::Place as Arguments;
use crate::event::Event;
use crate::failure::Failure;
use crate::output::{bar, print_report};
use crate::place::Place;
use kv_protocol::Code;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::fs::{self, File, OpenOptions};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

/// What is told of a backup.
#[derive(Serialize)]
struct Report {
    version: u64,
    since: u64,
    lines: u64,
    bytes: u64,
}

#[derive(Deserialize)]
struct Page<'a> {
    #[serde(borrow)]
    lines: Vec<&'a RawValue>,
    complete: bool,
    version: u64,
    cursor: Option<String>,
}

#[derive(Deserialize)]
struct Statistics {
    live_bytes: u64,
}

/// Writes a backup. The file is there once it is whole and durable.
pub(crate) fn run(place: &Arguments, path: &Path, since: u64) -> Result<(), Failure> {
    let failed = |e: std::io::Error| {
        let message = format!("{} can't be written: {e}", path.display());
        Failure::coded(Code::Storage, message)
    };
    if path.exists() {
        let message = format!("{} is there already; it is left as it is", path.display());
        return Err(Failure::coded(Code::Storage, message));
    }
    let mut place = Place::open(place)?;
    let partial = partial(path);
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .open(&partial)
        .map_err(failed)?;
    let written = write(&mut place, file, since, failed);
    let report = written.inspect_err(|_| {
        // What is not whole is of no use to anybody.
        fs::remove_file(&partial).ok();
    })?;
    fs::rename(&partial, path).map_err(failed)?;
    sync_parent(path).map_err(failed)?;
    print_report(&report)
}

fn write(
    place: &mut Place,
    file: File,
    since: u64,
    failed: impl Fn(std::io::Error) -> Failure,
) -> Result<Report, Failure> {
    let bar = bar();
    let statistics = place.ask(Event::new("stats"))?;
    if let Ok(statistics) = serde_json::from_str::<Statistics>(&statistics) {
        bar.set_length(statistics.live_bytes);
    }
    let mut output = BufWriter::with_capacity(1 << 20, file);
    let mut report = Report {
        version: 0,
        since,
        lines: 0,
        bytes: 0,
    };
    let mut cursor: Option<String> = None;
    loop {
        let mut event = Event::new("backup").raw("since", &since.to_string());
        if let Some(cursor) = &cursor {
            event = event.string("cursor", cursor);
        }
        let reply = place.ask(event)?;
        let page: Page<'_> = serde_json::from_str(&reply)
            .map_err(|e| Failure::new(format!("the store's reply can't be read: {e}")))?;
        for line in &page.lines {
            output.write_all(line.get().as_bytes()).map_err(&failed)?;
            output.write_all(b"\n").map_err(&failed)?;
            report.bytes += line.get().len() as u64 + 1;
        }
        report.lines += page.lines.len() as u64;
        report.version = page.version;
        bar.set_position(report.bytes);
        cursor = page.cursor;
        if page.complete {
            break;
        }
    }
    bar.finish_and_clear();
    let file = output.into_inner().map_err(|e| failed(e.into_error()))?;
    file.sync_all().map_err(failed)?;
    Ok(report)
}

fn partial(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".partial");
    name.into()
}

/// Makes the names in a path's directory durable.
pub(crate) fn sync_parent(path: &Path) -> std::io::Result<()> {
    let parent = path.parent().filter(|parent| *parent != Path::new(""));
    File::open(parent.unwrap_or(Path::new(".")))?.sync_all()
}
