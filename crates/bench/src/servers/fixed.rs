//! An axum server as ours is set up, whose answers are fixed: what HTTP costs
//! without a store behind it. It runs as a process of its own.

use super::Server;
use crate::failure::Failure;
use crate::values::{Values, key};
use axum::Router;
use axum::body::Bytes;
use axum::http::header;
use axum::response::IntoResponse;
use axum::routing::{get, post};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use std::future::{Ready, ready};
use std::process::Command;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio_io_timeout::TimeoutStream;

pub(crate) const FIXED: &str = "fixed answer";

/// As the HTTP front of the store has it.
const STALL_TIMEOUT: Duration = Duration::from_secs(30);

impl Server {
    /// This program, serving fixed answers.
    pub(crate) fn fixed() -> Result<Self, Failure> {
        let program = std::env::current_exe()?;
        Self::announced(FIXED, Command::new(program).arg("serve-fixed"))
    }
}

/// Serves fixed answers until it is killed.
pub(crate) fn serve_fixed() -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(serve())
}

async fn serve() -> Result<(), Failure> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    eprintln!("{{\"http\":\"{}\"}}", listener.local_addr()?);
    let router = router();
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(STALL_TIMEOUT);
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let mut stream = TimeoutStream::new(stream);
        stream.set_write_timeout(Some(STALL_TIMEOUT));
        let service = TowerToHyperService::new(router.clone());
        let connection = http.serve_connection(TokioIo::new(Box::pin(stream)), service);
        tokio::spawn(async move {
            // A client that has gone is no matter.
            connection.await.ok();
        });
    }
}

/// The routes that are measured; each reads its request whole.
fn router() -> Router {
    let mut value = Vec::new();
    Values::small().write(&mut value, 0);
    let start = format!(
        "{{\"status\":\"ok\",\"key\":\"{}\"",
        String::from_utf8_lossy(&key(0))
    );
    let stored = Bytes::from(format!("{start},\"version\":1000000}}\n"));
    let got = format!(
        "{start},\"value\":{},\"version\":1000000}}\n",
        String::from_utf8_lossy(&value)
    );
    let (value, got) = (Bytes::from(value), Bytes::from(got));
    let (put, posted) = (stored.clone(), stored);
    // A put is longer than its value, a get is not.
    let value_bytes = value.len();
    Router::new()
        .route(
            "/keys/{key}",
            get(move || answer(value)).put(move |_: Bytes| answer(put)),
        )
        .route(
            "/events",
            post(move |event: Bytes| {
                let is_put = event.len() > value_bytes;
                answer(if is_put { posted } else { got })
            }),
        )
}

fn answer(body: Bytes) -> Ready<impl IntoResponse> {
    let headers = [
        (header::CONTENT_TYPE, "application/json"),
        (header::ETAG, "\"1000000\""),
    ];
    ready((headers, body))
}
