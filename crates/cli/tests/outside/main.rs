//! The binary as its users meet it: real processes, real files, real sockets.

mod bad_input;
mod commands;
mod importing;
mod readme;
mod refusals;
mod repairing;
mod serving;
mod support;
