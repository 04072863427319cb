//! The canonical form against RFC 8785's own examples and its rules.

use super::*;
use kv_protocol::limits::CONTENT_BYTES_MAX;
use proptest::prelude::*;

fn form(text: &str) -> String {
    canonical(text, CONTENT_BYTES_MAX).unwrap()
}

fn code(text: &str) -> Code {
    canonical(text, CONTENT_BYTES_MAX).unwrap_err().code
}

#[test]
fn names_are_ordered_by_utf16_units() {
    // RFC 8785, section 3.2.3.
    let text = r#"{"\u20ac":"Euro Sign","\r":"Carriage Return","\ufb33":"Hebrew Letter Dalet With Dagesh","1":"One","\ud83d\ude00":"Emoji: Grinning Face","\u0080":"Control","\u00f6":"Latin Small Letter O With Diaeresis"}"#;
    assert_eq!(
        form(text),
        "{\"\\r\":\"Carriage Return\",\"1\":\"One\",\"\u{80}\":\"Control\",\"ö\":\"Latin Small Letter O With Diaeresis\",\"€\":\"Euro Sign\",\"😀\":\"Emoji: Grinning Face\",\"\u{fb33}\":\"Hebrew Letter Dalet With Dagesh\"}"
    );
}

#[test]
fn strings_are_escaped_only_where_they_must_be() {
    // RFC 8785, section 3.2.2.
    let text = r#""\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/""#;
    assert_eq!(form(text), "\"€$\\u000f\\nA'B\\\"\\\\\\\\\\\"/\"");
}

#[test]
fn numbers_have_one_form_each() {
    for (text, expected) in [
        ("0", "0"),
        ("-0", "0"),
        ("-0.00e7", "0"),
        ("1.10", "1.1"),
        ("1E2", "100"),
        ("1e20", "100000000000000000000"),
        ("1e21", "1e+21"),
        ("0.000001", "0.000001"),
        ("0.0000001", "1e-7"),
        ("-12.5e-1", "-1.25"),
        ("4.50", "4.5"),
        ("2e-3", "0.002"),
        ("1e-27", "1e-27"),
        ("100e-2", "1"),
        // What a double can't hold keeps its digits.
        ("12345678901234567890", "12345678901234567890"),
        ("12345678901234567890.0", "12345678901234567890"),
        ("333333333.33333329", "333333333.33333329"),
        ("1e400", "1e+400"),
        ("0.1e-400", "1e-401"),
        (
            "123456789012345678901234567890",
            "1.2345678901234567890123456789e+29",
        ),
    ] {
        assert_eq!(form(text), expected, "{text}");
    }
    assert_eq!(code("1e9999999999999999"), Code::InvalidEvent);
    assert_eq!(form("0e9999999999999999"), "0");
    assert_eq!(form("1e0000000000000000000000007"), "10000000");
}

#[test]
fn two_members_of_one_name_are_refused() {
    for text in [
        r#"{"a":1,"a":1}"#,
        r#"{"a":1,"b":2,"\u0061":3}"#,
        r#"[{"b":{"":0,"":1}}]"#,
    ] {
        assert_eq!(code(text), Code::InvalidEvent, "{text}");
    }
    assert_eq!(
        form(r#"{"b":{"a":1},"a":{"a":2}}"#),
        r#"{"a":{"a":2},"b":{"a":1}}"#
    );
}

#[test]
fn a_form_that_outgrows_the_limit_is_refused() {
    let text = format!("[{}1e20]", "1e20,".repeat(99));
    assert_eq!(canonical(&text, 1000).unwrap_err().code, Code::TooLarge);
    assert_eq!(canonical(&text, 2201).unwrap().len(), 2201);
}

fn json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<f64>()
            .prop_filter("finite", |f| f.is_finite())
            .prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        ".{0,8}".prop_map(serde_json::Value::from),
    ];
    leaf.prop_recursive(4, 32, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Into::into),
            prop::collection::btree_map(".{0,4}", inner, 0..6)
                .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn doubles_have_the_form_of_ecmascript(double in any::<f64>()) {
        prop_assume!(double.is_finite());
        let shortest = serde_json::to_string(&double).unwrap();
        let mut buffer = ryu_js::Buffer::new();
        prop_assert_eq!(form(&shortest), buffer.format(double));
    }

    #[test]
    fn the_form_is_its_own_form_and_the_same_value(value in json()) {
        let text = serde_json::to_string(&value).unwrap();
        let once = form(&text);
        prop_assert_eq!(form(&once), once.clone());
        let back: serde_json::Value = serde_json::from_str(&once).unwrap();
        prop_assert!(same(&back, &value), "{} became {}", value, back);
    }
}

/// Equal, where 1.0 and 1 are the same number.
fn same(a: &serde_json::Value, b: &serde_json::Value) -> bool {
    use serde_json::Value::{Array, Number, Object};
    match (a, b) {
        (Number(a), Number(b)) => a.as_f64() == b.as_f64(),
        (Array(a), Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (Object(a), Object(b)) => {
            a.len() == b.len()
                && a.iter()
                    .all(|(name, a)| b.get(name).is_some_and(|b| same(a, b)))
        }
        _ => a == b,
    }
}

#[test]
fn the_form_of_a_number_is_taken_itself() {
    let largest = format!("9.1e+{}", "9".repeat(15));
    assert_eq!(canonical(&largest, 100).as_deref(), Ok(&*largest));
    // Its form would have an exponent of 16 digits.
    let larger = format!("91e{}", "9".repeat(15));
    assert_eq!(
        canonical(&larger, 100).unwrap_err().code,
        Code::InvalidEvent
    );
    let smaller = format!("0.1e-{}", "9".repeat(15));
    assert_eq!(
        canonical(&smaller, 100).unwrap_err().code,
        Code::InvalidEvent
    );
}
