//! What wit-bindgen makes of the world `application` of wit/actor.wit.
#![allow(
    unsafe_code,
    missing_docs,
    unreachable_pub,
    clippy::pedantic,
    reason = "generated"
)]

#[cfg(target_arch = "wasm32")]
use crate::ChatState;

wit_bindgen::generate!({
    path: "../../wit",
    world: "application",
    generate_all,
});

// Only in wasm: no native linker takes such names, and a native build is there
// to check the code.
#[cfg(target_arch = "wasm32")]
export!(ChatState with_types_in self);
