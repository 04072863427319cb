//! One log, read by two builds of the engine: the component inside the binary,
//! and the native one in this process. What they hold must hash alike, whichever
//! of them wrote it.

use crate::connection::{Connection, Front};
use crate::event::{Event, Reply, hexadecimal};
use crate::failure::{Failure, ensure};
use crate::ground::{Ground, Settings};
use crate::server::Server;
use crate::workload::{Client, Crowd};
use kv_engine::files::native::NativeFiles;
use kv_engine::{Options, Outcome, Store};
use sha1_checked::{Digest, Sha1};
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

const CLIENTS: usize = 16;

/// Has the component and the native engine write in turns, and compares what
/// each of them reads.
///
/// # Errors
/// Where the hashes differ.
pub fn run(binary: &Path, folder: &Path, turns: u32, seed: u64) -> Result<(), Failure> {
    let settings = Settings::segments(64 << 10).store("checkpoint_interval_bytes", 128 << 10);
    let ground = Ground::new(binary, folder, &settings)?;
    let mut clients = Client::many(CLIENTS, seed);
    for turn in 0..turns {
        let (server, ready) = Server::start(&ground)?;
        let crowd = Crowd::start(clients, &ready);
        sleep(Duration::from_millis(200));
        clients = crowd.end()?;
        server.kill()?;
        let mut questions: Vec<Event> = clients
            .iter()
            .flat_map(|client| client.ledger.questions())
            .collect();
        questions.extend((0..turn).map(own_key));
        let native = read_natively(&ground, &questions, turn)?;
        questions.push(own_key(turn));
        let component = read_by_component(&ground, &questions)?;
        ensure(native == component, || {
            format!("the native engine reads {native}, the component {component}")
        })?;
    }
    ground.remove()
}

/// The key that the native engine writes in a turn.
fn own_key(turn: u32) -> Event {
    Event::Get {
        key: format!("native {turn}"),
    }
}

fn read_natively(ground: &Ground, questions: &[Event], turn: u32) -> Result<String, Failure> {
    let options = Options {
        segment_bytes_max: 64 << 10,
        checkpoint_interval_bytes: 128 << 10,
        ..Options::default()
    };
    let (mut store, _) = Store::open(NativeFiles::new(ground.data()), options)
        .map_err(|e| Failure::new(format!("the native engine does not open it: {e}")))?;
    let put = Event::Put {
        key: format!("native {turn}"),
        value: turn.to_string(),
        if_version: None,
    };
    let own = own_key(turn);
    let mut answers = Vec::new();
    for event in [&put].into_iter().chain(questions).chain([&own]) {
        let mut replies = Vec::new();
        let outcome = store.handle(event.line().as_bytes(), 0, &mut replies);
        ensure(outcome == Outcome::Serving, || {
            "the store has ended".to_owned()
        })?;
        let reply = event.read_reply(&String::from_utf8_lossy(&replies))?;
        if *event != put {
            answers.push(reply);
        }
    }
    Ok(state_hash(&answers))
}

fn read_by_component(ground: &Ground, questions: &[Event]) -> Result<String, Failure> {
    let (server, ready) = Server::start(ground)?;
    let answers = Connection::open(Front::Tcp, &ready)?.ask_all(questions)?;
    server.kill()?;
    Ok(state_hash(&answers))
}

/// The hash of all values and versions, in the order of the questions.
fn state_hash(answers: &[Reply]) -> String {
    let mut hasher = Sha1::new();
    for answer in answers {
        hasher.update(format!("{answer:?}\n"));
    }
    hexadecimal(&hasher.finalize())
}
