//! The binary as its users meet it: real processes, real files, real sockets.

mod actors;
mod backing_up;
mod bad_input;
mod commands;
mod crowd;
mod durability;
mod examples;
mod idle;
mod importing;
mod kept_code;
mod pages;
mod readme;
mod refusals;
mod removed;
mod repairing;
mod security;
mod serving;
mod support;
mod syncs;
mod trace;
mod tutorial;
