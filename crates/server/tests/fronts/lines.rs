//! The line front.

mod bad_clients;
mod binding;
mod framing;
mod shutdown;
mod supervision;
