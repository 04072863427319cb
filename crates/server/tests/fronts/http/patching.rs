//! Values that are changed in place: patches and counters.

use super::{JSON, ask};
use serde_json::json;

const MERGE: (&str, &str) = ("content-type", "application/merge-patch+json");
const PATCH: (&str, &str) = ("content-type", "application/json-patch+json");

#[test]
fn a_merge_patch_and_a_json_patch_change_a_part() {
    ask("PUT", "/keys/patched", &[JSON], r#"{"a":1,"b":[1]}"#);
    let merged = ask("PATCH", "/keys/patched", &[MERGE], "{\"a\":null,\n\"c\":2}");
    assert_eq!(merged.status, 200);
    let get = ask("GET", "/keys/patched", &[], "");
    assert_eq!(get.json(), json!({"b": [1], "c": 2}));
    assert_eq!(get.header("etag"), merged.header("etag"));
    let operations =
        r#"[{"op":"test","path":"/c","value":2},{"op":"add","path":"/b/-","value":3}]"#;
    assert_eq!(
        ask("PATCH", "/keys/patched", &[PATCH], operations).status,
        200
    );
    let value = json!({"b": [1, 3], "c": 2});
    assert_eq!(ask("GET", "/keys/patched", &[], "").json(), value);
    // A `test` is a condition.
    let failing = r#"[{"op":"remove","path":"/b"},{"op":"test","path":"/c","value":3}]"#;
    ask("PATCH", "/keys/patched", &[PATCH], failing).assert_problem(412, "conflict");
    assert_eq!(ask("GET", "/keys/patched", &[], "").json(), value);
    let old = [MERGE, ("if-match", merged.header("etag").unwrap())];
    ask("PATCH", "/keys/patched", &old, "{}").assert_problem(412, "conflict");
}

#[test]
fn what_is_no_patch_is_refused() {
    let unsupported = ask("PATCH", "/keys/patched-not", &[JSON], "{}");
    unsupported.assert_problem(415, "invalid_event");
    let accepted = unsupported.header("accept-patch").unwrap();
    assert!(accepted.contains("merge-patch") && accepted.contains("json-patch"));
    ask("PATCH", "/keys/patched-not", &[PATCH], "{").assert_problem(400, "invalid_json");
    ask("PATCH", "/keys/patched-not", &[PATCH], "{}").assert_problem(404, "not_found");
    ask("GET", "/keys/patched-not", &[], "").assert_problem(404, "not_found");
    ask("PUT", "/keys/patched-not", &[JSON], "{}");
    ask("PATCH", "/keys/patched-not", &[PATCH], "{}").assert_problem(422, "invalid_event");
}

#[test]
fn a_counter_counts_from_nothing() {
    let count = |headers: &[_], body: &str| ask("POST", "/keys/a%2Fcount/increment", headers, body);
    let first = count(&[], "");
    assert_eq!((first.status, &first.json()["value"]), (200, &json!(1)));
    assert_eq!(first.json()["key"], "a/count");
    let tag = format!("\"{}\"", first.json()["version"]);
    assert_eq!(first.header("etag"), Some(&tag[..]));
    assert_eq!(count(&[JSON], "{\"by\":\n-3}").json()["value"], -2);
    assert_eq!(count(&[JSON], "{}").json()["value"], -1);
    for body in ["[1]", "1", r#"{"by":1.5}"#, r#"{"by":"1"}"#, r#"{"to":1}"#] {
        count(&[JSON], body).assert_problem(422, "invalid_event");
    }
    count(&[], r#"{"by":1}"#).assert_problem(415, "invalid_event");
    assert_eq!(ask("GET", "/keys/a%2Fcount", &[], "").text(), "-1");
    // The empty key is one, too.
    let empty = ask("POST", "/keys//increment", &[], "");
    assert_eq!((empty.status, &empty.json()["key"]), (200, &json!("")));
}
