//! What wit-bindgen makes of wit/theater.wit.
#![allow(
    unsafe_code,
    missing_docs,
    unreachable_pub,
    clippy::pedantic,
    reason = "generated"
)]

#[cfg(target_arch = "wasm32")]
use crate::Actor;

wit_bindgen::generate!({
    path: "../wit",
    world: "store",
    generate_all,
});

// Only in wasm: no native linker takes such names.
#[cfg(target_arch = "wasm32")]
export!(Actor with_types_in self);
