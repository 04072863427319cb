//! How long the disk takes to make a batch durable: the guest's syncs, timed.

use super::{State, files};
use std::time::{Duration, Instant};
use wasmtime::StoreContextMut;
use wasmtime::component::{Linker, Resource};
use wasmtime_wasi::filesystem::WasiFilesystemCtxView;
use wasmtime_wasi::p2::FsResult;
use wasmtime_wasi::p2::bindings::sync::filesystem::types::{
    Descriptor, ErrorCode, Host, HostDescriptor,
};

/// The interface as wasmtime-wasi links it. A test would miss the times if another
/// version were linked.
const INTERFACE: &str = "wasi:filesystem/types@0.2.12";

/// No more of them are noted in one call: a guest may sync as often as it likes.
const NOTED_MAX: usize = 64;

/// The times of the latest call's syncs.
#[derive(Debug, Default)]
pub(super) struct Syncs(Vec<Duration>);

impl Syncs {
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    pub(super) fn times(&self) -> &[Duration] {
        &self.0
    }
}

/// Puts a watch around both kinds of sync.
pub(super) fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    linker.allow_shadowing(true);
    let mut interface = linker.instance(INTERFACE)?;
    interface.func_wrap("[method]descriptor.sync", |store, (file,)| {
        timed(store, file, |files, file| files.sync(file))
    })?;
    interface.func_wrap("[method]descriptor.sync-data", |store, (file,)| {
        timed(store, file, |files, file| files.sync_data(file))
    })?;
    linker.allow_shadowing(false);
    Ok(())
}

fn timed(
    mut store: StoreContextMut<'_, State>,
    file: Resource<Descriptor>,
    sync: impl FnOnce(&mut WasiFilesystemCtxView<'_>, Resource<Descriptor>) -> FsResult<()>,
) -> wasmtime::Result<(Result<(), ErrorCode>,)> {
    let state = store.data_mut();
    let begun = Instant::now();
    let mut view = files(state);
    let synced = match sync(&mut view, file) {
        Ok(()) => Ok(()),
        Err(e) => Err(view.convert_error_code(e)?),
    };
    if state.syncs.0.len() < NOTED_MAX {
        state.syncs.0.push(begun.elapsed());
    }
    Ok((synced,))
}
