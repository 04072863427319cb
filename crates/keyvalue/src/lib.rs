//! `wasi:keyvalue` on the store, as a component to plug into others: buckets are
//! namespaces of one store, in the one directory that the runtime has opened.
//! Whatever a function says has happened is durable.

mod bindings;
mod bucket;
mod draft;
mod draft2;
#[path = "../../actor/src/files.rs"]
mod files;
mod store;
mod value;

/// The exports; `bindings` hands them to the runtime. One file for each shape of
/// the interfaces.
pub(crate) struct Component;
