//! The binary carries the component; this finds it, or says how to build it.

use std::path::Path;

fn main() {
    let component =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/component/kv-store.wasm");
    println!("cargo::rerun-if-changed={}", component.display());
    if component.is_file() {
        println!(
            "cargo::rustc-env=KV_STORE_COMPONENT={}",
            component.display()
        );
    } else {
        println!(
            "cargo::error=the component is not built yet: run `make component` (looked for {})",
            component.display()
        );
    }
}
