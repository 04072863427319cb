//! The canonical form, against a plain one made from a tree; and that it does
//! not depend on how a value is written.

use kv_engine::canonical::canonical;
use kv_protocol::json::compact;
use serde_json::Value;

const BYTES_MAX: usize = 1 << 20;

/// Brings the JSON text in `data` into its canonical form.
pub fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let Ok(value) = serde_json::from_str::<Value>(text) else {
        return;
    };
    let Ok(compacted) = compact("content", text) else {
        return;
    };
    // A number that is too large, or a name that is there twice.
    let Ok(form) = canonical(&compacted, BYTES_MAX) else {
        return;
    };
    assert_eq!(form, plain(&value));
    assert_eq!(canonical(&form, BYTES_MAX).as_deref(), Ok(&*form));
    let mut other = String::new();
    write_otherwise(&value, &mut other);
    let other = compact("content", &other).expect("it is JSON");
    assert_eq!(
        canonical(&other, BYTES_MAX).as_deref(),
        Ok(&*form),
        "{other}"
    );
}

/// The form, made the slow way.
fn plain(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(value) => value.to_string(),
        Value::Number(number) => {
            let form = canonical(&number.to_string(), BYTES_MAX).expect("the number has a form");
            assert_eq!(decimal(&form), decimal(&number.to_string()), "{number}");
            form
        }
        Value::String(text) => quoted(text),
        Value::Array(elements) => {
            let elements: Vec<_> = elements.iter().map(plain).collect();
            format!("[{}]", elements.join(","))
        }
        Value::Object(members) => {
            let mut members: Vec<_> = members.iter().collect();
            members.sort_by_key(|(name, _)| name.encode_utf16().collect::<Vec<_>>());
            let member =
                |(name, value): &(&String, &Value)| format!("{}:{}", quoted(name), plain(value));
            let members: Vec<_> = members.iter().map(member).collect();
            format!("{{{}}}", members.join(","))
        }
    }
}

fn quoted(text: &str) -> String {
    let mut output = String::from("\"");
    for character in text.chars() {
        match character {
            '"' => output.push_str("\\\""),
            '\\' => output.push_str("\\\\"),
            '\u{8}' => output.push_str("\\b"),
            '\u{c}' => output.push_str("\\f"),
            '\n' => output.push_str("\\n"),
            '\r' => output.push_str("\\r"),
            '\t' => output.push_str("\\t"),
            character if character < ' ' => {
                output.extend(format!("\\u{:04x}", u32::from(character)).chars());
            }
            character => output.push(character),
        }
    }
    output.push('"');
    output
}

/// The same value with other spaces, escapes and order.
fn write_otherwise(value: &Value, output: &mut String) {
    match value {
        Value::String(text) => escape_all(text, output),
        Value::Array(elements) => {
            output.push_str("[ ");
            for (position, element) in elements.iter().enumerate() {
                output.push_str(if position > 0 { "\n," } else { "" });
                write_otherwise(element, output);
            }
            output.push(']');
        }
        Value::Object(members) => {
            output.push('{');
            for (position, (name, member)) in members.iter().rev().enumerate() {
                output.push_str(if position > 0 { ", " } else { "\t" });
                escape_all(name, output);
                output.push_str(" :");
                write_otherwise(member, output);
            }
            output.push('}');
        }
        other => output.push_str(&other.to_string()),
    }
}

fn escape_all(text: &str, output: &mut String) {
    output.push('"');
    for unit in text.encode_utf16() {
        output.extend(format!("\\u{unit:04X}").chars());
    }
    output.push('"');
}

/// A number's exact value: sign, digits without zeros at either end, and the
/// place of its point.
fn decimal(number: &str) -> (bool, String, i64) {
    let (negative, number) = match number.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, number),
    };
    let (mantissa, exponent) = number.split_once(['e', 'E']).unwrap_or((number, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    if digits.bytes().all(|digit| digit == b'0') {
        return (false, String::new(), 0);
    }
    let exponent: i64 = exponent.parse().expect("an exponent");
    let leading = digits.len() - digits.trim_start_matches('0').len();
    let places = |count: usize| i64::try_from(count).expect("no text is that long");
    let point = exponent + places(whole.len()) - places(leading);
    (negative, digits.trim_matches('0').to_owned(), point)
}
