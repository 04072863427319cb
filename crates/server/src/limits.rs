//! How much the fronts take on at once, within what the system allows.

use rustix::process::{Resource, getrlimit, setrlimit};
use std::time::Duration;

/// Limits of one server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limits {
    /// Clients of the line front at once. One more is told so and turned away.
    pub(crate) line_connections_max: usize,
    /// Clients of the HTTP front at once. Further ones wait to be accepted.
    pub(crate) http_connections_max: usize,
    /// How long a client of the line front may neither send nor take a byte.
    pub(crate) line_idle_timeout: Duration,
    /// How long it may take for its token, TLS included.
    pub(crate) authentication_timeout: Duration,
    /// Memory for all clients of the line front: lines that are not whole yet,
    /// and replies not taken. Beyond it, clients that hold much are disconnected.
    pub(crate) held_bytes_max: usize,
    /// Memory for the bodies of all HTTP requests at once.
    pub(crate) http_bodies_bytes_max: usize,
    /// How long an HTTP client may be idle, and how long it may leave off in the
    /// middle: sending a request or taking a response.
    pub(crate) http_stall_timeout: Duration,
}

/// The most of each, where the system allows as many open files.
const MOST: Limits = Limits {
    line_connections_max: 16_384,
    http_connections_max: 1_024,
    line_idle_timeout: Duration::from_mins(10),
    authentication_timeout: Duration::from_secs(10),
    held_bytes_max: 512 * 1024 * 1024,
    http_bodies_bytes_max: 256 * 1024 * 1024,
    http_stall_timeout: Duration::from_secs(30),
};

/// Open files that are left to the actor and to everything else, where there are
/// many; and where there are few. Half of those are open before the first client.
const FILES_KEPT: usize = 256;
const FILES_KEPT_MIN: usize = 32;

/// There is always room for so many clients.
const CLIENTS_MIN: usize = 4;

impl Limits {
    /// The limits that this process can keep with so many servers. An actor that
    /// can't open its files because clients have used them all up could not store
    /// anything.
    pub(crate) fn of_process(servers: usize) -> Self {
        Self::within(raise_open_files() / servers.max(1))
    }

    fn within(files: usize) -> Self {
        let kept = (files / 4).clamp(FILES_KEPT_MIN, FILES_KEPT);
        let clients = files.saturating_sub(kept).max(CLIENTS_MIN);
        let http_connections_max = MOST.http_connections_max.min(clients / 4);
        Self {
            line_connections_max: MOST
                .line_connections_max
                .min(clients - http_connections_max),
            http_connections_max,
            ..MOST
        }
    }
}

/// Raises the limit of open files as far as this process may, and returns it.
fn raise_open_files() -> usize {
    let mut limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum {
        let wanted = rustix::process::Rlimit {
            current: limit.maximum,
            ..limit
        };
        match setrlimit(Resource::Nofile, wanted) {
            Ok(()) => limit.current = limit.maximum,
            Err(e) => tracing::warn!(error = %e, "the limit of open files can't be raised"),
        }
    }
    let files = limit.current.unwrap_or(u64::MAX);
    usize::try_from(files).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn open_files_are_left_to_the_actor() {
        assert_eq!(Limits::within(usize::MAX), MOST);
        for (files, clients) in [
            (16, 4),
            (40, 8),
            (128, 96),
            (1024, 768),
            (4096, 3840),
            (20_000, 17_408),
        ] {
            let limits = Limits::within(files);
            let both = limits.line_connections_max + limits.http_connections_max;
            assert_eq!(both, clients, "{files}");
            assert!(limits.http_connections_max > 0 && limits.line_connections_max > 0);
        }
    }
}
