//! Runs the store inside a program of one's own, on wasmtime alone:
//!
//!     embed kv-store.wasm DIRECTORY < events.ndjson

use std::io::{BufRead, Write};
use std::time::{SystemTime, UNIX_EPOCH};
use wasmtime::component::{Component, Linker, ResourceTable};
use wasmtime::{Engine, Result, Store, error::Context, format_err};
use wasmtime_wasi::{FsPerms, WasiCtx, WasiCtxView, WasiView};

mod bindings {
    #![allow(missing_docs, clippy::pedantic, reason = "generated")]
    wasmtime::component::bindgen!({ path: "../../wit", world: "bare" });
}

/// What the store may use: WASI, with one directory.
struct Host {
    wasi: WasiCtx,
    table: ResourceTable,
}

impl WasiView for Host {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView {
            ctx: &mut self.wasi,
            table: &mut self.table,
        }
    }
}

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let (Some(component), Some(directory)) = (arguments.next(), arguments.next()) else {
        return Err(format_err!("usage: embed COMPONENT DIRECTORY < EVENTS"));
    };
    std::fs::create_dir_all(&directory).context("the directory can't be made")?;

    let engine = Engine::default();
    let component = Component::from_file(&engine, component)?;
    let mut linker = Linker::new(&engine);
    wasmtime_wasi::p2::add_to_linker_sync(&mut linker)?;
    let mut wasi = WasiCtx::builder();
    // One thread for all: a call of a file's wakes no other. To be said first.
    wasi.allow_blocking_current_thread(true);
    wasi.preopened_dir(&directory, "data", FsPerms::ReadWrite)?;
    let host = Host {
        wasi: wasi.build(),
        table: ResourceTable::new(),
    };
    let mut store = Store::new(&engine, host);
    let bare = bindings::Bare::instantiate(&mut store, &component, &linker)?;
    let actor = bare.ntwk_actor_actor();

    let opened = actor.call_init(&mut store, "{}")?;
    let report = opened.map_err(|failure| format_err!("{}: {}", failure.code, failure.message))?;
    eprintln!("{report}");

    let mut events = Vec::new();
    for line in std::io::stdin().lock().split(b'\n') {
        let line = line?;
        // A blank line is no event, and gets no reply.
        if !line.trim_ascii().is_empty() {
            events.extend(line);
            events.push(b'\n');
        }
    }
    // One batch, one sync. A batch may be answered in part: hand in the rest.
    while !events.is_empty() {
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?;
        let handled = actor.call_handle(&mut store, &events, now.as_millis().try_into()?)?;
        std::io::stdout().write_all(&handled.replies)?;
        if handled.finished {
            return Err(format_err!("the store has ended; open it again"));
        }
        let answered = handled.replies.iter().filter(|byte| **byte == b'\n');
        let rest = events.split_inclusive(|byte| *byte == b'\n');
        events = rest.skip(answered.count()).collect::<Vec<_>>().concat();
    }
    actor.call_stop(&mut store)
}
