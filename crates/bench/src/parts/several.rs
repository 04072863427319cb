//! Batches, lists, watchers and backups beside what they take the place of:
//! figure 9.

use super::{Part, load_figures};
use crate::events::{batch, handle, lines};
use crate::failure::{Failure, failed};
use crate::load::{Load, Run, latencies, record, send_all};
use crate::protocol::Protocol;
use crate::random::Random;
use crate::requests::{Each, Operation, Uniform};
use crate::results::{Bound, Figures, Point, Target};
use crate::servers::StoreSettings;
use crate::session::Session;
use crate::values::{Values, scattered};
use kv_engine::files::native::NativeFiles;
use kv_engine::{Options, Store};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Instant;

pub(super) const METHOD: &str = "Over lines: 100 puts as one `batch` and one after another, with 1 \
    connection; puts with 64 connections, without watchers and with 100 that wait for other keys; \
    how long after a put's own reply a watcher has its change, one put after another. Natively in \
    the engine: a `list` of 1,000 keys and 1,000 gets in one batch; the bytes of a backup's pages.";

/// Puts that are sent at once.
const PUTS: u64 = 100;

/// Keys on a page.
const ROWS: u64 = 1000;

/// Watchers that have nothing to do.
const WATCHERS: usize = 100;

fn point(workload: &'static str, subject: &'static str) -> Point {
    Point::new(Part::Several, workload, subject)
}

const BATCH: [&str; 2] = ["100 puts", "a list of 1,000 keys"];

pub(super) fn targets() -> Vec<Target> {
    let target = |name: &str, figure, ours, beside, bound| Target {
        number: 9,
        name: name.to_owned(),
        figure,
        ours,
        beside,
        bound,
    };
    vec![
        target(
            "100 puts in a batch",
            "per_second",
            point(BATCH[0], "a batch"),
            Some(point(BATCH[0], "one by one")),
            Bound::RatioAtLeast(5.0),
        ),
        target(
            BATCH[1],
            "us_each",
            point(BATCH[1], "list"),
            Some(point(BATCH[1], "1,000 gets")),
            Bound::RatioAtMost(3.0),
        ),
        target(
            "durable put, 64 connections, 100 idle watchers",
            "per_second",
            point("durable put", "100 watchers"),
            Some(point("durable put", "no watcher")),
            Bound::RatioAtLeast(0.95),
        ),
        target(
            "a watcher behind the put's reply: p99",
            "p99_ms",
            point("a watcher behind", "kv-actor"),
            None,
            Bound::AtMost(10.0),
        ),
        target(
            "backup",
            "ms_a_megabyte",
            point("backup", "engine"),
            None,
            Bound::AtMost(5.0),
        ),
    ]
}

pub(super) fn run(session: &mut Session) -> Result<(), Failure> {
    let plan = session.plan;
    over_lines(session)?;
    let data = session.folder("several-engine")?;
    let opened = Store::open(NativeFiles::new(data), Options::default());
    let (mut store, _) = opened.map_err(failed)?;
    let wire = lines(Values::small());
    let mut replies = Vec::new();
    let numbers: Vec<u64> = scattered(plan.keys).collect();
    for numbers in numbers.chunks(1000) {
        let events = batch(&wire, Operation::Put, numbers.iter().copied());
        handle(&mut store, &events, numbers.len(), &mut replies)?;
    }
    let mut random = Random::new(session.seed);
    for run in 0..plan.runs {
        session.measure(point(BATCH[1], "list"), run, || {
            let mut start = Vec::new();
            wire.write(&mut start, Operation::Get, random.below(plan.keys));
            let event = list_from(&start);
            timed(|| handle(&mut store, &event, 1, &mut replies))
        })?;
        session.measure(point(BATCH[1], "1,000 gets"), run, || {
            let rows = usize::try_from(ROWS).unwrap_or_default();
            let events = batch(
                &wire,
                Operation::Get,
                (0..ROWS).map(|_| random.below(plan.keys)),
            );
            timed(|| handle(&mut store, &events, rows, &mut replies))
        })?;
        session.measure(point("backup", "engine"), run, || back_up(&mut store))?;
    }
    Ok(())
}

/// The mean of many, in microseconds.
fn timed(mut act: impl FnMut() -> Result<(), Failure>) -> Result<Figures, Failure> {
    const TIMES: u32 = 50;
    let begun = Instant::now();
    for _ in 0..TIMES {
        act()?;
    }
    let micros = begun.elapsed().as_secs_f64() * 1e6 / f64::from(TIMES);
    Ok(Figures::from([("us_each", micros)]))
}

/// A list of a page of keys, from the key of a get on.
fn list_from(get: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(get);
    let key = text.split('"').nth(7).unwrap_or_default().to_owned();
    format!("{{\"type\":\"list\",\"start\":\"{key}\",\"limit\":{ROWS},\"values\":true}}\n")
        .into_bytes()
}

/// All pages of a backup, as a command writes them to a file.
fn back_up(store: &mut Store<NativeFiles>) -> Result<Figures, Failure> {
    #[derive(Deserialize)]
    struct Page<'a> {
        #[serde(borrow)]
        lines: Vec<&'a RawValue>,
        complete: bool,
        cursor: Option<String>,
    }
    let begun = Instant::now();
    let mut bytes = 0;
    let mut event = b"{\"type\":\"backup\"}\n".to_vec();
    let mut replies = Vec::new();
    loop {
        handle(store, &event, 1, &mut replies)?;
        let page: Page<'_> = serde_json::from_slice(&replies).map_err(failed)?;
        bytes += page
            .lines
            .iter()
            .map(|line| line.get().len() + 1)
            .sum::<usize>();
        if page.complete {
            break;
        }
        let cursor = serde_json::to_string(&page.cursor).map_err(failed)?;
        event = format!("{{\"type\":\"backup\",\"cursor\":{cursor}}}\n").into_bytes();
    }
    #[allow(clippy::cast_precision_loss, reason = "far below 2^53")]
    let megabytes = bytes as f64 / 1e6;
    let milliseconds = begun.elapsed().as_secs_f64() * 1e3;
    Ok(Figures::from([("ms_a_megabyte", milliseconds / megabytes)]))
}

fn over_lines(session: &mut Session) -> Result<(), Failure> {
    let plan = session.plan;
    let server = session.ours(&session.path("several-ours"), StoreSettings::default())?;
    let address = server.address(Protocol::Lines)?;
    let wire = lines(Values::small());
    send_all(address, &wire, &mut Each(scattered(plan.keys)))?;
    let mut random = Random::new(session.seed);
    let load = Load {
        connections: 64,
        depth: 1,
        warm_up: plan.warm_up,
        time: plan.run_time,
    };
    for run in 0..plan.runs {
        let mut client = Client::new(address)?;
        let singles = batch(
            &wire,
            Operation::Put,
            (0..PUTS).map(|_| random.below(plan.keys)),
        );
        session.measure(point(BATCH[0], "one by one"), run, || {
            client.time(
                &singles
                    .split_inclusive(|byte| *byte == b'\n')
                    .collect::<Vec<_>>(),
            )
        })?;
        session.measure(point(BATCH[0], "a batch"), run, || {
            let text = String::from_utf8_lossy(&singles);
            let puts: Vec<&str> = text.lines().collect();
            let event = format!(
                "{{\"type\":\"batch\",\"operations\":[{}]}}\n",
                puts.join(",")
            );
            client.time(&[event.as_bytes()])
        })?;
        let mut puts = Uniform {
            operation: Operation::Put,
            keys: plan.keys,
            random: &mut random,
        };
        session.measure(point("durable put", "no watcher"), run, || {
            Run::of(address, &wire, load, &mut puts).map(|run| load_figures(&run))
        })?;
        let watchers: Result<Vec<_>, _> = (0..WATCHERS)
            .map(|_| Client::watching(address, "nobody has such keys"))
            .collect();
        session.measure(point("durable put", "100 watchers"), run, || {
            Run::of(address, &wire, load, &mut puts).map(|run| load_figures(&run))
        })?;
        drop(watchers?);
        session.measure(point("a watcher behind", "kv-actor"), run, || {
            behind(address, &singles)
        })?;
    }
    Ok(())
}

/// How far a watcher is behind those who put.
fn behind(address: SocketAddr, puts: &[u8]) -> Result<Figures, Failure> {
    const TIMES: usize = 100;
    let mut watcher = Client::watching(address, "")?;
    let mut client = Client::new(address)?;
    let puts: Vec<Vec<u8>> = puts
        .split_inclusive(|byte| *byte == b'\n')
        .map(<[u8]>::to_vec)
        .collect();
    let count = puts.len() * TIMES;
    let told = std::thread::spawn(move || -> Result<Vec<Instant>, Failure> {
        let mut told = Vec::with_capacity(count);
        for _ in 0..count {
            watcher.line()?;
            told.push(Instant::now());
        }
        Ok(told)
    });
    let mut answered = Vec::with_capacity(count);
    for _ in 0..TIMES {
        for put in &puts {
            client.say(put)?;
            answered.push(Instant::now());
        }
    }
    let told = told
        .join()
        .map_err(|_| Failure::new("the watcher has panicked"))??;
    let mut lags = latencies()?;
    for (told, answered) in told.iter().zip(&answered) {
        record(&mut lags, told.saturating_duration_since(*answered));
    }
    Ok(super::latency_figures(&lags))
}

/// A client that waits for each reply.
struct Client {
    stream: TcpStream,
    replies: BufReader<TcpStream>,
    reply: String,
}

impl Client {
    fn new(address: SocketAddr) -> Result<Self, Failure> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        Ok(Self {
            replies: BufReader::new(stream.try_clone()?),
            stream,
            reply: String::new(),
        })
    }

    fn watching(address: SocketAddr, prefix: &str) -> Result<Self, Failure> {
        let mut client = Self::new(address)?;
        client.say(format!("{{\"type\":\"watch\",\"prefix\":\"{prefix}\"}}\n").as_bytes())?;
        Ok(client)
    }

    fn say(&mut self, event: &[u8]) -> Result<(), Failure> {
        self.stream.write_all(event)?;
        self.line()
    }

    fn line(&mut self) -> Result<(), Failure> {
        self.reply.clear();
        self.replies.read_line(&mut self.reply)?;
        if self.reply.starts_with("{\"status\":\"error\"") || self.reply.is_empty() {
            return Err(Failure::new(format!("answered {}", self.reply)));
        }
        Ok(())
    }

    /// Puts a second, where each event or all of them together are [`PUTS`].
    fn time(&mut self, events: &[&[u8]]) -> Result<Figures, Failure> {
        const TIMES: u32 = 20;
        let begun = Instant::now();
        for _ in 0..TIMES {
            for event in events {
                self.say(event)?;
            }
        }
        #[allow(clippy::cast_precision_loss, reason = "far below 2^53")]
        let puts = f64::from(TIMES) * PUTS as f64;
        Ok(Figures::from([(
            "per_second",
            puts / begun.elapsed().as_secs_f64(),
        )]))
    }
}
