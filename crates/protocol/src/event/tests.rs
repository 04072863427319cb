//! What a line may say, and what each faulty line is told.

use super::*;
use crate::limits::{CONTENT_BYTES_MAX, KEY_BYTES_MAX, OPERATIONS_MAX, VALUE_BYTES_MAX};

fn operation_of(line: &str) -> Result<Operation<'_>, Refusal> {
    parse(line.as_bytes()).operation
}

fn code_of(line: &str) -> Code {
    operation_of(line).unwrap_err().code
}

fn put<'a>(key: &'a str, value: &'a str) -> Operation<'a> {
    Operation::Write(Write::Put {
        key: key.into(),
        value: value.into(),
        if_version: None,
        ttl_ms: None,
    })
}

#[test]
fn the_five_events_are_read() {
    assert_eq!(
        operation_of(r#"{"type":"put","key":"a","value":{"n": 1.10}}"#),
        Ok(put("a", r#"{"n":1.10}"#))
    );
    assert_eq!(
        operation_of(r#" {"key":"\u0000","type":"get"} "#),
        Ok(Operation::Get {
            key: "\0".into(),
            if_none_match: None
        })
    );
    assert_eq!(
        operation_of(r#"{"type":"delete","key":""}"#),
        Ok(Operation::Write(Write::Delete {
            key: "".into(),
            if_version: None
        }))
    );
    assert_eq!(
        operation_of(r#"{"type":"store_content","content":null}"#),
        Ok(Operation::Write(Write::StoreContent {
            content: "null".into()
        }))
    );
    let line = format!(r#"{{"type":"get_content","hash":"{}"}}"#, "0F".repeat(20));
    assert_eq!(
        operation_of(&line),
        Ok(Operation::GetContent { hash: [15; 20] })
    );
}

#[test]
fn values_keep_their_text() {
    for value in [
        "null",
        "12345678901234567890",
        "1e400",
        "-0.0",
        r#"{"b":1,"a":2,"b":3}"#,
        r#""\u00e9 \ud83d\ude00""#,
    ] {
        let line = format!(r#"{{"type":"put","key":"k","value":{value}}}"#);
        assert_eq!(operation_of(&line), Ok(put("k", value)));
    }
}

#[test]
fn text_that_is_no_json_is_told_apart_from_json_that_is_no_event() {
    for line in [
        "",
        "put a 1",
        r#"{"type":"get","key":"a""#,
        r#"{"type":"get","key":"a"} x"#,
        r#"{"type":"get","key":"a"}{"#,
        r#"{"type":"get","key":"\ud800"}"#,
        r#"{"type":"put","key":"a","value":"\udfff"}"#,
        r#"{"type":"put","key":"a","value":01}"#,
        "{\"type\":\"get\",\"key\":\"a\nb\"}",
    ] {
        assert_eq!(code_of(line), Code::InvalidJson, "{line}");
    }
    assert_eq!(
        parse(b"{\"type\":\"get\",\"key\":\"\xff\"}")
            .operation
            .unwrap_err()
            .code,
        Code::InvalidJson
    );
    for line in [
        "[]",
        "7",
        r#"["put",null,"k",1]"#,
        "{}",
        r#"{"type":"frobnicate"}"#,
        r#"{"type":7,"key":"a"}"#,
        r#"{"type":"get"}"#,
        r#"{"type":"get","key":null}"#,
        r#"{"type":"get","key":["a"]}"#,
        r#"{"type":"get","key":"a","key":"a"}"#,
        r#"{"type":"get","key":"a","value":1}"#,
        r#"{"type":"put","key":"a","valeu":1}"#,
        r#"{"type":"get","key":"a","Key":"a"}"#,
        r#"{"type":"get_content","hash":"abc"}"#,
        r#"{"type":"get_content","hash":"zz00000000000000000000000000000000000000"}"#,
    ] {
        assert_eq!(code_of(line), Code::InvalidEvent, "{line}");
    }
}

#[test]
fn options_are_read_and_checked() {
    let line = r#"{"type":"put","key":"a","value":1,"if_version":0,"ttl_ms":1000}"#;
    assert_eq!(
        operation_of(line),
        Ok(Operation::Write(Write::Put {
            key: "a".into(),
            value: "1".into(),
            if_version: Some(0),
            ttl_ms: Some(1000),
        }))
    );
    let line = r#"{"type":"list","prefix":"a\/","start":"a/b","reverse":true,"limit":1000}"#;
    assert_eq!(
        operation_of(line),
        Ok(Operation::List(List {
            prefix: "a/".into(),
            start: Some("a/b".into()),
            end: None,
            reverse: true,
            limit: 1000,
            values: false,
            cursor: None,
        }))
    );
    for bad in [
        r#"{"type":"put","key":"a","value":1,"if_version":"3"}"#,
        r#"{"type":"put","key":"a","value":1,"if_version":-1}"#,
        r#"{"type":"put","key":"a","value":1,"if_version":1.0}"#,
        r#"{"type":"put","key":"a","value":1,"if_version":9007199254740992}"#,
        r#"{"type":"put","key":"a","value":1,"ttl_ms":0}"#,
        r#"{"type":"list","limit":0}"#,
        r#"{"type":"list","limit":1001}"#,
        r#"{"type":"list","reverse":1}"#,
        r#"{"type":"list","cursor":1}"#,
        r#"{"type":"increment","key":"a","by":1.5}"#,
        r#"{"type":"increment","key":"a","by":9223372036854775808}"#,
        r#"{"type":"patch","key":"a"}"#,
        r#"{"type":"patch","key":"a","merge":{},"patch":[]}"#,
        r#"{"type":"get_many","keys":"a"}"#,
        r#"{"type":"get_many","keys":[1]}"#,
        r#"{"type":"put_many","entries":[]}"#,
        r#"{"type":"put_many","entries":{"a":1,"\u0061":2}}"#,
        r#"{"type":"stats","key":"a"}"#,
    ] {
        assert_eq!(code_of(bad), Code::InvalidEvent, "{bad}");
    }
}

#[test]
fn a_batch_names_the_operation_that_is_wrong() {
    let line = r#"{"type":"batch","operations":[{"type":"put","key":"a","value":1},{"type":"delete","key":"b","if_version":7}]}"#;
    assert_eq!(
        operation_of(line),
        Ok(Operation::Batch {
            writes: vec![
                Write::Put {
                    key: "a".into(),
                    value: "1".into(),
                    if_version: None,
                    ttl_ms: None,
                },
                Write::Delete {
                    key: "b".into(),
                    if_version: Some(7),
                },
            ],
            kind: BatchKind::Batch,
        })
    );
    for bad in [
        r#"{"type":"get","key":"a"}"#,
        r#"{"type":"batch","operations":[]}"#,
        r#"{"type":"put","key":"a"}"#,
        r#"{"type":"put","key":"a","value":1,"id":3}"#,
        "7",
    ] {
        let line =
            format!(r#"{{"type":"batch","operations":[{{"type":"delete","key":"a"}},{bad}]}}"#);
        let refusal = operation_of(&line).unwrap_err();
        assert_eq!(refusal.code, Code::InvalidEvent, "{bad}");
        assert_eq!(refusal.details.operation, Some(1), "{bad}");
        assert!(refusal.message.starts_with("operation 1: "), "{bad}");
    }
}

#[test]
fn a_batch_has_its_limit() {
    let keys = |count: usize| {
        let keys = vec!["\"k\""; count].join(",");
        operation_of(&format!(r#"{{"type":"delete_many","keys":[{keys}]}}"#))
            .map(drop)
            .map_err(|refusal| refusal.code)
    };
    assert_eq!(keys(OPERATIONS_MAX), Ok(()));
    assert_eq!(keys(OPERATIONS_MAX + 1), Err(Code::TooLarge));
}

#[test]
fn messages_name_the_field() {
    let message = |line| operation_of(line).unwrap_err().message;
    assert!(message(r#"{"type":"put","key":"a","valeu":1}"#).contains("`valeu`"));
    assert!(message(r#"{"type":"put","key":"a"}"#).contains("`value`"));
    assert!(message(r#"{"type":"gett","key":"a"}"#).contains("`gett`"));
    assert!(message(r#"{"type":"get","key":"a","type":"get"}"#).contains("`type`"));
}

#[test]
fn the_id_is_echoed_even_from_a_faulty_event() {
    for (line, id) in [
        (r#"{"type":"get","key":"a","id":7}"#, Some("7")),
        (r#"{"id":null,"type":"get","key":"a"}"#, Some("null")),
        (r#"{"oops":1,"id":"x"}"#, Some(r#""x""#)),
        (r#"{"type":"get","key":5,"id":[1]}"#, Some("[1]")),
        (r#"{"type":"get","id":1"#, None),
        ("[]", None),
    ] {
        assert_eq!(parse(line.as_bytes()).id, id, "{line}");
    }
}

#[test]
fn limits_hold_to_the_byte() {
    let put = |key: usize, value: usize| {
        let value = "1".repeat(value);
        let line = format!(
            r#"{{"type":"put","key":"{}","value":{value}}}"#,
            "k".repeat(key)
        );
        operation_of(&line)
            .map(drop)
            .map_err(|refusal| refusal.code)
    };
    assert_eq!(put(KEY_BYTES_MAX, 1), Ok(()));
    assert_eq!(put(KEY_BYTES_MAX + 1, 1), Err(Code::TooLarge));
    assert_eq!(put(1, VALUE_BYTES_MAX), Ok(()));
    assert_eq!(put(1, VALUE_BYTES_MAX + 1), Err(Code::TooLarge));
    assert_eq!(put(1, EVENT_BYTES_MAX), Err(Code::TooLarge));

    let content = format!(
        r#"{{"type":"store_content","content":{}}}"#,
        "1".repeat(CONTENT_BYTES_MAX + 1)
    );
    assert_eq!(code_of(&content), Code::TooLarge);

    let id = |bytes: usize| {
        let line = format!(r#"{{"type":"get","key":"a","id":{}}}"#, "1".repeat(bytes));
        operation_of(&line)
            .map(drop)
            .map_err(|refusal| refusal.code)
    };
    assert_eq!(id(ID_BYTES_MAX), Ok(()));
    assert_eq!(id(ID_BYTES_MAX + 1), Err(Code::TooLarge));
}

#[test]
fn nesting_deeper_than_any_stack_is_refused() {
    let deep = "[".repeat(5_000_000);
    for line in [
        format!(
            r#"{{"type":"put","key":"a","value":{deep}{}}}"#,
            deep.replace('[', "]")
        ),
        format!(
            r#"{{"type":"get","key":"a","id":{deep}{}}}"#,
            deep.replace('[', "]")
        ),
    ] {
        assert_eq!(code_of(&line), Code::TooLarge);
    }
    assert_eq!(code_of(&deep), Code::InvalidEvent);
    let unknown = format!(r#"{{"x":{deep}{}}}"#, deep.replace('[', "]"));
    assert_eq!(code_of(&unknown), Code::InvalidEvent);
}

#[test]
fn hashes_are_read_and_written() {
    let text = "0123456789abcdef0123456789abcdef01234567";
    assert_eq!(format_hash(&parse_hash(text).unwrap()), text);
    assert_eq!(parse_hash(&text.to_uppercase()), parse_hash(text));
    assert_eq!(parse_hash(&text[1..]), None);
}
