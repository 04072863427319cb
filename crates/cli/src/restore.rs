//! `kv-actor restore`: a data directory from backups. It is made beside its
//! place and put there when it is whole and durable.

use crate::arguments::Directory as Arguments;
use crate::backup::sync_parent;
use crate::failure::Failure;
use crate::output::{bar, print_report};
use crate::place::now_ms;
use kv_engine::Options;
use kv_engine::files::native::NativeFiles;
use kv_engine::files::{Access, Files};
use kv_engine::log::restore::{RestoreError, restore};
use kv_protocol::Code;
use kv_runtime::directory::DataDirectory;
use kv_runtime::manifest::Manifest;
use std::fs;
use std::path::{Path, PathBuf};

pub(crate) fn run(arguments: &Arguments, backups: &[PathBuf]) -> Result<(), Failure> {
    let manifest = Manifest::load(arguments.manifest.as_deref(), &Options::NAMES)
        .map_err(|e| Failure::new(e.to_string()))?;
    let path = arguments.data.clone().unwrap_or(manifest.data);
    let options = Options::from_json(&manifest.configuration)?;
    let backups: Result<Vec<_>, Failure> = backups.iter().map(|path| open(path)).collect();
    let backups = backups?;
    // Nobody else is to fill the place meanwhile.
    let _directory = DataDirectory::open(&path).map_err(|e| storage(e.to_string()))?;
    let failed = |e: std::io::Error| storage(format!("{}: {e}", path.display()));
    if fs::read_dir(&path).map_err(failed)?.next().is_some() {
        return Err(storage(format!(
            "{} is not empty; restore into a directory that is missing or empty",
            path.display()
        )));
    }
    let unfinished = beside(&path);
    if unfinished.exists() {
        fs::remove_dir_all(&unfinished).map_err(failed)?;
    }
    fs::create_dir(&unfinished).map_err(failed)?;
    let bar = bar();
    let result = restore(
        &backups,
        &NativeFiles::new(&unfinished),
        now_ms(),
        options.segment_bytes_max,
        |done, total| {
            bar.set_length(total);
            bar.set_position(done);
        },
    );
    bar.finish_and_clear();
    let restored = match result {
        Ok(restored) => restored,
        Err(e) => {
            // Whatever is left of it is removed by the next restore.
            fs::remove_dir_all(&unfinished).ok();
            return Err(match e {
                RestoreError::Damage(_) => Failure::coded(Code::Corrupt, e.to_string()),
                RestoreError::Files(_) => storage(e.to_string()),
            });
        }
    };
    fs::rename(&unfinished, &path).map_err(failed)?;
    sync_parent(&path).map_err(failed)?;
    print_report(&restored)
}

/// Opens a backup, wherever it lies.
fn open(path: &Path) -> Result<(String, impl kv_engine::files::File), Failure> {
    let shown = path.display().to_string();
    let name = path
        .file_name()
        .and_then(|name| name.to_str())
        .ok_or_else(|| storage(format!("{shown} is no file")))?;
    let parent = path.parent().filter(|parent| *parent != Path::new(""));
    let files = NativeFiles::new(parent.unwrap_or(Path::new(".")));
    let file = files.open(name, Access::Read);
    Ok((
        shown.clone(),
        file.map_err(|e| storage(format!("{shown}: {e}")))?,
    ))
}

/// A name beside the directory, on the same file system.
fn beside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".restoring");
    name.into()
}

fn storage(message: String) -> Failure {
    Failure::coded(Code::Storage, message)
}
