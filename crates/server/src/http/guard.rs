//! Who may ask: a web page in the user's browser must not be able to talk to a
//! store on loopback, neither across origins nor by rebinding a name of its own.

use super::Context;
use super::problem::Problem;
use axum::extract::{Request, State};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use kv_protocol::Code;
use std::net::IpAddr;

pub(super) async fn check(
    State(context): State<Context>,
    request: Request,
    next: Next,
) -> Response {
    let mut response = match fault(&context, request.headers()) {
        Some(detail) => {
            Problem::with_status(StatusCode::FORBIDDEN, Code::Forbidden, detail).into_response()
        }
        None => next.run(request).await,
    };
    // A browser must not take a stored value for a script or a page.
    response.headers_mut().insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    response
}

/// What forbids a request, if anything does.
fn fault(context: &Context, headers: &HeaderMap) -> Option<&'static str> {
    let header = |name| headers.get(name).map(|value| value.to_str().unwrap_or(""));
    let host = header(header::HOST).unwrap_or("");
    if context.address.ip().is_loopback() && !is_loopback(host) {
        return Some("the Host header must name this machine's loopback, such as localhost");
    }
    let origin = header(header::ORIGIN)?;
    let same = origin
        .split_once("://")
        .is_some_and(|(_, authority)| authority == host);
    (!same).then_some("requests from web pages of other origins are not served")
}

fn is_loopback(host: &str) -> bool {
    let Ok(authority) = host.parse::<Authority>() else {
        return false;
    };
    let name = authority
        .host()
        .trim_start_matches('[')
        .trim_end_matches(']');
    name.eq_ignore_ascii_case("localhost")
        || name
            .parse::<IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::is_loopback;

    #[test]
    fn only_loopback_names_pass() {
        for host in [
            "localhost",
            "localhost:7080",
            "127.0.0.1:1",
            "[::1]:7080",
            "LOCALHOST",
        ] {
            assert!(is_loopback(host), "{host}");
        }
        for host in [
            "",
            "evil.example",
            "127.0.0.1.evil.example",
            "localhost.evil",
            "10.0.0.1:80",
            "[::2]",
        ] {
            assert!(!is_loopback(host), "{host}");
        }
    }
}
