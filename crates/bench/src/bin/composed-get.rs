//! `make composed-get`: what a value of a `get-many` costs an application that
//! `wasi:keyvalue` is plugged into, beside the same `get`s in the engine itself.

use kv_engine::files::native::NativeFiles;
use kv_engine::{Options, Outcome, Store as Engine};
use std::error::Error;
use std::io::Write;
use std::time::{Duration, Instant};
use wac_graph::types::Package;
use wac_graph::{CompositionGraph, EncodeOptions};
use wasmtime::Store;
use wasmtime::component::{Component, Linker, ResourceTable};
use wasmtime_wasi::{FsPerms, WasiCtx, WasiCtxView, WasiView};

/// Rounds are interleaved, and medians are printed.
const ROUNDS: usize = 9;

const CALLS: u32 = 2_000;

/// Keys that are read at once.
const KEYS: usize = 64;

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

fn main() -> Result<(), Box<dyn Error>> {
    let data = tempfile::tempdir()?;
    let engine = wasmtime::Engine::default();
    let component = Component::from_binary(&engine, &composed()?)?;
    let mut linker = Linker::new(&engine);
    wasmtime_wasi::p2::add_to_linker_sync(&mut linker)?;
    let mut wasi = WasiCtx::builder();
    // A host that runs one application needs no other thread for its files. It counts
    // for the directories that are opened after it.
    wasi.allow_blocking_current_thread(true);
    wasi.preopened_dir(data.path(), "data", FsPerms::ReadWrite)?;
    let host = Host {
        wasi: wasi.build(),
        table: ResourceTable::new(),
    };
    let mut store = Store::new(&engine, host);
    let instance = linker.instantiate(&mut store, &component)?;
    let run = instance.get_typed_func::<(&str,), (String,)>(&mut store, "run")?;
    // JSON strings of 200 bytes, as in the other figures.
    let value = format!("\"{}\"", "v".repeat(198)).into_bytes();
    let keys: Vec<_> = (0..KEYS)
        .map(|number| format!("a key of 20 bytes {number:02}"))
        .collect();
    let set =
        format!("{{\"run\":\"set_many\",\"bucket\":\"b\",\"keys\":{keys:?},\"value\":{value:?}}}");
    run.call(&mut store, (&set,))?;
    let gets = format!("{{\"run\":\"gets\",\"bucket\":\"b\",\"keys\":{keys:?},\"times\":{CALLS}}}");

    let own_data = tempfile::tempdir()?;
    let (mut own, _) = Engine::open(NativeFiles::new(own_data.path()), Options::default())?;
    let (mut puts, mut own_gets) = (Vec::new(), Vec::new());
    for key in &keys {
        let value = String::from_utf8_lossy(&value);
        writeln!(
            puts,
            "{{\"type\":\"put\",\"key\":\"b/{key}\",\"value\":{value}}}"
        )?;
        writeln!(own_gets, "{{\"type\":\"get\",\"key\":\"b/{key}\"}}")?;
    }
    handle(&mut own, &puts)?;
    let (mut native, mut plugged) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let begun = Instant::now();
        for _ in 0..CALLS {
            handle(&mut own, &own_gets)?;
        }
        native.push(begun.elapsed());
        let begun = Instant::now();
        let (answer,) = run.call(&mut store, (&gets,))?;
        plugged.push(begun.elapsed());
        if answer != "{\"ok\":null}\n" {
            return Err(answer.into());
        }
    }
    let (native, plugged) = (each(native), each(plugged));
    println!("a get, {KEYS} at once: {native:?} in the engine itself,");
    println!(
        "{plugged:?} through wasi:keyvalue: {:?} beyond",
        plugged.saturating_sub(native)
    );
    Ok(())
}

fn composed() -> Result<Vec<u8>, Box<dyn Error>> {
    let mut graph = CompositionGraph::new();
    let mut register = |name: &str| -> Result<_, Box<dyn Error>> {
        let file = format!("target/component/{name}.wasm");
        let component = std::fs::read(&file).map_err(|e| format!("{file}: {e}"))?;
        let package = Package::from_bytes(name, None, component, graph.types_mut())?;
        Ok(graph.register_package(package)?)
    };
    let (plug, socket) = (register("kv-keyvalue")?, register("keyvalue-probe")?);
    wac_graph::plug(&mut graph, vec![plug], socket)?;
    Ok(graph.encode(EncodeOptions::default())?)
}

/// The median, for one.
fn each(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[ROUNDS / 2] / CALLS / u32::try_from(KEYS).unwrap_or(1)
}

fn handle(engine: &mut Engine<NativeFiles>, events: &[u8]) -> Result<(), Box<dyn Error>> {
    let mut replies = Vec::new();
    match engine.handle(events, 1, &mut replies) {
        Outcome::Serving => Ok(()),
        Outcome::Finished => Err("the engine has ended".into()),
    }
}
