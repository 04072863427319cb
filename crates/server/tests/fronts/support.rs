//! What the tests share: a running server, and clients for both fronts.

pub(crate) mod event_stream;
pub(crate) mod http_client;
pub(crate) mod line_client;
pub(crate) mod running;

pub(crate) use http_client::{Response, request};
pub(crate) use line_client::{LineClient, numbered};
pub(crate) use running::{Running, store};
