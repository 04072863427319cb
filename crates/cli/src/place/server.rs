//! A running server as a place for events: its HTTP front.

use crate::arguments::Place as Arguments;
use crate::failure::Failure;
use crate::token;
use kv_engine::Options;
use kv_protocol::Code;
use kv_runtime::manifest::Manifest;
use kv_server::TokenText;
use std::io::Read;
use std::sync::Arc;
use ureq::Body;
use ureq::http::{Response, StatusCode};
use ureq::tls::{Certificate, RootCerts, TlsConfig};

/// A server's HTTP front.
pub(crate) struct Server {
    agent: ureq::Agent,
    url: String,
    token: Option<TokenText>,
}

impl Server {
    pub(crate) fn new(url: &str, arguments: &Arguments) -> Result<Self, Failure> {
        let mut config = ureq::Agent::config_builder().http_status_as_error(false);
        if url.starts_with("https:") {
            config = config.tls_config(tls()?);
        }
        Ok(Self {
            agent: config.build().into(),
            url: url.trim_end_matches('/').to_owned(),
            token: find_token(arguments)?,
        })
    }

    /// Posts events, a line each, and returns their replies.
    pub(crate) fn post(&self, events: &[u8]) -> Result<Vec<u8>, Failure> {
        let url = format!("{}/events", self.url);
        let request = self.agent.post(&url);
        let request = self.authorized(request.header("content-type", "application/x-ndjson"));
        let mut response = request.send(events).map_err(|e| unavailable(&url, &e))?;
        let body = body(&url, &mut response)?;
        if response.status().is_success() {
            return Ok(body);
        }
        Err(refused(&url, response.status(), &body))
    }

    /// Asks for a stream of server-sent events, behind the last that was seen.
    pub(crate) fn get(
        &self,
        path: &str,
        last_id: Option<&str>,
    ) -> Result<impl Read + use<>, Failure> {
        let url = format!("{}/{path}", self.url);
        let mut request = self.authorized(self.agent.get(&url));
        if let Some(id) = last_id {
            request = request.header("last-event-id", id);
        }
        let mut response = request.call().map_err(|e| unavailable(&url, &e))?;
        if response.status().is_success() {
            let body = response.into_body();
            return Ok(body.into_with_config().limit(u64::MAX).reader());
        }
        let body = body(&url, &mut response)?;
        Err(refused(&url, response.status(), &body))
    }

    fn authorized<B>(&self, request: ureq::RequestBuilder<B>) -> ureq::RequestBuilder<B> {
        match &self.token {
            Some(token) => request.header("authorization", format!("Bearer {}", token.as_str())),
            None => request,
        }
    }
}

fn body(url: &str, response: &mut Response<Body>) -> Result<Vec<u8>, Failure> {
    let body = response.body_mut().with_config().limit(u64::MAX);
    body.read_to_vec().map_err(|e| unavailable(url, &e))
}

fn unavailable(url: &str, error: &ureq::Error) -> Failure {
    Failure::coded(
        Code::Unavailable,
        format!("{url} can't be reached: {error}; is the server running?"),
    )
}

fn refused(url: &str, status: StatusCode, body: &[u8]) -> Failure {
    let problem = serde_json::from_slice(body).unwrap_or(Problem {
        code: None,
        detail: None,
    });
    let detail = problem.detail.unwrap_or_default();
    let message = format!("{url} answered {status}: {detail}");
    match problem.code.as_deref().and_then(Code::from_name) {
        Some(code) => Failure::coded(code, message),
        None => Failure::new(message),
    }
}

/// The part of an `application/problem+json` that says what happened.
#[derive(serde::Deserialize)]
struct Problem {
    code: Option<String>,
    detail: Option<String>,
}

fn find_token(arguments: &Arguments) -> Result<Option<TokenText>, Failure> {
    let manifest = Manifest::load(arguments.manifest.as_deref(), &Options::NAMES)
        .map_err(|e| Failure::new(e.to_string()))?;
    token::find(
        arguments.token_file.as_deref(),
        manifest.listen.token_file.as_deref(),
    )
}

/// Trusts whom the system trusts; `SSL_CERT_FILE` names others.
fn tls() -> Result<TlsConfig, Failure> {
    let found = rustls_native_certs::load_native_certs();
    if found.certs.is_empty() {
        let reasons: Vec<_> = found.errors.iter().map(ToString::to_string).collect();
        return Err(Failure::new(format!(
            "no trusted certificates can be found ({}); \
             SSL_CERT_FILE may name a file of them",
            reasons.join("; ")
        )));
    }
    let certificates = found
        .certs
        .iter()
        .map(|der| Certificate::from_der(der).to_owned());
    Ok(TlsConfig::builder()
        .root_certs(RootCerts::from(certificates.collect::<Vec<_>>()))
        .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .build())
}
