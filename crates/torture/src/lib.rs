//! Tortures of the real binary, and of the engine on real damage: what issue
//! trackers of other stores are full of, done on purpose. `make torture` runs
//! them for long; the tests of `kv-actor` run each of them shortly.

pub mod bits;
pub mod builds;
pub mod clocks;
pub mod connection;
pub mod event;
pub mod failure;
pub mod full_disk;
pub mod ground;
pub mod history;
pub mod kills;
pub mod ledger;
pub mod linearizability;
pub mod meddling;
pub mod metrics;
pub mod races;
pub mod server;
pub mod strangers;
pub mod ten_million;
pub mod workload;

pub use failure::Failure;
