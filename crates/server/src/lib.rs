//! The fronts of the store: JSON lines over TCP and a Unix socket, served by the
//! actor's own thread, and HTTP, which posts to the actor's mailbox.

pub mod bind;
pub mod framing;
pub mod metrics;
pub mod shutdown;
pub mod tls;
pub mod token;

mod clients;
mod connection;
mod guest;
mod http;
mod limits;
mod posted;
mod private_file;
mod reactor;
mod refusal;
mod stream;
mod subscription;
mod unix_socket;
mod watch;

pub use bind::{Addresses, BindError, ListenOptions, Server};
pub use http::decode;
pub use shutdown::Shutdown;
pub use subscription::{Source, Subscription};
pub use tls::Certificate;
pub use token::{Token, TokenText};
