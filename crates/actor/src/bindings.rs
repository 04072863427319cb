//! What wit-bindgen makes of wit/actor.wit.
#![allow(
    unsafe_code,
    missing_docs,
    unreachable_pub,
    clippy::pedantic,
    reason = "generated"
)]

use crate::Actor;

wit_bindgen::generate!({
    path: "../../wit",
    world: "store",
    generate_all,
});

export!(Actor with_types_in self);
