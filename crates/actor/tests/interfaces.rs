//! The component as it is shipped: what it asks of a runtime, what it offers.

use std::fs;

const COMPONENT: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../target/component/kv-store.wasm"
);

#[test]
fn the_component_needs_files_alone_and_offers_the_actor() {
    let component =
        fs::read(COMPONENT).unwrap_or_else(|e| panic!("{COMPONENT}: {e}: run `make component`"));
    let interfaces = kv_componentize::inspect(&component).unwrap();
    let functions_from: Vec<&str> = interfaces
        .imports
        .iter()
        .filter(|(_, functions)| !functions.is_empty())
        .map(|(interface, _)| interface.as_str())
        .collect();
    assert_eq!(
        functions_from,
        [
            "wasi:filesystem/preopens@0.2.0",
            "wasi:filesystem/types@0.2.0"
        ]
    );
    // Of these, types that the files' functions mention; no function.
    for interface in interfaces.imports.keys() {
        assert!(
            [
                "wasi:clocks/wall-clock@0.2.0",
                "wasi:filesystem/preopens@0.2.0",
                "wasi:filesystem/types@0.2.0",
                "wasi:io/error@0.2.0",
                "wasi:io/streams@0.2.0",
            ]
            .contains(&interface.as_str()),
            "{interface}"
        );
    }
    let exports: Vec<_> = interfaces.exports.into_iter().collect();
    assert_eq!(
        exports,
        [(
            "ntwk:actor/actor@0.1.0".to_owned(),
            ["init", "handle", "stop"].map(str::to_owned).to_vec()
        )]
    );
}
