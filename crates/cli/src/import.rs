//! `kv-actor import`: loads a file of events, one a line, or one JSON object
//! whose members become keys. The file is read as a stream, however large. Or a
//! directory that `export` has written.

use crate::arguments::Import as Arguments;
use crate::event::Reply;
use crate::export;
use crate::failure::Failure;
use crate::place::Place;
use kv_protocol::limits::{BATCH_BYTES_MAX, BATCH_EVENTS_MAX};
use progress::Progress;
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;

mod members;
mod progress;

/// How many refused events are shown.
const SHOWN_MAX: u64 = 10;

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let place = Place::open(&arguments.place)?;
    if arguments.file.is_dir() {
        let mut import = Import::new(place, None);
        for path in export::files(&arguments.file)? {
            import.add(&export::event(&path)?)?;
        }
        return import.finish();
    }
    let (mut input, bytes) = open(&arguments.file)?;
    let mut import = Import::new(place, bytes);
    let first = first_line(&mut input)?;
    if is_event(&first) {
        import.lines(&first, input)?;
    } else {
        members::read(&first, input, |event| import.add(event))?;
    }
    import.finish()
}

fn open(path: &Path) -> Result<(Box<dyn BufRead>, Option<u64>), Failure> {
    if path == Path::new("-") {
        return Ok((Box::new(std::io::stdin().lock()), None));
    }
    let failed = |e: std::io::Error| Failure::new(format!("{} can't be read: {e}", path.display()));
    let file = File::open(path).map_err(failed)?;
    let bytes = file.metadata().map_err(failed)?.len();
    Ok((
        Box::new(BufReader::with_capacity(1 << 20, file)),
        Some(bytes),
    ))
}

/// The first line that is not blank, its line feed included.
fn first_line(input: &mut impl BufRead) -> Result<Vec<u8>, Failure> {
    let mut line = Vec::new();
    while line.trim_ascii().is_empty() {
        line.clear();
        if read_line(input, &mut line)? == 0 {
            break;
        }
    }
    Ok(line)
}

fn read_line(input: &mut impl BufRead, line: &mut Vec<u8>) -> Result<usize, Failure> {
    input
        .read_until(b'\n', line)
        .map_err(|e| Failure::new(format!("the input can't be read: {e}")))
}

/// Whether a line is an event: an object of its own with a `type`. The first
/// line of an object of key and value is none, but for one that is on a single
/// line and has a key `type`.
fn is_event(line: &[u8]) -> bool {
    #[derive(serde::Deserialize)]
    struct Typed {
        r#type: String,
    }
    serde_json::from_slice::<Typed>(line).is_ok_and(|typed| !typed.r#type.is_empty())
}

struct Import {
    place: Place,
    events: Vec<u8>,
    waiting: usize,
    /// How many events were sent, refused ones included.
    sent: u64,
    /// The first refusal: its exit code is the command's.
    refused: Option<Failure>,
    refused_count: u64,
    progress: Progress,
}

impl Import {
    fn new(place: Place, bytes: Option<u64>) -> Self {
        Self {
            place,
            events: Vec::new(),
            waiting: 0,
            sent: 0,
            refused: None,
            refused_count: 0,
            progress: Progress::start(bytes),
        }
    }

    fn lines(&mut self, first: &[u8], mut input: impl BufRead) -> Result<(), Failure> {
        self.add(first)?;
        let mut line = Vec::new();
        while read_line(&mut input, &mut line)? > 0 {
            self.add(&line)?;
            line.clear();
        }
        Ok(())
    }

    /// Adds an event to the next batch; blank lines are left out.
    fn add(&mut self, event: &[u8]) -> Result<(), Failure> {
        self.progress.read(event.len());
        let event = event.trim_ascii();
        if event.is_empty() {
            return Ok(());
        }
        self.events.extend_from_slice(event);
        self.events.push(b'\n');
        self.waiting += 1;
        if self.waiting >= BATCH_EVENTS_MAX || self.events.len() >= BATCH_BYTES_MAX {
            self.send()?;
        }
        Ok(())
    }

    fn send(&mut self) -> Result<(), Failure> {
        while self.waiting > 0 {
            let replies = self.place.send(&self.events)?;
            let replies = String::from_utf8(replies)
                .map_err(|_| Failure::new("the store's replies are not UTF-8"))?;
            let mut answered = 0;
            for reply in replies.lines() {
                answered += 1;
                self.sent += 1;
                if let Err(failure) = Reply::read(reply) {
                    self.refuse(failure);
                }
            }
            if answered == 0 {
                return Err(Failure::new("the store has not answered"));
            }
            // Events that were not answered, for the size of the replies, are
            // sent again.
            let end = self
                .events
                .split_inclusive(|byte| *byte == b'\n')
                .take(answered);
            let end: usize = end.map(<[u8]>::len).sum();
            self.events.drain(..end);
            self.waiting -= answered.min(self.waiting);
            self.progress.sent(self.sent);
        }
        Ok(())
    }

    fn refuse(&mut self, failure: Failure) {
        self.refused_count += 1;
        if self.refused_count <= SHOWN_MAX {
            self.progress
                .say(&format!("event {}: {failure}", self.sent));
        }
        self.refused.get_or_insert(failure);
    }

    fn finish(mut self) -> Result<(), Failure> {
        self.send()?;
        self.place.stop();
        let seconds = self.progress.finish(self.sent);
        let summary = format!(
            "{{\"events\":{},\"refused\":{},\"seconds\":{seconds:.3}}}",
            self.sent, self.refused_count
        );
        writeln!(std::io::stdout(), "{summary}")
            .map_err(|e| Failure::new(format!("standard output can't be written: {e}")))?;
        match self.refused {
            None => Ok(()),
            Some(first) => Err(first.of_many(self.refused_count)),
        }
    }
}
