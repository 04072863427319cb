//! HTTP: events, and keys and content as resources. It runs on a thread of its
//! own and reaches the actor through its mailbox.

use crate::bind::wake;
use crate::limits::Limits;
use crate::metrics::Metrics;
use crate::tls::Certificate;
use crate::token::Token;
use crate::watch::Arrivals;
use answers::Answers;
use axum::Router;
use axum::routing::{MethodRouter, get, post};
use body::Room;
use guard::Guarded;
use kv_runtime::Mailbox;
use mio::Waker;
pub use path::decode;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Instant;
use tokio::sync::oneshot;

mod actor;
mod answers;
mod backup;
mod body;
mod conditions;
mod content;
mod events;
mod guard;
mod health;
mod keys;
mod listing;
mod path;
mod problem;
mod query;
mod serve;
mod watch;

/// What every handler has.
type Context = Arc<Parts>;

#[derive(Debug)]
struct Parts {
    mailbox: Mailbox,
    answers: Answers,
    arrivals: Arrivals,
    metrics: Arc<Metrics>,
    address: SocketAddr,
    token: Option<Token>,
    room: Room,
    begun: Instant,
}

/// So many requests make a batch that need not wait for more: the actor is at it
/// while the next ones are read.
const BATCH_REQUESTS: usize = 32;

/// Wakes the actor's thread once every client of this front that is ready has
/// been heard, or enough of them: what they ask for makes one batch. `waiting` is
/// how many requests wait.
pub(crate) fn wake_soon(waker: &Arc<Waker>, waiting: usize) {
    match waiting {
        1 => {
            let waker = Arc::clone(waker);
            tokio::spawn(async move {
                tokio::task::yield_now().await;
                wake(&waker);
            });
        }
        BATCH_REQUESTS => wake(waker),
        _ => {}
    }
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
        arrivals: Arrivals,
        metrics: Arc<Metrics>,
        limits: Limits,
        token: Option<Token>,
        certificate: Option<&Certificate>,
    ) -> io::Result<Self> {
        let answers = Answers::default();
        let delivery = answers.clone().deliver();
        let context = Arc::new(Parts {
            mailbox,
            answers,
            arrivals,
            metrics,
            address: listener.local_addr()?,
            token,
            room: Room::new(&limits),
            begun: Instant::now(),
        });
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let listener = {
            let _guard = runtime.enter();
            tokio::net::TcpListener::from_std(listener)?
        };
        let (stop, stopped) = oneshot::channel();
        let tls = certificate.map(|certificate| Arc::clone(&certificate.config).into());
        let guarded = Guarded::new(Arc::clone(&context), router(context));
        let serve = serve::serve(listener, tls, guarded, limits, stopped);
        let thread = std::thread::Builder::new()
            .name("http".to_owned())
            .spawn(move || {
                runtime.spawn(delivery);
                runtime.block_on(serve);
            })?;
        Ok(Self { stop, thread })
    }

    /// Finishes the requests in progress, for a bounded time.
    pub(crate) fn stop(self) {
        // Where nobody hears it, the thread has ended by a panic.
        if self.stop.send(()).is_err() | self.thread.join().is_err() {
            tracing::error!("the HTTP front has panicked");
        }
    }
}

fn key() -> MethodRouter<Context> {
    get(keys::get)
        .put(keys::put)
        .patch(keys::patch)
        .delete(keys::delete)
}

fn router(context: Context) -> Router {
    Router::new()
        .route("/events", post(events::post))
        .route("/keys", get(listing::list).delete(listing::delete_prefix))
        .route("/keys/", key())
        .route("/keys/{key}", key())
        .route("/keys//increment", post(keys::increment))
        .route("/keys/{key}/increment", post(keys::increment))
        .route("/changes", get(listing::changes))
        .route("/watch", get(watch::get))
        .route("/backup", get(backup::get))
        .route("/stats", get(listing::stats))
        .route("/content", post(content::post))
        .route("/content/{hash}", get(content::get))
        .route("/livez", get(health::live))
        .route("/readyz", get(health::ready))
        .route("/metrics", get(health::metrics))
        .route("/openapi.json", get(health::openapi))
        .fallback(problem::no_resource)
        .method_not_allowed_fallback(problem::no_method)
        .with_state(context)
}
