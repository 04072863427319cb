//! The guest's files: those of wasmtime-wasi, but that a batch which has appended to
//! a file may end before its sync. Until that has ended, the guest can look at files
//! and no more: whatever else it asks for waits. So the disk sees everything in the
//! order in which the guest has done it, and only the guest's own time differs. A file
//! that it removes is freed behind its back, too.

use super::State;
#[cfg(target_os = "linux")]
use super::freed::{self, Closing};
use super::unsynced::{REPLACED_BYTES_MAX, Unsynced};
use crate::syncs::{Syncs, Written};
use std::sync::Arc;
use std::time::{Duration, Instant};
use wasmtime::StoreContextMut;
use wasmtime::component::{Linker, Resource, ResourceTable};
use wasmtime_wasi::filesystem::WasiFilesystemCtxView;
use wasmtime_wasi::p2::FsResult;
use wasmtime_wasi::p2::bindings::sync::filesystem::types::{
    Descriptor, DescriptorFlags, DescriptorStat, ErrorCode, Host, HostDescriptor, OpenFlags,
    PathFlags,
};

/// The interface as wasmtime-wasi links it. A test would miss the times if another
/// version were linked.
const INTERFACE: &str = "wasi:filesystem/types@0.2.12";

/// No more times are noted in one call: a guest may sync as often as it likes.
const TIMES_MAX: usize = 64;

/// What a linked function returns: what the guest is told, or why it is ended.
type Told<T> = wasmtime::Result<(Result<T, ErrorCode>,)>;

/// When the guest's syncs are carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sync {
    /// Before they return, as the guest believes.
    AtOnce,
    /// On a thread, where that makes no difference to the disk.
    Behind,
}

/// What is done about the guest's syncs.
pub(super) struct GuestSyncs {
    syncs: Arc<Syncs>,
    when: Sync,
    /// What was done in this call and not synced.
    unsynced: Unsynced,
    /// How long each sync of the latest call took that was carried out at once.
    times: Vec<Duration>,
    /// When the first sync of the latest call had returned to the guest.
    synced: Option<Instant>,
    /// Once a sync has failed, these are the guest's files: it can't go on.
    none: ResourceTable,
    #[cfg(target_os = "linux")]
    closing: Closing,
}

impl GuestSyncs {
    pub(super) fn new(syncs: Arc<Syncs>) -> Self {
        Self {
            syncs,
            when: Sync::AtOnce,
            unsynced: Unsynced::default(),
            times: Vec::new(),
            synced: None,
            none: ResourceTable::new(),
            #[cfg(target_os = "linux")]
            closing: Closing::default(),
        }
    }

    /// A call begins.
    pub(super) fn begin(&mut self, when: Sync) {
        self.when = when;
        self.unsynced = Unsynced::default();
        self.times.clear();
        self.synced = None;
    }

    pub(super) fn times(&self) -> &[Duration] {
        &self.times
    }

    /// How long ago the first sync of the latest call had returned to the guest.
    pub(super) fn since_synced(&self) -> Duration {
        self.synced
            .map_or(Duration::ZERO, |synced| synced.elapsed())
    }

    /// Waits until no sync is under way. False where one has failed.
    pub(super) fn settle(&self) -> bool {
        self.syncs.settle().is_ok()
    }
}

/// The guest's files, once no sync is under way.
pub(super) fn settled(state: &mut State) -> WasiFilesystemCtxView<'_> {
    let table = if state.syncs.settle() {
        &mut state.table
    } else {
        &mut state.syncs.none
    };
    WasiFilesystemCtxView {
        ctx: state.wasi.filesystem(),
        table,
    }
}

/// The guest's resources, once no sync is under way: for streams, which write where
/// nobody here sees it.
pub(super) fn settled_table(state: &mut State) -> &mut ResourceTable {
    state.syncs.unsynced = Unsynced::More;
    settled(state).table
}

/// The guest's files as they are.
fn files(state: &mut State) -> WasiFilesystemCtxView<'_> {
    WasiFilesystemCtxView {
        ctx: state.wasi.filesystem(),
        table: &mut state.table,
    }
}

/// Links what is not as in wasmtime-wasi: syncs, what changes bytes, and what only looks.
pub(super) fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    linker.allow_shadowing(true);
    let mut interface = linker.instance(INTERFACE)?;
    interface.func_wrap("[method]descriptor.sync", |store, (file,)| {
        sync_at_once(store, file, |files, file| files.sync(file))
    })?;
    interface.func_wrap("[method]descriptor.sync-data", sync_data)?;
    interface.func_wrap("[method]descriptor.write", write)?;
    interface.func_wrap("[method]descriptor.set-size", set_size)?;
    interface.func_wrap("[method]descriptor.open-at", open_at)?;
    interface.func_wrap("[method]descriptor.read", read)?;
    interface.func_wrap("[method]descriptor.stat", stat)?;
    interface.func_wrap("[method]descriptor.stat-at", stat_at)?;
    #[cfg(target_os = "linux")]
    interface.func_wrap("[method]descriptor.unlink-file-at", unlink_file_at)?;
    linker.allow_shadowing(false);
    Ok(())
}

fn sync_data(mut store: StoreContextMut<'_, State>, (file,): (Resource<Descriptor>,)) -> Told<()> {
    let state = store.data_mut();
    let written = state.syncs.unsynced.take(file.rep());
    if state.syncs.when == Sync::Behind
        && let Some(written) = written
        && let Descriptor::File(open) = state.table.get(&file)?
    {
        let file = Arc::clone(&open.file);
        state.syncs.syncs.begin(file, written)?;
        state.syncs.synced.get_or_insert_with(Instant::now);
        return Ok((Ok(()),));
    }
    sync_at_once(store, file, |files, file| files.sync_data(file))
}

fn sync_at_once(
    mut store: StoreContextMut<'_, State>,
    file: Resource<Descriptor>,
    sync: impl FnOnce(&mut WasiFilesystemCtxView<'_>, Resource<Descriptor>) -> FsResult<()>,
) -> Told<()> {
    let state = store.data_mut();
    drop(state.syncs.unsynced.take(file.rep()));
    let mut view = settled(state);
    let begun = Instant::now();
    let synced = converted(&mut view, |files| sync(files, file));
    if state.syncs.times.len() < TIMES_MAX {
        state.syncs.times.push(begun.elapsed());
    }
    state.syncs.synced.get_or_insert_with(Instant::now);
    synced
}

fn write(
    mut store: StoreContextMut<'_, State>,
    (file, bytes, offset): (Resource<Descriptor>, Vec<u8>, u64),
) -> Told<u64> {
    let state = store.data_mut();
    let when = state.syncs.when;
    let mut view = settled(state);
    let mut noted = match view.table.get(&file)? {
        Descriptor::File(open) if when == Sync::Behind => {
            Written::before(&open.file, offset, bytes.len(), REPLACED_BYTES_MAX)
        }
        _ => None,
    };
    let descriptor = file.rep();
    let written = converted(&mut view, |files| files.write(file, bytes, offset));
    if let Ok((told,)) = &written {
        // Where it is told an error, nothing was written.
        noted = noted.map(|noted| noted.of(told.as_ref().map_or(0, |bytes| *bytes)));
    }
    state.syncs.unsynced.wrote(descriptor, noted);
    written
}

/// What is cut off is not kept: it can't be taken back.
fn set_size(
    mut store: StoreContextMut<'_, State>,
    (file, size): (Resource<Descriptor>, u64),
) -> Told<()> {
    let state = store.data_mut();
    state.syncs.unsynced = Unsynced::More;
    converted(&mut settled(state), |files| files.set_size(file, size))
}

fn open_at(
    mut store: StoreContextMut<'_, State>,
    (directory, path_flags, path, open_flags, flags): (
        Resource<Descriptor>,
        PathFlags,
        String,
        OpenFlags,
        DescriptorFlags,
    ),
) -> Told<Resource<Descriptor>> {
    let state = store.data_mut();
    if open_flags.contains(OpenFlags::TRUNCATE) {
        state.syncs.unsynced = Unsynced::More;
    }
    converted(&mut settled(state), |files| {
        files.open_at(directory, path_flags, path, open_flags, flags)
    })
}

fn read(
    mut store: StoreContextMut<'_, State>,
    (file, length, offset): (Resource<Descriptor>, u64, u64),
) -> Told<(Vec<u8>, bool)> {
    let mut view = files(store.data_mut());
    converted(&mut view, |files| files.read(file, length, offset))
}

fn stat(
    mut store: StoreContextMut<'_, State>,
    (file,): (Resource<Descriptor>,),
) -> Told<DescriptorStat> {
    let mut view = files(store.data_mut());
    converted(&mut view, |files| files.stat(file))
}

fn stat_at(
    mut store: StoreContextMut<'_, State>,
    (directory, flags, path): (Resource<Descriptor>, PathFlags, String),
) -> Told<DescriptorStat> {
    let mut view = files(store.data_mut());
    converted(&mut view, |files| files.stat_at(directory, flags, path))
}

#[cfg(target_os = "linux")]
fn unlink_file_at(
    mut store: StoreContextMut<'_, State>,
    (directory, path): (Resource<Descriptor>, String),
) -> Told<()> {
    let state = store.data_mut();
    let mut view = settled(state);
    let file = match view.table.get(&directory)? {
        Descriptor::Dir(directory) => freed::keep(&directory.dir, &path),
        Descriptor::File(_) => None,
    };
    let removed = converted(&mut view, |files| files.unlink_file_at(directory, path));
    if let Some(file) = file {
        state.syncs.closing.close(file);
    }
    removed
}

/// What an operation says, as the guest is told it.
fn converted<T>(
    view: &mut WasiFilesystemCtxView<'_>,
    operation: impl FnOnce(&mut WasiFilesystemCtxView<'_>) -> FsResult<T>,
) -> Told<T> {
    match operation(view) {
        Ok(value) => Ok((Ok(value),)),
        Err(e) => Ok((Err(view.convert_error_code(e)?),)),
    }
}
