//! One instance of a guest: a component, its memory, its limits, and of the
//! outside world its data directory, and the actors that it may talk to.

use crate::kept::Kept;
use crate::manifest::GuestLimits;
use crate::messages::Messages;
use crate::syncs::Syncs;
use bindings::Bare;
use bindings::exports::ntwk::actor::actor::Handled;
use files::GuestSyncs;
pub(crate) use files::Sync;
use limits::{HANDED_OVER_BYTES_MAX, Limits, RESOURCES_MAX};
use messages::GuestMessages;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use ticker::Ticker;
use tokio::runtime::{Builder, Runtime};
use wasmtime::component::{Component, HasData, InstancePre, Linker, ResourceTable};
use wasmtime::{Config, Engine, Store, bail};
use wasmtime_wasi::filesystem::WasiFilesystem;
use wasmtime_wasi::p2::bindings::sync::{filesystem, io};
use wasmtime_wasi::{FsPerms, WasiCtx};

mod error;
mod files;
#[cfg(target_os = "linux")]
mod freed;
mod limits;
mod messages;
mod ticker;
mod unsynced;

mod bindings {
    //! What wasmtime makes of wit/actor.wit.
    #![allow(missing_docs, clippy::pedantic, reason = "generated")]
    wasmtime::component::bindgen!({
        path: "../../wit",
        world: "bare",
    });
}

pub(crate) use bindings::exports::ntwk::actor::actor as interface;
pub(crate) use error::{CallError, InitError, ProgramError};

/// A compiled component, ready to be started as often as needed.
pub(crate) struct Program {
    pre: InstancePre<State>,
    limits: GuestLimits,
    messages: Messages,
    ticker: Ticker,
}

/// A running guest.
pub(crate) struct Instance {
    store: Store<State>,
    guest: Bare,
    /// What wasmtime-wasi's files run on. It is the instance's own, and dropped
    /// behind the store: it waits for writes that the guest has left under way,
    /// so that none of them reaches the disk after the next instance has begun.
    runtime: Runtime,
}

struct State {
    table: ResourceTable,
    wasi: WasiCtx,
    limits: Limits,
    syncs: GuestSyncs,
    messages: GuestMessages,
}

struct Table;

impl HasData for Table {
    type Data<'a> = &'a mut ResourceTable;
}

impl Program {
    pub(crate) fn compile(
        component: &[u8],
        compiled: Option<&Path>,
        limits: GuestLimits,
        messages: Messages,
    ) -> Result<Self, ProgramError> {
        check_header(component).map_err(ProgramError::NoComponent)?;
        let kept = compiled.and_then(|directory| {
            Kept::open(directory, component)
                .inspect_err(|e| tracing::warn!("compiled code is not kept: {e}"))
                .ok()
        });
        let mut config = config();
        config.cache(kept.as_ref().map(Kept::cache));
        let engine = Engine::new(&config).map_err(ProgramError::Engine)?;
        let component =
            Component::from_binary(&engine, component).map_err(ProgramError::NoComponent)?;
        if let Some(Err(e)) = kept.as_ref().map(Kept::seal) {
            tracing::warn!("compiled code is not kept: {e}");
        }
        let linker = linker(&engine).map_err(ProgramError::Engine)?;
        let pre = linker
            .instantiate_pre(&component)
            .map_err(ProgramError::NeedsImport)?;
        bindings::BarePre::new(pre.clone()).map_err(ProgramError::LacksExport)?;
        let ticker = Ticker::start(&engine).map_err(|e| ProgramError::Engine(e.into()))?;
        Ok(Self {
            pre,
            limits,
            messages,
            ticker,
        })
    }

    /// Starts a guest on a data directory and returns its report.
    pub(crate) fn start(
        &self,
        data: &Path,
        configuration: &str,
        syncs: &Arc<Syncs>,
    ) -> Result<(Instance, String), InitError> {
        let timeout_ms = self.limits.open_timeout_ms;
        let failed = |e: &wasmtime::Error| InitError::Call(CallError::new(e, timeout_ms));
        let runtime = Builder::new_current_thread()
            .build()
            .map_err(|e| failed(&e.into()))?;
        let state = self.state(data, syncs).map_err(|e| failed(&e))?;
        let mut store = Store::new(self.pre.engine(), state);
        store.limiter(|state| &mut state.limits);
        store.epoch_deadline_callback(|mut state| Ok(state.data_mut().messages.on_deadline()));
        store.set_hostcall_fuel(HANDED_OVER_BYTES_MAX);
        let (guest, begun) = {
            let _entered = runtime.enter();
            let _call = self.begin_call(&mut store, timeout_ms);
            let instance = self.pre.instantiate(&mut store).map_err(|e| failed(&e))?;
            let guest = Bare::new(&mut store, &instance).map_err(|e| failed(&e))?;
            let begun = guest
                .ntwk_actor_actor()
                .call_init(&mut store, configuration);
            (guest, begun.map_err(|e| failed(&e))?)
        };
        let instance = Instance {
            store,
            guest,
            runtime,
        };
        Ok((instance, begun?))
    }

    fn state(&self, data: &Path, syncs: &Arc<Syncs>) -> wasmtime::Result<State> {
        let mut wasi = WasiCtx::builder();
        // Files are read and written on the calling thread: a hand-off to
        // another would cost more than most of the calls.
        wasi.allow_blocking_current_thread(true);
        wasi.preopened_dir(data, "data", FsPerms::ReadWrite)?;
        let mut table = ResourceTable::new();
        table.set_max_capacity(RESOURCES_MAX);
        Ok(State {
            table,
            wasi: wasi.build(),
            limits: Limits::new(self.limits.memory_bytes_max),
            syncs: GuestSyncs::new(Arc::clone(syncs)),
            messages: GuestMessages::new(self.messages.clone(), self.limits.request_timeout_ms),
        })
    }

    /// Hands a batch to a guest. Where its syncs are carried out behind it, what
    /// it says may not be durable yet.
    pub(crate) fn handle(
        &self,
        instance: &mut Instance,
        events: &[u8],
        time_ms: u64,
        sync: Sync,
    ) -> Result<Handled, CallError> {
        let timeout_ms = self.limits.handle_timeout_ms;
        let state = instance.store.data_mut();
        state.syncs.begin(sync);
        state.messages.open();
        let _entered = instance.runtime.enter();
        let _call = self.begin_call(&mut instance.store, timeout_ms);
        let guest = instance.guest.ntwk_actor_actor();
        let handled = guest
            .call_handle(&mut instance.store, events, time_ms)
            .map_err(|e| CallError::new(&e, timeout_ms));
        instance.store.data_mut().messages.close();
        handled
    }

    /// Lets a guest end in order; it has as long for it as for starting.
    pub(crate) fn stop(&self, mut instance: Instance) -> Result<(), CallError> {
        let timeout_ms = self.limits.open_timeout_ms;
        instance.store.data_mut().syncs.begin(Sync::AtOnce);
        let _entered = instance.runtime.enter();
        let _call = self.begin_call(&mut instance.store, timeout_ms);
        let guest = instance.guest.ntwk_actor_actor();
        guest
            .call_stop(&mut instance.store)
            .map_err(|e| CallError::new(&e, timeout_ms))
    }

    /// Sets a call's deadline; the ticker runs until the guard is dropped.
    fn begin_call(&self, store: &mut Store<State>, timeout_ms: u64) -> ticker::Call<'_> {
        store.set_epoch_deadline(Ticker::ticks(Duration::from_millis(timeout_ms)));
        self.ticker.begin_call()
    }
}

impl Instance {
    /// How long each sync of the latest batch took that was carried out at once.
    pub(crate) fn syncs(&self) -> &[Duration] {
        self.store.data().syncs.times()
    }

    /// How long ago the first sync of the latest batch had returned to the guest.
    pub(crate) fn since_synced(&self) -> Duration {
        self.store.data().syncs.since_synced()
    }
}

/// Tells what is often taken for a component by mistake; wasmtime would show its
/// bytes.
fn check_header(component: &[u8]) -> wasmtime::Result<()> {
    let Some(version) = component.strip_prefix(b"\0asm") else {
        bail!("it is no WebAssembly");
    };
    if version.starts_with(&[1, 0, 0, 0]) {
        bail!("it is a core module; `wasm-tools component new` makes a component of one");
    }
    Ok(())
}

fn config() -> Config {
    let mut config = Config::new();
    config.wasm_component_model(true);
    config.epoch_interruption(true);
    // Guests are called one batch at a time: bookkeeping for concurrent calls
    // would double the cost of a call.
    config.concurrency_support(false);
    // The same calls give the same replies, whatever the processor.
    config.cranelift_nan_canonicalization(true);
    config.relaxed_simd_deterministic(true);
    config
}

/// Links the interfaces of files and messages, and those whose types they use. No clock, no
/// random numbers, no environment, no network.
fn linker(engine: &Engine) -> wasmtime::Result<Linker<State>> {
    let mut linker = Linker::new(engine);
    let l = &mut linker;
    filesystem::types::add_to_linker::<State, WasiFilesystem>(l, files::settled)?;
    filesystem::preopens::add_to_linker::<State, WasiFilesystem>(l, files::settled)?;
    io::error::add_to_linker::<State, Table>(l, files::settled_table)?;
    io::poll::add_to_linker::<State, Table>(l, files::settled_table)?;
    io::streams::add_to_linker::<State, Table>(l, files::settled_table)?;
    files::link(l)?;
    messages::link(l)?;
    Ok(linker)
}
