//! Web pages are kept from a store on loopback.

use super::{JSON, ask};
use crate::support::{http_client, store};
use std::io::Write;

#[test]
fn only_hosts_on_loopback_are_served() {
    let port = store().http().port();
    for host in ["localhost", "127.0.0.1", "[::1]"] {
        for host in [host.to_owned(), format!("{host}:{port}")] {
            assert_eq!(
                ask("GET", "/livez", &[("host", &host)], "").status,
                200,
                "{host}"
            );
        }
    }
    for host in [
        "rebound.example",
        "localhost.example",
        "10.0.0.1",
        "127.0.0.1.example:80",
        "",
        "a b",
    ] {
        for (method, path) in [
            ("GET", "/keys/a"),
            ("PUT", "/keys/a"),
            ("POST", "/events"),
            ("GET", "/none"),
        ] {
            let response = ask(method, path, &[("host", host), JSON], "1");
            response.assert_problem(403, "forbidden");
        }
    }
}

#[test]
fn only_pages_of_its_own_origin_are_served() {
    let own = format!("http://{}", store().http());
    assert_eq!(ask("GET", "/livez", &[("origin", &own)], "").status, 200);
    let other_port = format!("http://127.0.0.1:{}", store().http().port() ^ 1);
    for origin in ["http://page.example", "null", "", "http://", &other_port] {
        let headers = [("origin", origin), JSON];
        ask("PUT", "/keys/page", &headers, "1").assert_problem(403, "forbidden");
    }
    ask("GET", "/keys/page", &[], "").assert_problem(404, "not_found");
}

#[test]
fn a_browser_takes_a_value_for_nothing_but_json() {
    assert_eq!(
        ask("PUT", "/keys/page%20value", &[JSON], "\"<script>\"").status,
        200
    );
    let response = ask("GET", "/keys/page%20value", &[], "");
    assert_eq!(response.header("x-content-type-options"), Some("nosniff"));
}

#[test]
fn a_browser_is_never_told_that_another_origin_may_ask() {
    let preflight = [
        ("origin", "http://page.example"),
        ("access-control-request-method", "PUT"),
    ];
    let own = format!("http://{}", store().http());
    for (method, headers) in [
        ("OPTIONS", &preflight[..]),
        ("OPTIONS", &[("origin", &own)]),
        ("GET", &[("origin", &own)]),
    ] {
        let response = ask(method, "/keys/page", headers, "");
        assert_ne!(response.status, 200, "{method}");
        for name in ["origin", "methods", "headers", "credentials"] {
            let name = format!("access-control-allow-{name}");
            assert_eq!(response.header(&name), None, "{method}");
        }
    }
}

#[test]
fn more_headers_than_anybody_needs_are_refused() {
    let names: Vec<_> = (0..101).map(|n| format!("x-{n}")).collect();
    let many: Vec<_> = names.iter().map(|name| (&name[..], "1")).collect();
    assert_eq!(ask("GET", "/livez", &many, "").status, 431);
    assert_eq!(ask("GET", "/livez", &many[..90], "").status, 200);
    // One without an end is read no further than 400 KiB or so.
    let mut stream = http_client::connect(store().http());
    stream.write_all(b"GET /livez HTTP/1.1\r\nx: ").unwrap();
    let piece = vec![b'x'; 64 << 10];
    let refused = (0..1000).any(|_| stream.write_all(&piece).is_err());
    assert!(refused, "64 MB of a header were taken");
    assert_eq!(ask("GET", "/livez", &[], "").status, 200);
}
