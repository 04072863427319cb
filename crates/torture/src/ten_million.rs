//! A store of very many keys: loaded, restarted, overwritten until it compacts,
//! restarted again, and compared key by key.

use crate::failure::{Failure, ensure};
use crate::ground::{Ground, Settings};
use crate::server::{Ready, Server};
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::path::Path;
use std::time::Instant;

/// Events on their way at once.
const WINDOW: u64 = 1000;
/// Connections at once.
const CONNECTIONS: u64 = 4;

/// Loads, restarts, compacts and compares so many keys, and says how long each
/// took and what it cost.
///
/// # Errors
/// Where a value is missing or wrong.
pub fn run(binary: &Path, folder: &Path, keys: u64) -> Result<(), Failure> {
    let settings = Settings::default()
        .runtime("memory_bytes_max", 4 << 30)
        .store("cache_bytes_max", 16 << 20);
    let ground = Ground::new(binary, folder, &settings)?;
    let (server, ready) = Server::start(&ground)?;
    timed("load", keys, || {
        each(&ready, keys, &|key| put(key, 0), None)
    })?;
    report(&ground, &server, keys)?;
    server.kill()?;
    let (server, ready) = timed("restart after SIGKILL", keys, || Server::start(&ground))?;
    let found = ready.keys as u64;
    ensure(found == keys, || format!("{found} keys of {keys}"))?;
    report(&ground, &server, keys)?;
    // Twice over for every second key: most of what was loaded is dead then.
    for round in 1..=2 {
        let odd = |key| put(2 * key + 1, round);
        timed("overwrite half", keys / 2, || {
            each(&ready, keys / 2, &odd, None)
        })?;
    }
    report(&ground, &server, keys)?;
    let oldest = ground.segments()?.into_iter().next();
    ensure(
        oldest.is_some_and(|oldest| !oldest.ends_with("00000001.jsonl")),
        || "nothing was compacted".to_owned(),
    )?;
    server.kill()?;
    let (server, ready) = timed("restart after SIGKILL", keys, || Server::start(&ground))?;
    let value_of = |key: u64| value(key, if key % 2 == 1 { 2 } else { 0 });
    timed("compare", keys, || {
        each(&ready, keys, &get, Some(&value_of))
    })?;
    report(&ground, &server, keys)?;
    server.kill()?;
    ground.remove()
}

fn timed<T>(
    what: &str,
    count: u64,
    work: impl FnOnce() -> Result<T, Failure>,
) -> Result<T, Failure> {
    let start = Instant::now();
    let result = work()?;
    let seconds = start.elapsed().as_secs_f64();
    println!("{what}: {count} keys in {seconds:.1} s");
    Ok(result)
}

fn value(key: u64, round: u32) -> String {
    format!("{{\"key\":{key},\"round\":{round}}}")
}

fn put(key: u64, round: u32) -> String {
    let value = value(key, round);
    format!("{{\"type\":\"put\",\"key\":\"key/{key:010}\",\"value\":{value}}}\n")
}

fn get(key: u64) -> String {
    format!("{{\"type\":\"get\",\"key\":\"key/{key:010}\"}}\n")
}

type Text<'a> = &'a (dyn Fn(u64) -> String + Sync);

/// Sends an event for each number, over several connections, and checks that
/// each is done, and that it brings the value that it must.
fn each(
    ready: &Ready,
    count: u64,
    event: Text<'_>,
    value: Option<Text<'_>>,
) -> Result<(), Failure> {
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..CONNECTIONS)
            .map(|thread| scope.spawn(move || part(ready, count, thread, event, value)))
            .collect();
        threads.into_iter().try_for_each(|thread| {
            thread
                .join()
                .map_err(|_| Failure::new("a client has panicked"))?
        })
    })
}

fn part(
    ready: &Ready,
    count: u64,
    thread: u64,
    event: Text<'_>,
    value: Option<Text<'_>>,
) -> Result<(), Failure> {
    let mut stream = BufReader::new(TcpStream::connect(ready.lines)?);
    let (mut events, mut reply) = (String::new(), String::new());
    for window in
        (thread * WINDOW..count).step_by(usize::try_from(CONNECTIONS * WINDOW).unwrap_or(1))
    {
        let numbers = window..count.min(window + WINDOW);
        events.clear();
        for number in numbers.clone() {
            events += &event(number);
        }
        stream.get_mut().write_all(events.as_bytes())?;
        for number in numbers {
            reply.clear();
            stream.read_line(&mut reply)?;
            let mut expected = "{\"status\":\"ok\",\"key\":\"key/".to_owned();
            if let Some(value) = value {
                let value = value(number);
                write!(expected, "{number:010}\",\"value\":{value},\"version\":")
                    .unwrap_or_default();
            }
            ensure(reply.starts_with(&expected), || {
                format!("{} was answered {reply}", event(number))
            })?;
        }
    }
    Ok(())
}

fn report(ground: &Ground, server: &Server, keys: u64) -> Result<(), Failure> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(ground.data())? {
        bytes += entry?.metadata()?.len();
    }
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.id()))?;
    let resident = status.lines().find(|line| line.starts_with("VmRSS"));
    println!(
        "  on disk {} MB, {} bytes a key; {}",
        bytes >> 20,
        bytes / keys,
        resident.unwrap_or_default()
    );
    Ok(())
}
