//! The engine from outside: all tests are one program, which links in the time of
//! one. That is what `make mutants` waits for most.

mod common;

mod all_events;
mod backup;
mod checkpoint_lines;
mod checkpoints;
mod compaction;
mod conditions;
mod contenders;
mod events;
mod expiry;
mod failures;
mod figures;
mod files_conformance;
mod headers;
mod history;
mod lines;
mod listing;
mod losing;
mod model;
mod recovery;
mod repairing;
mod replay;
mod restoring;
mod room;
