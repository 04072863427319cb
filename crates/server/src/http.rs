//! HTTP: events, and keys and content as resources. It runs on a thread of its
//! own and reaches the actor through its mailbox.

use crate::metrics::Metrics;
use axum::Router;
use axum::routing::{get, post};
use kv_runtime::Mailbox;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::oneshot;

mod actor;
mod body;
mod content;
mod events;
mod guard;
mod health;
mod keys;
mod problem;

/// How long a shutdown waits for requests in progress.
const LAST_REQUESTS_TIMEOUT: Duration = Duration::from_secs(2);

/// What every handler has.
#[derive(Clone, Debug)]
struct Context {
    mailbox: Mailbox,
    metrics: Arc<Metrics>,
    address: SocketAddr,
}

/// The running HTTP front.
#[derive(Debug)]
pub(crate) struct Front {
    stop: oneshot::Sender<()>,
    thread: JoinHandle<()>,
}

impl Front {
    pub(crate) fn start(
        listener: TcpListener,
        mailbox: Mailbox,
        metrics: Arc<Metrics>,
    ) -> io::Result<Self> {
        let address = listener.local_addr()?;
        let context = Context {
            mailbox,
            metrics,
            address,
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let listener = {
            let _guard = runtime.enter();
            tokio::net::TcpListener::from_std(listener)?
        };
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::Builder::new()
            .name("http".to_owned())
            .spawn(move || runtime.block_on(serve(listener, context, stopped)))?;
        Ok(Self { stop, thread })
    }

    /// Finishes the requests in progress, for a bounded time.
    pub(crate) fn stop(self) {
        // An error says that the thread has ended already.
        if self.stop.send(()).is_ok() && self.thread.join().is_err() {
            tracing::error!("the HTTP front has panicked");
        }
    }
}

async fn serve(
    listener: tokio::net::TcpListener,
    context: Context,
    stopped: oneshot::Receiver<()>,
) {
    let (draining, drained) = oneshot::channel::<()>();
    let served = axum::serve(listener, router(context)).with_graceful_shutdown(async {
        // Either way, it is time to stop.
        stopped.await.ok();
        draining.send(()).ok();
    });
    let given_up = async {
        drained.await.ok();
        tokio::time::sleep(LAST_REQUESTS_TIMEOUT).await;
    };
    tokio::select! {
        served = served => if let Err(e) = served {
            tracing::error!(error = %e, "the HTTP front has failed");
        },
        () = given_up => tracing::warn!("some HTTP requests were not finished"),
    }
}

fn router(context: Context) -> Router {
    Router::new()
        .route("/events", post(events::post))
        .route("/keys/", get(keys::get).put(keys::put).delete(keys::delete))
        .route(
            "/keys/{key}",
            get(keys::get).put(keys::put).delete(keys::delete),
        )
        .route("/content", post(content::post))
        .route("/content/{hash}", get(content::get))
        .route("/livez", get(health::live))
        .route("/readyz", get(health::ready))
        .route("/metrics", get(health::metrics))
        .route("/openapi.json", get(health::openapi))
        .fallback(problem::no_resource)
        .method_not_allowed_fallback(problem::no_method)
        .layer(axum::middleware::from_fn_with_state(
            context.clone(),
            guard::check,
        ))
        .with_state(context)
}
