//! Who may ask: whoever has the token, where one is needed. And a web page in the
//! user's browser must not be able to talk to a store on loopback, neither across
//! origins nor by rebinding a name of its own.

use super::Context;
use super::problem::Problem;
use axum::Router;
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderValue, Request, StatusCode, header};
use axum::response::{IntoResponse, Response};
use hyper::body::Incoming;
use hyper::service::{Service, service_fn};
use hyper_util::service::TowerToHyperService;
use kv_protocol::{Code, Refusal, authentication};
use std::convert::Infallible;
use std::net::IpAddr;

/// The router, behind the guard: nothing reaches it that was not let in.
#[derive(Clone, Debug)]
pub(super) struct Guarded {
    context: Context,
    router: TowerToHyperService<Router>,
}

impl Guarded {
    pub(super) fn new(context: Context, router: Router) -> Self {
        Self {
            context,
            router: TowerToHyperService::new(router),
        }
    }

    /// What answers one client.
    pub(super) fn service(
        self,
    ) -> impl Service<Request<Incoming>, Response = Response, Error = Infallible, Future: Send>
    {
        service_fn(move |request: Request<Incoming>| {
            let answer = check(&self.context, &request).map(|()| self.router.call(request));
            async move {
                let mut response = match answer {
                    Ok(answer) => answer.await?,
                    Err(problem) => problem.into_response(),
                };
                // A browser must not take a stored value for a script or a page.
                response.headers_mut().insert(
                    header::X_CONTENT_TYPE_OPTIONS,
                    HeaderValue::from_static("nosniff"),
                );
                Ok(response)
            }
        })
    }
}

fn check(context: &Context, request: &Request<Incoming>) -> Result<(), Problem> {
    check_page(context, request.headers())?;
    check_token(context, request.uri().path(), request.headers())
}

/// Refuses what a web page of another origin may have sent.
fn check_page(context: &Context, headers: &HeaderMap) -> Result<(), Problem> {
    let header = |name| headers.get(name).map(|value| value.to_str().unwrap_or(""));
    let forbidden = |detail| {
        Err(Problem::with_status(
            StatusCode::FORBIDDEN,
            Code::Forbidden,
            detail,
        ))
    };
    let host = header(header::HOST).unwrap_or("");
    // A page that has rebound its name to this machine does not have the token.
    let is_open = context.token.is_none() && context.address.ip().to_canonical().is_loopback();
    if is_open && !is_loopback(host) {
        return forbidden("the Host header must name this machine's loopback, such as localhost");
    }
    let same = header(header::ORIGIN).is_none_or(|origin| {
        origin
            .split_once("://")
            .is_some_and(|(_, authority)| authority == host)
    });
    if !same {
        return forbidden("requests from web pages of other origins are not served");
    }
    Ok(())
}

/// Refuses who lacks the token. Whether the server is alive anybody may know.
fn check_token(context: &Context, path: &str, headers: &HeaderMap) -> Result<(), Problem> {
    let Some(token) = &context.token else {
        return Ok(());
    };
    let shown = headers.get(header::AUTHORIZATION).and_then(|value| {
        let (scheme, shown) = value.as_bytes().split_at_checked("Bearer ".len())?;
        scheme
            .eq_ignore_ascii_case(b"Bearer ")
            .then_some(shown.trim_ascii())
    });
    let refusal = match shown {
        _ if ["/livez", "/readyz"].contains(&path) => return Ok(()),
        Some(shown) if token.is(shown) => return Ok(()),
        Some(_) => authentication::wrong(),
        None => Refusal::new(
            Code::Unauthenticated,
            "this server needs a token, in the header authorization: Bearer …",
        ),
    };
    Err(refusal.into())
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
