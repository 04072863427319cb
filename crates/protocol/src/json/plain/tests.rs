use super::*;
use crate::json::compact;
use proptest::prelude::*;
use serde_json::value::RawValue;
use std::borrow::Cow;

fn whole(text: &str) -> bool {
    let mut plain = Plain::new(text);
    plain.value().is_some_and(|value| value == text) && plain.is_end()
}

#[test]
fn what_is_plain_is_read() {
    for text in [
        "0",
        "-1.50e+07",
        "1e400",
        "true",
        "[]",
        "{}",
        "[[],{},null,false]",
        "{\"a\":{\"b\":[1,2,\"é\\\"\\\\\\n\"]},\"a\":\"\"}",
        &format!("\"{}\"", "x".repeat(1000)),
        &format!("{}1{}", "[".repeat(63), "]".repeat(63)),
    ] {
        assert!(whole(text), "{text}");
        assert!(serde_json::from_str::<&RawValue>(text).is_ok(), "{text}");
    }
}

#[test]
fn what_is_not_plain_is_left_to_others() {
    for text in [
        "",
        " 1",
        "[1 ]",
        "01",
        "-",
        "1.",
        ".5",
        "1e",
        "+1",
        "tru",
        "nul",
        "[1,]",
        "[,1]",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\":1,}",
        "{a:1}",
        "[}",
        "{]",
        "[1}",
        "{\"a\":1]",
        "\"",
        "\"a",
        "\"\\u0041\"",
        "\"\\x\"",
        "\"\\",
        "\"\n\"",
        "\"\u{1f}\"",
        &format!("{}{}", "[".repeat(65), "]".repeat(65)),
    ] {
        assert!(!whole(text), "{text}");
    }
}

#[test]
fn strings_and_numbers_are_told() {
    let mut plain = Plain::new("\"key é\":12,  9999999999999999999");
    assert_eq!(plain.string(), Some("key é"));
    assert_eq!(plain.literal(":"), Some(()));
    assert_eq!(plain.number(), Some(12));
    assert_eq!(plain.literal(","), Some(()));
    plain.spaces();
    assert_eq!(plain.number(), Some(9_999_999_999_999_999_999));
    assert!(plain.is_end());
    for text in ["", "01", "x", "10000000000000000000"] {
        assert_eq!(Plain::new(text).number(), None, "{text}");
    }
    for text in ["", "x", "\"", "\"a\\n\"", "\"a\tb\""] {
        assert_eq!(Plain::new(text).string(), None, "{text}");
    }
}

/// Text that is nearly JSON: tokens in any order.
fn nearly_json() -> impl Strategy<Value = String> {
    let token = prop_oneof![
        "[\\[\\]{},:\" ]",
        "(\"[a\\\\n/u0é]{0,3}\")",
        "(-?[0-9.eE+]{1,4}|true|false|null|\"\"|\"a\":)",
    ];
    prop::collection::vec(token, 0..12).prop_map(|tokens| tokens.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]

    #[test]
    fn what_is_accepted_is_json_and_compact(text in nearly_json()) {
        if whole(&text) {
            let raw = serde_json::from_str::<&RawValue>(&text);
            prop_assert_eq!(raw.map(RawValue::get).ok(), Some(text.as_str()));
            prop_assert_eq!(compact("text", &text).ok(), Some(Cow::Borrowed(text.as_str())));
        }
    }
}
