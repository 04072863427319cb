//! The build script: what it says of a component that is missing, or older than its
//! sources.

use std::env;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

const COMPONENT: &str = "target/component/kv-store.wasm";
const MODULE: &str = "target/wasm/wasm32-unknown-unknown/component/kv_actor_component.wasm";

/// A project with nothing in it but what the build script asks for.
struct Project {
    folder: tempfile::TempDir,
    script: PathBuf,
}

impl Project {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let package = folder.path().join("crates/cli");
        fs::create_dir_all(&package).unwrap();
        let script = folder.path().join("script");
        let compiled = Command::new(env::var_os("RUSTC").unwrap_or("rustc".into()))
            .env("CARGO_MANIFEST_DIR", &package)
            .args(["--edition", "2024", "-o"])
            .arg(&script)
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("build.rs"))
            .status();
        assert!(compiled.unwrap().success());
        Self { folder, script }
    }

    /// A file that was written so many seconds ago.
    fn write(&self, name: &str, text: &str, age_s: u64) -> PathBuf {
        let path = self.folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        let time = SystemTime::now() - Duration::from_secs(age_s);
        let file = File::options().write(true).open(&path).unwrap();
        file.set_modified(time).unwrap();
        path
    }

    /// What the script tells cargo.
    fn run(&self) -> String {
        let output = Command::new(&self.script).output().unwrap();
        assert!(output.status.success());
        String::from_utf8(output.stdout).unwrap()
    }
}

#[test]
fn a_component_is_taken_while_it_is_newer_than_its_sources() {
    let project = Project::new();
    let told = project.run();
    assert!(told.contains("cargo::error=the component is not built yet: run `make component`"));

    // One that was built elsewhere has no sources here.
    project.write(COMPONENT, "", 10);
    let told = project.run();
    assert!(
        told.contains("cargo::rustc-env=KV_STORE_COMPONENT="),
        "{told}"
    );
    assert!(!told.contains("cargo::error"), "{told}");

    let plain = project.write("a.rs", "", 20);
    let spaced = project.write("in here/b.rs", "", 20);
    let escaped = spaced.display().to_string().replace(' ', "\\ ");
    project.write(MODULE, "", 10);
    let listed = format!("{MODULE}: {} {escaped}\n", plain.display());
    project.write(&MODULE.replace(".wasm", ".d"), &listed, 10);
    let told = project.run();
    assert!(!told.contains("cargo::error"), "{told}");
    for source in [plain, spaced] {
        let watched = format!("cargo::rerun-if-changed={}\n", source.display());
        assert!(told.contains(&watched), "{told}");
        let name = source.strip_prefix(project.folder.path()).unwrap();
        let name = name.to_str().unwrap();
        project.write(name, "", 0);
        let refused = format!(
            "cargo::error=the component is older than {}: run `make component`\n",
            source.display()
        );
        let told = project.run();
        assert!(told.contains(&refused), "{told}");
        project.write(name, "", 20);
    }
}
