//! The binary carries the component; this finds it, or says how to build it. One that is
//! older than its sources is none: what is measured and tested would be another store.

use std::fs;
use std::path::{Path, PathBuf};

fn main() {
    let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target");
    let component = target.join("component/kv-store.wasm");
    println!("cargo::rerun-if-changed={}", component.display());
    if !component.is_file() {
        println!(
            "cargo::error=the component is not built yet: run `make component` (looked for {})",
            component.display()
        );
        return;
    }
    println!(
        "cargo::rustc-env=KV_STORE_COMPONENT={}",
        component.display()
    );
    let module = target.join("wasm/wasm32-unknown-unknown/component/kv_actor_component.wasm");
    if let Some(source) = newer_source(&module) {
        println!(
            "cargo::error=the component is older than {}: run `make component`",
            source.display()
        );
    }
}

/// A source that has changed since a module was built of it. Cargo lists them beside the
/// module, where that was built here.
fn newer_source(module: &Path) -> Option<PathBuf> {
    let built = fs::metadata(module).and_then(|module| module.modified());
    let listed = fs::read_to_string(module.with_extension("d"));
    let (built, listed) = (built.ok()?, listed.ok()?);
    // Spaces part them, but for those with a backslash.
    let (_, sources) = listed.split_once(": ")?;
    let sources = sources.trim().replace("\\ ", "\0");
    let sources = sources.split(' ').map(|name| name.replace('\0', " "));
    let sources: Vec<_> = sources.map(PathBuf::from).collect();
    for source in &sources {
        println!("cargo::rerun-if-changed={}", source.display());
    }
    sources.into_iter().find(|source| {
        let changed = fs::metadata(source).and_then(|source| source.modified());
        changed.is_ok_and(|changed| changed > built)
    })
}
