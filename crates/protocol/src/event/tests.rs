//! What a line may say, and what each faulty line is told.

use super::*;

fn operation_of(line: &str) -> Result<Operation<'_>, Refusal> {
    parse(line.as_bytes()).operation
}

fn code_of(line: &str) -> Code {
    operation_of(line).unwrap_err().code
}

#[test]
fn the_five_events_are_read() {
    assert_eq!(
        operation_of(r#"{"type":"put","key":"a","value":{"n": 1.10}}"#),
        Ok(Operation::Put {
            key: "a".into(),
            value: r#"{"n":1.10}"#.into()
        })
    );
    assert_eq!(
        operation_of(r#" {"key":"\u0000","type":"get"} "#),
        Ok(Operation::Get { key: "\0".into() })
    );
    assert_eq!(
        operation_of(r#"{"type":"delete","key":""}"#),
        Ok(Operation::Delete { key: "".into() })
    );
    assert_eq!(
        operation_of(r#"{"type":"store_content","content":null}"#),
        Ok(Operation::StoreContent {
            content: "null".into()
        })
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
        assert_eq!(
            operation_of(&line),
            Ok(Operation::Put {
                key: "k".into(),
                value: value.into()
            })
        );
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
