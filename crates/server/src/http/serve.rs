//! Accepts HTTP clients, no more than there is room for; at the end, finishes
//! what they have begun.

use super::guard::Guarded;
use crate::limits::Limits;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::time::timeout;
use tokio_io_timeout::TimeoutStream;
use tokio_rustls::TlsAcceptor;

/// How long a shutdown waits for requests in progress.
const LAST_REQUESTS_TIMEOUT: Duration = Duration::from_secs(2);

/// After a failed accept (out of file descriptors), the next try.
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);

/// Serves until `stopped`.
pub(super) async fn serve(
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    guarded: Guarded,
    limits: Limits,
    mut stopped: oneshot::Receiver<()>,
) {
    let places = Arc::new(Semaphore::new(limits.http_connections_max));
    let connections = GracefulShutdown::new();
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(limits.http_stall_timeout);
    loop {
        let (stream, place) = tokio::select! {
            _ = &mut stopped => break,
            accepted = accept(&listener, &places) => accepted,
        };
        let mut stream = TimeoutStream::new(stream);
        stream.set_write_timeout(Some(limits.http_stall_timeout));
        let stream = Box::pin(stream);
        let (http, guarded) = (http.clone(), guarded.clone());
        let (tls, watcher) = (tls.clone(), connections.watcher());
        tokio::spawn(async move {
            match tls {
                None => converse(&http, stream, guarded, watcher).await,
                Some(tls) => match timeout(limits.http_stall_timeout, tls.accept(stream)).await {
                    Ok(Ok(stream)) => converse(&http, Box::pin(stream), guarded, watcher).await,
                    Ok(Err(e)) => tracing::debug!(error = %e, "an HTTP client speaks no TLS"),
                    Err(_) => tracing::debug!("an HTTP client did not begin TLS in time"),
                },
            }
            drop(place);
        });
    }
    drop(listener);
    if timeout(LAST_REQUESTS_TIMEOUT, connections.shutdown())
        .await
        .is_err()
    {
        tracing::warn!("some HTTP requests were not finished");
    }
}

/// Answers a client's requests until the connection ends.
async fn converse<S: AsyncRead + AsyncWrite + 'static>(
    http: &http1::Builder,
    stream: Pin<Box<S>>,
    guarded: Guarded,
    watcher: Watcher,
) {
    let connection = http.serve_connection(TokioIo::new(stream), guarded.service());
    if let Err(e) = watcher.watch(connection).await {
        tracing::debug!(error = %e, "an HTTP connection has failed");
    }
}

/// The next client, and the place that it takes until its connection ends.
async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> (TcpStream, Option<OwnedSemaphorePermit>) {
    // This semaphore is never closed: there is always a place in the end.
    let place = Arc::clone(places).acquire_owned().await.ok();
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                // Parts of a response are written as they come: waiting to send
                // more gains nothing.
                if let Err(e) = stream.set_nodelay(true) {
                    tracing::debug!(error = %e, "an HTTP client has gone already");
                }
                return (stream, place);
            }
            Err(e) => {
                tracing::warn!(error = %e, "an HTTP client can't be accepted; it is tried again");
                tokio::time::sleep(ACCEPT_AGAIN).await;
            }
        }
    }
}
