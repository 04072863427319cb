//! What wit-bindgen makes of wit/keyvalue.wit.
#![allow(
    unsafe_code,
    missing_docs,
    unreachable_pub,
    clippy::pedantic,
    reason = "generated"
)]

#[cfg(target_arch = "wasm32")]
use crate::Component;

wit_bindgen::generate!({
    path: ["../../wit", "wit"],
    world: "ntwk:keyvalue/keyvalue",
    generate_all,
});

// Only in wasm: no native linker takes such names, and a native build is there
// to check the code.
#[cfg(target_arch = "wasm32")]
export!(Component with_types_in self);
