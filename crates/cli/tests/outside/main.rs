//! The binary as its users meet it: real processes, real files, real sockets.

mod bad_input;
mod commands;
mod crowd;
mod importing;
mod readme;
mod refusals;
mod repairing;
mod security;
mod serving;
mod support;
