//! `/keys/{key}`: values as resources.

use super::{JSON, ask};
use crate::support::{LineClient, store};
use serde_json::json;

#[test]
fn a_value_is_put_read_and_deleted() {
    let put = ask("PUT", "/keys/life", &[JSON], r#"{"a": [1, 2]}"#);
    assert_eq!(
        (put.status, put.header("content-type")),
        (200, Some("application/json"))
    );
    let reply = put.json();
    assert_eq!(
        (&reply["status"], &reply["key"]),
        (&json!("ok"), &json!("life"))
    );
    let tag = format!("\"{}\"", reply["version"]);
    assert_eq!(put.header("etag"), Some(&tag[..]));

    let get = ask("GET", "/keys/life", &[], "");
    assert_eq!((get.status, get.text()), (200, r#"{"a":[1,2]}"#));
    assert_eq!(get.header("content-type"), Some("application/json"));
    assert_eq!(get.header("etag"), Some(&tag[..]));

    let head = ask("HEAD", "/keys/life", &[], "");
    assert_eq!((head.status, &head.body[..]), (200, &b""[..]));
    for name in ["etag", "content-type", "content-length"] {
        assert_eq!(head.header(name), get.header(name), "{name}");
    }

    let delete = ask("DELETE", "/keys/life", &[], "");
    assert_eq!((delete.status, &delete.body[..]), (204, &b""[..]));
    ask("GET", "/keys/life", &[], "").assert_problem(404, "not_found");
    ask("DELETE", "/keys/life", &[], "").assert_problem(404, "not_found");
    assert_eq!(ask("HEAD", "/keys/life", &[], "").status, 404);
}

#[test]
fn any_string_is_a_key() {
    let long = "k".repeat(60_000);
    let keys = [
        ("", String::new()),
        ("%00", "\0".to_owned()),
        ("..", "..".to_owned()),
        ("..%2F..%2Fetc%2Fpasswd", "../../etc/passwd".to_owned()),
        ("a%2Fb", "a/b".to_owned()),
        ("a%20b+c", "a b+c".to_owned()),
        ("%25", "%".to_owned()),
        ("%F0%9F%98%80", "😀".to_owned()),
        ("%22%5C%0A%0D%7F", "\"\\\n\r\u{7f}".to_owned()),
        ("%3Fq=1%23f", "?q=1#f".to_owned()),
        (&long[..], long.clone()),
    ];
    let mut client = LineClient::connect(store().lines());
    for (n, (path, key)) in keys.iter().enumerate() {
        let put = ask("PUT", &format!("/keys/{path}"), &[JSON], n.to_string());
        assert_eq!(
            (put.status, &put.json()["key"]),
            (200, &json!(key)),
            "{path}"
        );
        let get = ask("GET", &format!("/keys/{path}"), &[], "");
        assert_eq!(get.text(), n.to_string(), "{path}");
        // The line front means the same key.
        let get = json!({"type": "get", "key": key});
        assert_eq!(client.ask(&get.to_string())["value"], n);
        assert_eq!(ask("DELETE", &format!("/keys/{path}"), &[], "").status, 204);
    }
}

#[test]
fn a_query_is_no_part_of_a_key_and_an_unknown_parameter_is_refused() {
    let put = |path: &str| ask("PUT", path, &[JSON], "1");
    assert_eq!(put("/keys/query?").json()["key"], "query");
    assert_eq!(put("/keys/query?ttl_ms=60000").json()["key"], "query");
    for query in [
        "x=1",
        "ttl_ms",
        "ttl_ms=",
        "ttl_ms=1e3",
        "ttl_ms=-1",
        "ttl_ms=0",
        "ttl_ms=9007199254740992",
        "ttl_ms=1&ttl_ms=1",
        "ttl_ms=%",
        "ttl_ms=1&key=other",
    ] {
        put(&format!("/keys/query?{query}")).assert_problem(422, "invalid_event");
    }
    for path in ["/keys/query?x=1", "/stats?x", "/content/0?x=1"] {
        ask("GET", path, &[], "").assert_problem(422, "invalid_event");
    }
    ask("DELETE", "/keys/query?if_version=1", &[], "").assert_problem(422, "invalid_event");
}

#[test]
fn a_path_that_is_no_key_is_refused() {
    ask("GET", "/keys/%FF", &[], "").assert_problem(422, "invalid_event");
    ask("PUT", "/keys/%C3%28", &[JSON], "1").assert_problem(422, "invalid_event");
    for broken in ["%", "%4", "%zz", "a%2"] {
        let path = format!("/keys/{broken}");
        ask("PUT", &path, &[JSON], "1").assert_problem(422, "invalid_event");
    }
    ask("GET", "/keys/a/b", &[], "").assert_problem(404, "not_found");
}

#[test]
fn a_value_keeps_its_digits_its_order_and_its_doubled_names() {
    let values = [
        "12345678901234567890",
        "1.10",
        "1e400",
        "-0",
        "0.1E+2",
        r#"{"z":1,"a":2,"z":3}"#,
        r#""\u00e9 \/ \" \\ \n é 😀""#,
        "null",
        "[[],{},\"\"]",
    ];
    for value in values {
        assert_eq!(
            ask("PUT", "/keys/digits", &[JSON], value).status,
            200,
            "{value}"
        );
        assert_eq!(ask("GET", "/keys/digits", &[], "").text(), value);
    }
}

#[test]
fn a_value_on_many_lines_is_one_value() {
    let value = "\r\n{\n  \"a\": [\r\n\t1,\n\t2\n],\n \"line\\nfeed\": \" kept \"\n}\n\n";
    assert_eq!(ask("PUT", "/keys/many%20lines", &[JSON], value).status, 200);
    let get = ask("GET", "/keys/many%20lines", &[], "");
    assert_eq!(get.text(), r#"{"a":[1,2],"line\nfeed":" kept "}"#);
    // Nothing in a body is taken for another event.
    let forged = "1}\n{\"type\":\"put\",\"key\":\"forged\",\"value\":1";
    ask("PUT", "/keys/a", &[JSON], forged).assert_problem(400, "invalid_json");
    ask("GET", "/keys/forged", &[], "").assert_problem(404, "not_found");
}

#[test]
fn a_key_too_long_is_refused() {
    let long = "k".repeat(65_000);
    assert_eq!(
        ask("PUT", &format!("/keys/{long}"), &[JSON], "1").status,
        200
    );
    // Beyond what HTTP takes as a path; longer keys have POST /events.
    let response = ask("PUT", &format!("/keys/{long}{long}"), &[JSON], "1");
    assert_eq!(response.status, 414);
}
