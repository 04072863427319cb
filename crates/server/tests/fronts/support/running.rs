//! A server with an actor, on ports of its own.

use kv_runtime::directory::DataDirectory;
use kv_runtime::{Actor, ActorSettings, GuestLimits, Messages};
use kv_server::{Addresses, ListenOptions, Server, Shutdown};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::thread::JoinHandle;
use std::time::Duration;
use tempfile::TempDir;

/// A server that runs until it is stopped or dropped.
pub(crate) struct Running {
    addresses: Addresses,
    shutdown: Shutdown,
    thread: Option<JoinHandle<std::io::Result<()>>>,
    /// Removed with the server, unless it belongs to the test.
    data: Option<TempDir>,
}

impl Running {
    /// A server of the guest `name`, on both fronts.
    pub(crate) fn start(name: &str) -> Self {
        Self::with_limits(name, GuestLimits::default())
    }

    pub(crate) fn with_limits(name: &str, limits: GuestLimits) -> Self {
        let data = TempDir::new().unwrap();
        let mut running = Self::on(name, data.path(), limits, &everywhere());
        running.data = Some(data);
        running
    }

    /// A server of the guest `name` that listens as `options` say.
    pub(crate) fn listening(name: &str, options: &ListenOptions) -> Self {
        let data = TempDir::new().unwrap();
        let mut running = Self::on(name, data.path(), GuestLimits::default(), options);
        running.data = Some(data);
        running
    }

    /// A server of the guest `name` on a data directory of the test's.
    pub(crate) fn on(
        name: &str,
        data: &Path,
        limits: GuestLimits,
        options: &ListenOptions,
    ) -> Self {
        Self::configured(name, data, limits, options, "{}")
    }

    /// The same, of a guest that is configured.
    pub(crate) fn configured(
        name: &str,
        data: &Path,
        limits: GuestLimits,
        options: &ListenOptions,
        configuration: &str,
    ) -> Self {
        let server = Server::bind(options).unwrap();
        let settings = ActorSettings {
            name: name.to_owned(),
            component: std::fs::read(component(name)).unwrap(),
            data: data.to_owned(),
            configuration: configuration.to_owned(),
            limits,
            messages: Messages::default(),
            compiled: None,
        };
        let (addresses, shutdown) = (server.addresses().clone(), server.shutdown());
        let thread = std::thread::spawn(move || server.run(Actor::start(settings).unwrap()));
        Self {
            addresses,
            shutdown,
            thread: Some(thread),
            data: None,
        }
    }

    pub(crate) fn lines(&self) -> SocketAddr {
        self.addresses.lines.unwrap()
    }

    pub(crate) fn http(&self) -> SocketAddr {
        self.addresses.http.unwrap()
    }

    pub(crate) fn shutdown(&self) -> Shutdown {
        self.shutdown.clone()
    }

    /// Waits for the server to end by itself.
    pub(crate) fn ended(mut self) -> std::io::Result<()> {
        self.thread.take().unwrap().join().unwrap()
    }

    /// Asks it to end, and waits until it has.
    pub(crate) fn stop(self) -> std::io::Result<()> {
        self.shutdown.ask().unwrap();
        self.ended()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(thread) = self.thread.take() {
            self.shutdown.ask().unwrap();
            let ended = thread.join();
            // A test that fails already says more than this.
            if !std::thread::panicking() {
                ended.unwrap().unwrap();
            }
        }
    }
}

/// Both fronts on ports that are free.
pub(crate) fn everywhere() -> ListenOptions {
    ListenOptions {
        lines: Some("127.0.0.1:0".to_owned()),
        http: Some("127.0.0.1:0".to_owned()),
        ..ListenOptions::default()
    }
}

/// The file of a component that `make component` has built.
fn component(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../target/component")
        .join(name)
        .with_extension("wasm");
    assert!(
        path.is_file(),
        "{} is missing: run `make component`",
        path.display()
    );
    path
}

/// The real store, one for all tests that don't stop it: compiling it takes a
/// while. Each of them keeps to keys of its own.
pub(crate) fn store() -> &'static Running {
    static STORE: OnceLock<Running> = OnceLock::new();
    STORE.get_or_init(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
        if let Err(e) = remove_left(folder) {
            // Another run removes them at the same time.
            assert_eq!(e.kind(), std::io::ErrorKind::NotFound, "{e}");
        }
        let data = tempfile::Builder::new().prefix(PREFIX).tempdir_in(folder);
        // It is left behind: what is static is never dropped.
        let mut running = Running::on(
            "kv-store",
            data.as_ref().unwrap().path(),
            GuestLimits::default(),
            &everywhere(),
        );
        running.data = data.ok();
        running
    })
}

const PREFIX: &str = "fronts-store-";

/// Removes what earlier runs have left; one that runs now has its directory
/// locked, or is about to lock it.
fn remove_left(folder: &Path) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let is_store = entry.file_name().to_string_lossy().starts_with(PREFIX);
        let age = entry.metadata()?.modified()?.elapsed();
        if is_store
            && age.is_ok_and(|age| age > Duration::from_mins(10))
            && let Ok(_lock) = DataDirectory::open(&entry.path())
        {
            std::fs::remove_dir_all(entry.path())?;
        }
    }
    Ok(())
}
