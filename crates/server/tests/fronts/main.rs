//! The fronts from outside: real sockets, real actors, real files.

mod http;
mod lines;
mod support;
mod tls;
mod tokens;
mod watching;
