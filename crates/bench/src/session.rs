//! One run of the suite: its settings, its scratch folder, and the runs made.

use crate::failure::Failure;
use crate::plan::Plan;
use crate::quiet::Quiet;
use crate::results::{Figures, Measured, Point, Results};
use crate::servers::{Server, StoreSettings};
use crate::statistics::shown;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// The folder that every run has for its data. Its name is always the same, so
/// that some gigabytes of a run that was killed go with the next one.
const SCRATCH: &str = "scratch";

#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) plan: Plan,
    pub(crate) seed: u64,
    /// The store's binary.
    pub(crate) binary: PathBuf,
    component: PathBuf,
    /// Where the data goes: removed in the end, or by the next run.
    scratch: TempDir,
    pub(crate) quiet: Quiet,
    pub(crate) results: Results,
}

impl Session {
    pub(crate) fn new(
        plan: Plan,
        seed: u64,
        binary: PathBuf,
        component: PathBuf,
        data: &Path,
    ) -> Result<Self, Failure> {
        std::fs::create_dir_all(data)?;
        Ok(Self {
            plan,
            seed,
            binary,
            component,
            scratch: scratch(data)?,
            quiet: Quiet::new(plan.patience),
            results: Results::default(),
        })
    }

    /// A path in the scratch folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.scratch.path().join(name)
    }

    /// An empty folder in the scratch folder.
    pub(crate) fn folder(&self, name: &str) -> Result<PathBuf, Failure> {
        let path = self.path(name);
        std::fs::create_dir(&path)?;
        Ok(path)
    }

    /// The store's component.
    pub(crate) fn component(&self) -> Result<Vec<u8>, Failure> {
        let name = self.component.display();
        std::fs::read(&self.component)
            .map_err(|e| Failure::new(format!("{name}: {e}; build it with `make component`")))
    }

    /// The store on a directory of this session.
    pub(crate) fn ours(&self, data: &Path, settings: StoreSettings) -> Result<Server, Failure> {
        Server::ours(&self.binary, data, settings)
    }

    /// Makes a run and keeps its figures.
    pub(crate) fn measure(
        &mut self,
        point: Point,
        run: usize,
        measure: impl FnMut() -> Result<Figures, Failure>,
    ) -> Result<(), Failure> {
        let name = format!("run {}: {}: {}", run + 1, point.subject, point.workload);
        let alone = self.quiet.run(&name, measure)?;
        let figures: Vec<_> = alone
            .result
            .iter()
            .map(|(figure, value)| format!("{figure} {}", shown(*value)))
            .collect();
        let noise = if alone.quiet { "" } else { " (not alone)" };
        eprintln!("{name}: {}{noise}", figures.join(", "));
        self.results.measured.push(Measured {
            point,
            run,
            quiet: alone.quiet,
            others_share: alone.others_share,
            figures: alone.result,
        });
        Ok(())
    }
}

fn scratch(data: &Path) -> Result<TempDir, Failure> {
    match std::fs::remove_dir_all(data.join(SCRATCH)) {
        Err(e) if e.kind() != ErrorKind::NotFound => return Err(e.into()),
        _ => {}
    }
    let named = tempfile::Builder::new()
        .prefix(SCRATCH)
        .rand_bytes(0)
        .tempdir_in(data)?;
    Ok(named)
}
