//! Who watches changes, and what each has been told. A watcher that begins in
//! the past reads history, page by page, until nothing is left of it; then it is
//! live: it is told what each batch has changed. Both go by versions, so that
//! nothing is told twice and nothing left out.

use crate::clients::Clients;
use crate::metrics::Metrics;
use kv_engine::changes;
use kv_engine::log::line::Line;
use kv_protocol::json::{write_number, write_string};
use kv_protocol::limits::{PAGE_BYTES, PAGE_ROWS_MAX};
use kv_protocol::{Code, Refusal};
use page::Page;
use sink::Subscriber;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::mpsc::Receiver;

pub(crate) use asked::Asked;
pub(crate) use feed::{Arrivals, Feed};
pub(crate) use sink::{Arrival, Row, Told};

mod asked;
mod feed;
mod page;
mod sink;

/// A live watcher that has left more than this untaken is cut off: more than the
/// largest change, so that one of these alone is no reason.
const UNTAKEN_BYTES_MAX: usize = 32 * 1024 * 1024;

/// One that reads history gets no further page while it has left more than this.
const UNTAKEN_BYTES_SMALL: usize = 1024 * 1024;

/// Who watches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Watcher {
    /// A client of the line front.
    Client(usize),
    /// A request for `/watch`, or another actor, by a number of its own.
    Feed(u64),
}

/// What it watches.
#[derive(Debug)]
struct Watch {
    prefix: String,
    /// The version up to which it knows all; nothing for one that begins now.
    since: Option<u64>,
    is_live: bool,
    sink: Sink,
}

/// How it is told.
#[derive(Debug)]
enum Sink {
    /// As lines to a client, with the mark that it has sent.
    Lines {
        client: usize,
        id: Option<String>,
    },
    Feed(Subscriber),
}

/// What a batch has changed, for each live watcher, and the version behind it.
struct Announced {
    rows: Vec<(Watcher, Vec<Row>)>,
    version: u64,
}

#[derive(Debug)]
pub(crate) struct Watchers {
    watches: BTreeMap<Watcher, Watch>,
    live: usize,
    /// Those that are not live, by turns.
    behind: VecDeque<Watcher>,
    arrivals: Receiver<Arrival>,
    feeds: u64,
    metrics: Arc<Metrics>,
}

impl Watchers {
    pub(crate) fn new(arrivals: Receiver<Arrival>, metrics: Arc<Metrics>) -> Self {
        Self {
            watches: BTreeMap::new(),
            live: 0,
            behind: VecDeque::new(),
            arrivals,
            feeds: 0,
            metrics,
        }
    }

    /// Takes in those who have come to a feed, and drops those who have gone.
    pub(crate) fn arrive(&mut self) {
        while let Ok(arrival) = self.arrivals.try_recv() {
            match arrival {
                Arrival::Watch {
                    prefix,
                    since,
                    subscriber,
                } => {
                    self.feeds += 1;
                    let watch = Watch {
                        prefix,
                        since,
                        is_live: false,
                        sink: Sink::Feed(subscriber),
                    };
                    self.insert(Watcher::Feed(self.feeds), watch);
                }
                Arrival::Gone => {
                    let watches = self.watches.iter();
                    let gone = watches.filter(|(_, watch)| watch.sink.is_gone());
                    let gone: Vec<_> = gone.map(|(watcher, _)| *watcher).collect();
                    for watcher in gone {
                        self.remove(watcher);
                    }
                }
            }
        }
    }

    /// A client of the line front watches from a version on; `is_live` says that
    /// there is no history behind it.
    pub(crate) fn begin(
        &mut self,
        client: usize,
        id: Option<&str>,
        prefix: String,
        version: u64,
        is_live: bool,
    ) {
        let watch = Watch {
            prefix,
            since: Some(version),
            is_live,
            sink: Sink::Lines {
                client,
                id: id.map(str::to_owned),
            },
        };
        self.insert(Watcher::Client(client), watch);
    }

    pub(crate) fn is_watching(&self, client: usize) -> bool {
        self.watches.contains_key(&Watcher::Client(client))
    }

    fn insert(&mut self, watcher: Watcher, watch: Watch) {
        if watch.is_live {
            self.live += 1;
        } else {
            self.behind.push_back(watcher);
        }
        self.watches.insert(watcher, watch);
        self.count();
    }

    /// Ends a watch without a word.
    pub(crate) fn remove(&mut self, watcher: Watcher) {
        match self.watches.remove(&watcher) {
            Some(watch) if watch.is_live => self.live -= 1,
            _ => self.behind.retain(|behind| *behind != watcher),
        }
        self.count();
    }

    fn count(&self) {
        let watchers = i64::try_from(self.watches.len()).unwrap_or(i64::MAX);
        self.metrics.watchers.set(watchers);
    }

    /// Ends a watch and says why.
    pub(crate) fn refuse(&mut self, watcher: Watcher, refusal: Refusal, clients: &mut Clients) {
        if let Some(watch) = self.watches.get(&watcher) {
            watch.sink.refuse(refusal, clients);
        }
        self.remove(watcher);
    }

    /// Whether somebody reads history and has taken what there was.
    pub(crate) fn is_due(&self, clients: &Clients) -> bool {
        self.behind
            .iter()
            .any(|watcher| self.has_taken(*watcher, clients))
    }

    fn has_taken(&self, watcher: Watcher, clients: &Clients) -> bool {
        let watch = self.watches.get(&watcher);
        watch.is_some_and(|watch| watch.sink.untaken_bytes(clients) <= UNTAKEN_BYTES_SMALL)
    }

    /// The next one that reads history, and the event that asks for it.
    pub(crate) fn next_behind(&mut self, clients: &Clients) -> Option<(Watcher, Vec<u8>)> {
        let mut behind = self.behind.iter();
        let place = behind.position(|watcher| self.has_taken(*watcher, clients))?;
        let watcher = self.behind.remove(place)?;
        self.behind.push_back(watcher);
        let watch = self.watches.get(&watcher)?;
        let mut event = Vec::new();
        match watch.since {
            None => event.extend_from_slice(b"{\"type\":\"stats\"}\n"),
            Some(since) => {
                event.extend_from_slice(b"{\"type\":\"changes\",\"since\":");
                write_number(&mut event, since);
                event.extend_from_slice(b",\"limit\":");
                write_number(&mut event, PAGE_ROWS_MAX);
                event.extend_from_slice(b",\"prefix\":");
                write_string(&mut event, &watch.prefix);
                event.extend_from_slice(b"}\n");
            }
        }
        Some((watcher, event))
    }

    /// Tells a watcher what it has asked for. Returns whether the page was full:
    /// another one like it would cost no more.
    pub(crate) fn tell(&mut self, watcher: Watcher, reply: &[u8], clients: &mut Clients) -> bool {
        let Some(watch) = self.watches.get_mut(&watcher) else {
            return false;
        };
        let page = match Page::read(reply) {
            Ok(page) => page,
            Err(refusal) => {
                self.refuse(watcher, refusal, clients);
                return false;
            }
        };
        if let Sink::Feed(subscriber) = &mut watch.sink {
            subscriber.begin(watch.since.unwrap_or(page.version));
        }
        let is_full = page.rows.len() as u64 >= PAGE_ROWS_MAX || reply.len() >= PAGE_BYTES;
        if !watch.sink.tell(page.rows, clients) {
            self.cut_off(watcher, clients);
            return false;
        }
        watch.since = Some(page.version);
        if page.is_complete {
            watch.is_live = true;
            self.live += 1;
            self.behind.retain(|behind| *behind != watcher);
        }
        is_full
    }

    /// What was changed is not known for certain: the log knows.
    pub(crate) fn fall_behind(&mut self) {
        for (watcher, watch) in &mut self.watches {
            if std::mem::take(&mut watch.is_live) {
                self.behind.push_back(*watcher);
            }
        }
        self.live = 0;
    }

    /// Tells every live watcher what a batch has changed, which is durable.
    pub(crate) fn announce(&mut self, lines: &[u8], time_ms: u64, clients: &mut Clients) {
        if self.live == 0 || lines.is_empty() {
            return;
        }
        let Ok(Announced { rows, version }) = self.rows(lines, time_ms) else {
            tracing::warn!("what a batch has changed can't be read; watchers read it as history");
            self.fall_behind();
            return;
        };
        let mut slow = Vec::new();
        for (watcher, rows) in rows {
            if let Some(watch) = self.watches.get_mut(&watcher)
                && (watch.sink.untaken_bytes(clients) > UNTAKEN_BYTES_MAX
                    || !watch.sink.tell(rows, clients))
            {
                slow.push(watcher);
            }
        }
        for watcher in slow {
            self.cut_off(watcher, clients);
        }
        for watch in self.watches.values_mut().filter(|watch| watch.is_live) {
            watch.since = watch.since.max(Some(version));
        }
    }

    /// The rows for each live watcher, and the version behind them.
    fn rows(&self, lines: &[u8], time_ms: u64) -> Result<Announced, String> {
        let live = self.watches.iter().filter(|(_, watch)| watch.is_live);
        let mut told: Vec<_> = live
            .map(|(watcher, watch)| (*watcher, watch, Vec::new()))
            .collect();
        let mut last = 0;
        for line in lines.split(|byte| *byte == b'\n') {
            if line.is_empty() {
                continue;
            }
            let read = Line::read(line)?;
            let version = read.v;
            last = version;
            for change in read.changes()?.as_slice() {
                let key = changes::key(change);
                let mut written = None;
                for (_, watch, rows) in &mut told {
                    if key.starts_with(&watch.prefix) && watch.since < Some(version) {
                        let text = written.get_or_insert_with(|| {
                            let mut text = Vec::new();
                            changes::write_row(&mut text, version, time_ms, change);
                            text.into()
                        });
                        Row::push(rows, Clone::clone(text), version);
                    }
                }
            }
        }
        let told = told.into_iter().filter(|(.., rows)| !rows.is_empty());
        Ok(Announced {
            rows: told.map(|(watcher, _, rows)| (watcher, rows)).collect(),
            version: last,
        })
    }

    /// Ends the watch of one that doesn't take what it is told.
    fn cut_off(&mut self, watcher: Watcher, clients: &mut Clients) {
        let Some(since) = self.watches.get(&watcher).and_then(|watch| watch.since) else {
            return self.remove(watcher);
        };
        let mut refusal = Refusal::new(
            Code::Unavailable,
            format!(
                "the watch is cut off: too much was not taken; watch again with `since` {since}"
            ),
        );
        refusal.details.version = Some(since);
        self.refuse(watcher, refusal, clients);
    }
}
