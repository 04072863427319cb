//! The binary as its users meet it: real processes, real files, real sockets.

mod commands;
mod importing;
mod readme;
mod refusals;
mod serving;
mod support;
