//! A server that needs a token serves who has it, and tells others nothing.

use crate::support::running::everywhere;
use crate::support::{LineClient, Running, request};
use kv_server::{ListenOptions, Server, Token, TokenText};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;

const TOKEN: &str = "6c1f0a52e8d94b7736c5a1f20e9b8d4c57a3f6e10b2d49c8857e6a1fd3029b4c";
const WRONG: &str = "6c1f0a52e8d94b7736c5a1f20e9b8d4c57a3f6e10b2d49c8857e6a1fd3029b4d";

fn guarded() -> ListenOptions {
    ListenOptions {
        token: Some(Token::from(&TokenText::new(TOKEN).unwrap())),
        ..everywhere()
    }
}

fn authenticate(token: &str) -> String {
    json!({"type": "authenticate", "token": token}).to_string()
}

/// What a new client is told, up to the end of the connection.
fn told(server: &Running, lines: &str) -> Vec<Value> {
    let mut client = LineClient::connect(server.lines());
    client.send(lines);
    let mut replies = Vec::new();
    while let Some(reply) = client.next_reply() {
        replies.push(reply);
    }
    replies
}

#[test]
fn a_line_client_without_the_token_is_told_so_and_gets_nothing_else() {
    let server = Running::listening("guest-echo", &guarded());
    for first in [
        "{\"n\":1}",
        "hello",
        &authenticate(WRONG),
        &authenticate(&TOKEN[1..]),
        &authenticate(""),
        &format!("{{\"type\":\"authenticate\",\"token\":\"{TOKEN}\",\"key\":1}}"),
        &format!("{{\"token\":\"{TOKEN}\"}}"),
        &"x".repeat(5000),
    ] {
        // What comes behind it is not carried out, the right token included.
        let lines = format!(
            "{first}\n{{\"n\":2}}\n{}\n{{\"n\":3}}\n",
            authenticate(TOKEN)
        );
        let replies = told(&server, &lines);
        assert_eq!(replies.len(), 1, "{first}: {replies:?}");
        assert_eq!(replies[0]["code"], "unauthenticated", "{first}");
        assert!(!replies[0].to_string().contains(&TOKEN[1..9]));
    }
    // Nor is it kept without an end.
    let replies = told(&server, &"x".repeat(5000));
    assert_eq!(replies[0]["code"], "unauthenticated");

    let mut client = LineClient::connect(server.lines());
    client.ask(&authenticate(TOKEN));
    assert_eq!(
        client.ask("{\"n\":4}")["count"],
        1,
        "nothing was handed to the actor before"
    );
}

#[test]
fn a_line_client_with_the_token_is_served_in_order() {
    let server = Running::listening("guest-echo", &guarded());
    let mut client = LineClient::connect(server.lines());
    client.send(format!(
        "\n{{\"type\":\"authenticate\",\"id\":[7],\"token\":\"{TOKEN}\"}}\n{{\"n\":1}}\n{{\"n\":2}}\n"
    ));
    assert_eq!(client.reply(), json!({"status": "ok", "id": [7]}));
    assert_eq!(client.reply()["event"]["n"], 1);
    assert_eq!(client.reply()["event"]["n"], 2);
    // A byte at a time is as good.
    let mut slow = LineClient::connect(server.lines());
    for byte in format!("{}\n{{\"n\":3}}\n", authenticate(TOKEN)).into_bytes() {
        slow.send([byte]);
    }
    assert_eq!(slow.reply(), json!({"status": "ok"}));
    assert_eq!(slow.reply()["event"]["n"], 3);
}

#[test]
fn http_needs_the_token_for_all_but_its_health() {
    let server = Running::listening("kv-store", &guarded());
    let ask = |method, path, headers: &[(&str, &str)]| {
        let json = ("content-type", "application/json");
        request(
            server.http(),
            method,
            path,
            &[headers, &[json]].concat(),
            "1",
        )
    };
    let bearer = format!("Bearer {TOKEN}");
    for (method, path) in [
        ("GET", "/keys/a"),
        ("PUT", "/keys/a"),
        ("DELETE", "/keys/a"),
        ("POST", "/events"),
        ("POST", "/content"),
        ("GET", "/metrics"),
        ("GET", "/openapi.json"),
        ("GET", "/livez/"),
        ("GET", "/none"),
    ] {
        for authorization in [
            None,
            Some(format!("Bearer {WRONG}")),
            Some(format!("Bearer {}", &TOKEN[1..])),
            Some(format!("Basic {TOKEN}")),
            Some("Bearer ".to_owned()),
            Some("Bearer".to_owned()),
            Some(TOKEN.to_owned()),
        ] {
            let header = authorization
                .as_ref()
                .map(|value| ("authorization", &value[..]));
            let response = ask(method, path, header.as_slice());
            response.assert_problem(401, "unauthenticated");
            assert_eq!(response.header("www-authenticate"), Some("Bearer"));
            assert!(!response.text().contains(&TOKEN[1..9]));
        }
        let response = ask(method, path, &[("authorization", &bearer)]);
        assert_ne!(response.status, 401, "{method} {path}");
    }
    for path in ["/livez", "/readyz"] {
        assert_eq!(ask("GET", path, &[]).status, 200);
    }
    let lower = format!("bearer {TOKEN}");
    assert_eq!(
        ask("PUT", "/keys/a", &[("authorization", &lower)]).status,
        200
    );
}

#[test]
fn with_a_token_any_host_is_served_and_other_origins_are_not() {
    let server = Running::listening("guest-echo", &guarded());
    let bearer = format!("Bearer {TOKEN}");
    let get = |headers: &[(&str, &str)]| {
        let token = [("authorization", &bearer[..]), ("host", "kv.example:7080")];
        request(
            server.http(),
            "GET",
            "/metrics",
            &[&token, headers].concat(),
            "",
        )
    };
    assert_eq!(get(&[]).status, 200);
    assert_eq!(get(&[("origin", "https://kv.example:7080")]).status, 200);
    get(&[("origin", "https://page.example")]).assert_problem(403, "forbidden");
}

#[test]
fn the_unix_socket_is_guarded_by_its_file_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("kv.sock");
    let options = ListenOptions {
        unix: Some(path.clone()),
        ..guarded()
    };
    let _server = Running::listening("guest-echo", &options);
    let mut client = UnixStream::connect(&path).unwrap();
    client.write_all(b"{\"n\":1}\n").unwrap();
    let mut line = String::new();
    BufReader::new(client).read_line(&mut line).unwrap();
    assert!(line.contains("\"ok\""), "{line}");
}

#[test]
fn other_machines_are_not_served_without_a_token() {
    let open = |address: &str| {
        let lines = ListenOptions {
            lines: Some(address.to_owned()),
            ..ListenOptions::default()
        };
        let http = ListenOptions {
            http: Some(address.to_owned()),
            ..ListenOptions::default()
        };
        [lines, http]
    };
    for options in open("0.0.0.0:0") {
        let message = Server::bind(&options).unwrap_err().to_string();
        for said in [
            "0.0.0.0:0",
            "--token-file",
            "KV_ACTOR_TOKEN",
            "openssl rand",
            "--insecure",
        ] {
            assert!(message.contains(said), "{message}");
        }
        let token = guarded().token;
        Server::bind(&ListenOptions {
            token,
            ..options.clone()
        })
        .unwrap();
        let insecure = true;
        Server::bind(&ListenOptions {
            insecure,
            ..options
        })
        .unwrap();
    }
    for options in open("127.0.0.2:0") {
        Server::bind(&options).unwrap();
    }
}
