//! What those who run the server ask it, and what it doesn't have.

use super::{JSON, ask};
use crate::support::event_stream::EventStream;
use crate::support::{LineClient, Running, request, store};
use serde_json::Value;

#[test]
fn it_is_alive_and_ready() {
    assert_eq!(ask("GET", "/livez", &[], "").status, 200);
    assert_eq!(ask("GET", "/readyz", &[], "").status, 200);
}

#[test]
fn a_path_or_a_method_that_is_not_there_is_a_problem() {
    for path in [
        "/",
        "/none",
        "/content",
        "/events",
        "/keys/a/b/c",
        "/livez/x",
    ] {
        let status = if ["/content", "/events"].contains(&path) {
            405
        } else {
            404
        };
        let response = ask("GET", path, &[], "");
        assert_eq!(response.status, status, "{path}");
        assert_eq!(
            response.header("content-type"),
            Some("application/problem+json"),
            "{path}"
        );
    }
    for (method, path, allowed) in [
        ("POST", "/keys/a", "GET,HEAD,PUT,PATCH,DELETE"),
        ("DELETE", "/content", "POST"),
        ("PATCH", "/events", "POST"),
        ("PUT", "/metrics", "GET,HEAD"),
    ] {
        let response = ask(method, path, &[JSON], "1");
        assert_eq!(response.status, 405, "{method} {path}");
        assert_eq!(response.header("allow"), Some(allowed), "{method} {path}");
        assert_eq!(
            response.header("content-type"),
            Some("application/problem+json")
        );
    }
}

#[test]
fn metrics_are_prometheus_text_and_name_no_key() {
    let mut client = LineClient::connect(store().lines());
    client.ask(r#"{"type":"put","key":"secret-key","value":"secret-value"}"#);
    assert_eq!(
        ask("PUT", "/keys/secret-key", &[JSON], "\"secret-value\"").status,
        200
    );
    let metrics = ask("GET", "/metrics", &[], "");
    assert_eq!(metrics.status, 200);
    let text = metrics.text();
    for name in [
        "kv_events_total",
        "kv_events_unavailable_total",
        "kv_actor_restarts_total",
        "kv_batch_events_count",
        "kv_handle_seconds_bucket",
        "kv_sync_seconds_bucket",
        "kv_line_connections",
        "kv_watchers",
        "kv_version",
        "kv_keys",
        "kv_contents",
        "kv_segments",
        "kv_live_bytes",
        "kv_dead_bytes",
        "kv_cache_bytes",
        "kv_cache_hits_total",
        "kv_cache_misses_total",
    ] {
        assert!(
            text.contains(&format!("\n{name}")),
            "{name} is missing: {text}"
        );
    }
    assert!(!text.contains("secret"), "{text}");
    let figure = |text: &str, name: &str| -> f64 {
        let line = text
            .lines()
            .find(|line| line.starts_with(&format!("{name} ")))
            .unwrap();
        line.split(' ').nth(1).unwrap().parse().unwrap()
    };
    assert!(figure(text, "kv_events_total") >= 2.0);
    assert!(figure(text, "kv_line_connections") >= 1.0);
    // Each of the two puts was synced before its reply.
    assert!(figure(text, "kv_sync_seconds_count") >= 2.0);
    let synced = figure(text, "kv_sync_seconds_sum");
    assert!(0.0 < synced && synced < figure(text, "kv_handle_seconds_sum"));
    assert!(figure(text, "kv_keys") >= 1.0 && figure(text, "kv_live_bytes") > 0.0);
    assert!(text.ends_with("\n# EOF\n"));
}

/// The document is checked against the server: a resource or a method that one
/// has and the other lacks is a failure.
#[test]
fn the_openapi_document_says_what_there_is() {
    let response = ask("GET", "/openapi.json", &[], "");
    assert_eq!(
        (response.status, response.header("content-type")),
        (200, Some("application/json"))
    );
    let document = response.json();
    assert!(document["openapi"].as_str().unwrap().starts_with("3."));
    let paths = document["paths"].as_object().unwrap();
    let resources = [
        ("/events", "/events"),
        ("/keys", "/keys"),
        ("/keys/{key}", "/keys/openapi"),
        ("/keys/{key}/increment", "/keys/openapi/increment"),
        ("/changes", "/changes"),
        // The stream itself has no end.
        ("/watch", "/watch?since=none"),
        ("/stats", "/stats"),
        ("/backup", "/backup"),
        ("/content", "/content"),
        ("/content/{hash}", "/content/0"),
        ("/livez", "/livez"),
        ("/readyz", "/readyz"),
        ("/metrics", "/metrics"),
        ("/openapi.json", "/openapi.json"),
    ];
    let mut named: Vec<_> = paths.keys().map(String::as_str).collect();
    named.sort_unstable();
    let mut known: Vec<_> = resources.iter().map(|(name, _)| *name).collect();
    known.sort_unstable();
    assert_eq!(named, known);
    for (name, path) in resources {
        for method in ["get", "head", "put", "post", "delete", "patch"] {
            let response = ask(&method.to_uppercase(), path, &[], "");
            let served = response.status != 405;
            let documented = &paths[name][method];
            assert_eq!(documented.is_object(), served, "{method} {name}");
            if served {
                let status = response.status.to_string();
                let responses = &documented["responses"];
                assert!(
                    responses[&status].is_object(),
                    "{method} {name} answers {status}"
                );
            }
        }
    }
    assert_references(&document, &document);
}

/// What the document gives as examples works, and is answered as it says.
#[test]
fn the_examples_of_the_openapi_document_work() {
    let server = Running::start("kv-store");
    let document = request(server.http(), "GET", "/openapi.json", &[], "").json();
    let paths = document["paths"].as_object().unwrap();
    let mut tried = 0;
    // What is read was written before, and is removed at last.
    for method in ["put", "post", "patch", "get", "head", "delete"] {
        for (name, resource) in paths {
            let operation = &resource[method];
            if !operation.is_object() {
                continue;
            }
            let mut path = name.clone();
            let mut query = Vec::new();
            for parameters in [&resource["parameters"], &operation["parameters"]] {
                for parameter in parameters.as_array().into_iter().flatten() {
                    let (example, at) = (&parameter["example"], &parameter["in"]);
                    let example = example
                        .as_str()
                        .map_or(example.to_string(), ToOwned::to_owned);
                    let parameter_name = parameter["name"].as_str().unwrap();
                    if at == "path" {
                        path = path.replace(&format!("{{{parameter_name}}}"), &example);
                    } else if at == "query" && !parameter["example"].is_null() {
                        query.push(format!("{parameter_name}={example}"));
                    }
                }
            }
            assert!(!path.contains('{'), "{name} has no example of its path");
            if !query.is_empty() {
                path = format!("{path}?{}", query.join("&"));
            }
            if (method, &name[..]) == ("get", "/watch") {
                EventStream::open(server.http(), &path, None).change();
                continue;
            }
            let contents = operation["requestBody"]["content"].as_object();
            let bodies = contents.map_or_else(
                || vec![(None, String::new())],
                |contents| {
                    let body = |(kind, content): (&String, &Value)| {
                        let example = &content["example"];
                        let lines = example.as_str().filter(|_| kind.contains("ndjson"));
                        let body = lines.map_or(example.to_string(), ToOwned::to_owned);
                        (Some(kind.clone()), body)
                    };
                    contents.iter().map(body).collect()
                },
            );
            for (kind, body) in bodies {
                let headers: Vec<_> = kind
                    .iter()
                    .map(|kind| ("content-type", &kind[..]))
                    .collect();
                let method = method.to_uppercase();
                let response = request(server.http(), &method, &path, &headers, body);
                let status = response.status;
                assert!(
                    (200..300).contains(&status),
                    "{method} {path}: {response:?}"
                );
                let documented = &operation["responses"][status.to_string()];
                assert!(documented.is_object(), "{method} {path}: {status}");
                let kind = response.header("content-type").unwrap_or_default();
                let kind = kind.split(';').next().unwrap();
                let is_empty = method == "HEAD" || status == 204;
                assert!(
                    is_empty || documented["content"][kind].is_object(),
                    "{method} {path}: {kind}"
                );
                tried += 1;
            }
        }
    }
    assert!(tried > 20, "{tried}");
}

/// Every `$ref` leads somewhere.
fn assert_references(document: &serde_json::Value, part: &serde_json::Value) {
    match part {
        serde_json::Value::Object(members) => {
            if let Some(reference) = members.get("$ref") {
                let pointer = reference.as_str().unwrap().strip_prefix('#').unwrap();
                assert!(
                    document.pointer(pointer).is_some(),
                    "{pointer} leads nowhere"
                );
            }
            members
                .values()
                .for_each(|member| assert_references(document, member));
        }
        serde_json::Value::Array(elements) => {
            for element in elements {
                assert_references(document, element);
            }
        }
        _ => {}
    }
}
