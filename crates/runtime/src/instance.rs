//! One instance of a guest: a component, its memory, its limits, and of the
//! outside world its data directory alone.

use crate::manifest::GuestLimits;
use bindings::Bare;
use bindings::exports::ntwk::actor::actor::{Failure, Handled};
use std::path::Path;
use std::time::Duration;
use ticker::Ticker;
use wasmtime::component::{Component, HasData, InstancePre, Linker, ResourceTable};
use wasmtime::{Config, Engine, Store, StoreLimits, StoreLimitsBuilder};
use wasmtime_wasi::filesystem::{WasiFilesystem, WasiFilesystemCtxView};
use wasmtime_wasi::p2::bindings::sync::{filesystem, io};
use wasmtime_wasi::{FsPerms, WasiCtx};

mod ticker;

mod bindings {
    //! What wasmtime makes of wit/actor.wit.
    #![allow(missing_docs, clippy::pedantic, reason = "generated")]
    wasmtime::component::bindgen!({
        path: "../../wit",
        world: "bare",
    });
}

pub(crate) use bindings::exports::ntwk::actor::actor as interface;

/// How many resources (open files, directory listings) a guest may hold.
const RESOURCES_MAX: usize = 4096;

/// How many elements a guest's tables may have: they hold its functions.
const TABLE_ELEMENTS_MAX: usize = 1 << 20;

/// A compiled component, ready to be started as often as needed.
pub(crate) struct Program {
    pre: InstancePre<State>,
    limits: GuestLimits,
    ticker: Ticker,
}

/// A running guest.
pub(crate) struct Instance {
    store: Store<State>,
    guest: Bare,
}

struct State {
    table: ResourceTable,
    wasi: WasiCtx,
    limits: StoreLimits,
}

struct Table;

impl HasData for Table {
    type Data<'a> = &'a mut ResourceTable;
}

/// Why a component can't be a program.
#[derive(Debug)]
pub(crate) enum ProgramError {
    NoComponent(wasmtime::Error),
    NoActor(wasmtime::Error),
    Engine(wasmtime::Error),
}

/// Why an instance can't begin.
#[derive(Debug)]
pub(crate) enum InitError {
    /// The guest says why.
    Refused(Failure),
    /// It did not get so far.
    Failed(wasmtime::Error),
}

impl From<wasmtime::Error> for InitError {
    fn from(error: wasmtime::Error) -> Self {
        Self::Failed(error)
    }
}

impl Program {
    pub(crate) fn compile(component: &[u8], limits: GuestLimits) -> Result<Self, ProgramError> {
        let mut config = Config::new();
        config.wasm_component_model(true);
        config.epoch_interruption(true);
        // Guests are called one batch at a time: bookkeeping for concurrent
        // calls would double the cost of a call.
        config.concurrency_support(false);
        let engine = Engine::new(&config).map_err(ProgramError::Engine)?;
        let component =
            Component::from_binary(&engine, component).map_err(ProgramError::NoComponent)?;
        let linker = linker(&engine).map_err(ProgramError::Engine)?;
        let pre = linker
            .instantiate_pre(&component)
            .map_err(ProgramError::NoActor)?;
        bindings::BarePre::new(pre.clone()).map_err(ProgramError::NoActor)?;
        let ticker = Ticker::start(&engine).map_err(|e| ProgramError::Engine(e.into()))?;
        Ok(Self {
            pre,
            limits,
            ticker,
        })
    }

    /// Starts a guest on a data directory and returns its report.
    pub(crate) fn start(
        &self,
        data: &Path,
        configuration: &str,
    ) -> Result<(Instance, String), InitError> {
        let mut wasi = WasiCtx::builder();
        // Files are read and written on the calling thread: a hand-off to
        // another would cost more than most of the calls.
        wasi.allow_blocking_current_thread(true);
        wasi.preopened_dir(data, "data", FsPerms::ReadWrite)?;
        let mut table = ResourceTable::new();
        table.set_max_capacity(RESOURCES_MAX);
        let memory_bytes_max = usize::try_from(self.limits.memory_bytes_max).unwrap_or(usize::MAX);
        let state = State {
            table,
            wasi: wasi.build(),
            limits: StoreLimitsBuilder::new()
                .memory_size(memory_bytes_max)
                .table_elements(TABLE_ELEMENTS_MAX)
                .trap_on_grow_failure(true)
                .build(),
        };
        let mut store = Store::new(self.pre.engine(), state);
        store.limiter(|state| &mut state.limits);
        let _call = self.begin_call(&mut store, self.limits.open_timeout_ms);
        let instance = self.pre.instantiate(&mut store)?;
        let guest = Bare::new(&mut store, &instance)?;
        let report = guest
            .ntwk_actor_actor()
            .call_init(&mut store, configuration)?
            .map_err(InitError::Refused)?;
        Ok((Instance { store, guest }, report))
    }

    /// Hands a batch to a guest.
    pub(crate) fn handle(
        &self,
        instance: &mut Instance,
        events: &[u8],
        time_ms: u64,
    ) -> wasmtime::Result<Handled> {
        let _call = self.begin_call(&mut instance.store, self.limits.handle_timeout_ms);
        let guest = instance.guest.ntwk_actor_actor();
        guest.call_handle(&mut instance.store, events, time_ms)
    }

    /// Sets a call's deadline; the ticker runs until the guard is dropped.
    fn begin_call(&self, store: &mut Store<State>, timeout_ms: u64) -> ticker::Call<'_> {
        store.set_epoch_deadline(Ticker::ticks(Duration::from_millis(timeout_ms)));
        self.ticker.begin_call()
    }
}

/// Links the interfaces of files, and those whose types they use. No clock, no
/// random numbers, no environment, no network.
fn linker(engine: &Engine) -> wasmtime::Result<Linker<State>> {
    fn files(state: &mut State) -> WasiFilesystemCtxView<'_> {
        WasiFilesystemCtxView {
            ctx: state.wasi.filesystem(),
            table: &mut state.table,
        }
    }
    let mut linker = Linker::new(engine);
    let l = &mut linker;
    filesystem::types::add_to_linker::<State, WasiFilesystem>(l, files)?;
    filesystem::preopens::add_to_linker::<State, WasiFilesystem>(l, files)?;
    io::error::add_to_linker::<State, Table>(l, |state| &mut state.table)?;
    io::poll::add_to_linker::<State, Table>(l, |state| &mut state.table)?;
    io::streams::add_to_linker::<State, Table>(l, |state| &mut state.table)?;
    Ok(linker)
}
