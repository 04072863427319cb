//! Changes to a part of a value: JSON Merge Patch (RFC 7396), JSON Patch
//! (RFC 6902), and exact addition. Text in, text out; what is not touched keeps
//! its digits and the order of its members.

use crate::canonical::canonical;
use json_patch::PatchOperation;
use kv_protocol::event::Patch;
use kv_protocol::json::compact;
use kv_protocol::limits::{
    NESTING_DEPTH_MAX, OPERATIONS_MAX, PATCH_BYTES_MAX, PATCH_WORK_MAX, VALUE_BYTES_MAX,
};
use kv_protocol::{Code, Refusal};
use serde_json::Value;

/// The value that `patch` makes of `current`.
///
/// # Errors
/// `not_found` for a JSON Patch of nothing; `invalid_event` where the patch can't
/// be read; `conflict` where it does not apply; `too_large` over a limit.
pub fn apply(current: Option<&str>, patch: &Patch<'_>) -> Result<String, Refusal> {
    let bytes = current.map_or(0, str::len);
    let (Patch::Merge(text) | Patch::Operations(text)) = patch;
    if bytes.max(text.len()) > PATCH_BYTES_MAX {
        return Err(too_large(format!(
            "only values and patches of at most {PATCH_BYTES_MAX} bytes can be patched; put the new value instead"
        )));
    }
    let mut value = match current {
        None => Value::Null,
        Some(current) => tree(current)?,
    };
    match patch {
        Patch::Merge(text) => json_patch::merge(&mut value, &tree(text)?),
        Patch::Operations(_) if current.is_none() => {
            return Err(Refusal::new(
                Code::NotFound,
                "there is no value that the patch could change",
            ));
        }
        Patch::Operations(text) => operate(&mut value, text, bytes)?,
    }
    let patched = value.to_string();
    if patched.len() > VALUE_BYTES_MAX {
        return Err(too_large(format!(
            "the patched value has {} bytes; at most {VALUE_BYTES_MAX} are allowed",
            patched.len()
        )));
    }
    compact("the patched value", &patched)?;
    Ok(patched)
}

/// `current` and `by`, added exactly; nothing there counts as 0.
///
/// # Errors
/// `conflict` where the value is no whole number of 64 bits, or the sum is none.
pub fn add(current: Option<&str>, by: i64) -> Result<String, Refusal> {
    let conflict = |message: &str| Refusal::new(Code::Conflict, message);
    let number: i64 = match current {
        None => 0,
        Some(current) => current.parse().map_err(|_| {
            conflict("the value is no whole number of 64 bits, so nothing can be added to it")
        })?,
    };
    match number.checked_add(by) {
        Some(sum) => Ok(sum.to_string()),
        None => Err(conflict(
            "the sum has more than 64 bits; the value is left as it was",
        )),
    }
}

fn tree(text: &str) -> Result<Value, Refusal> {
    // It is valid JSON: only its depth can be too much.
    serde_json::from_str(text).map_err(|e| too_large(format!("it can't be patched: {e}")))
}

fn operate(value: &mut Value, text: &str, bytes: usize) -> Result<(), Refusal> {
    let operations: Vec<PatchOperation> = serde_json::from_str(text).map_err(|e| {
        Refusal::new(
            Code::InvalidEvent,
            format!("`patch` is no JSON Patch (RFC 6902): {e}"),
        )
    })?;
    let work = operations.len().saturating_mul(bytes + text.len());
    if operations.len() > OPERATIONS_MAX || work > PATCH_WORK_MAX {
        return Err(too_large(format!(
            "`patch` has {} operations, which are too many for a value of {bytes} bytes",
            operations.len()
        )));
    }
    // Each copy may double the value: what all of them add has a bound.
    let mut copied_bytes = 0;
    for (number, operation) in operations.into_iter().enumerate() {
        let conflict = |path: &str, reason: String| {
            Refusal::new(
                Code::Conflict,
                format!("operation {number} of `patch`, at `{path}`: {reason}"),
            )
        };
        match &operation {
            PatchOperation::Test(expected) => {
                let found = expected.path.resolve(value).ok();
                if !found.is_some_and(|found| are_equal(found, &expected.value)) {
                    let reason = "the test has failed".to_owned();
                    return Err(conflict(expected.path.as_str(), reason));
                }
                continue;
            }
            PatchOperation::Copy(copy) => {
                if let Ok(source) = copy.from.resolve(value) {
                    copied_bytes += source.to_string().len();
                }
                if copied_bytes > PATCH_BYTES_MAX {
                    return Err(too_large(format!(
                        "operation {number} of `patch` would make the value too large"
                    )));
                }
            }
            _ => {}
        }
        let deepens = match &operation {
            PatchOperation::Add(add) => add.value.is_array() || add.value.is_object(),
            PatchOperation::Replace(replace) => {
                replace.value.is_array() || replace.value.is_object()
            }
            PatchOperation::Copy(_) | PatchOperation::Move(_) => true,
            PatchOperation::Test(_) | PatchOperation::Remove(_) => false,
        };
        json_patch::patch(value, &[operation])
            .map_err(|e| conflict(e.path.as_str(), e.kind.to_string()))?;
        if deepens && is_deeper(value, NESTING_DEPTH_MAX) {
            return Err(too_large(format!(
                "operation {number} of `patch` nests the value deeper than {NESTING_DEPTH_MAX} levels"
            )));
        }
    }
    Ok(())
}

/// Whether a value has more levels of arrays and objects. This looks no deeper.
fn is_deeper(value: &Value, levels: usize) -> bool {
    let is_deeper = |below| levels == 0 || is_deeper(below, levels - 1);
    match value {
        Value::Array(elements) => levels == 0 || elements.iter().any(is_deeper),
        Value::Object(members) => levels == 0 || members.values().any(is_deeper),
        _ => false,
    }
}

/// RFC 6902, section 4.6: numbers are equal where their values are, whatever
/// their digits, and objects whatever the order of their members.
fn are_equal(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => {
            let form = |number: &serde_json::Number| canonical(&number.to_string(), 1 << 20);
            match (form(a), form(b)) {
                (Ok(a), Ok(b)) => a == b,
                _ => a == b,
            }
        }
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| are_equal(a, b))
        }
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len()
                && a.iter()
                    .all(|(name, a)| b.get(name).is_some_and(|b| are_equal(a, b)))
        }
        _ => a == b,
    }
}

fn too_large(message: String) -> Refusal {
    Refusal::new(Code::TooLarge, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn merge(current: Option<&str>, patch: &str) -> Result<String, Code> {
        apply(current, &Patch::Merge(patch.into())).map_err(|refusal| refusal.code)
    }

    fn operations(current: &str, patch: &str) -> Result<String, Refusal> {
        apply(Some(current), &Patch::Operations(patch.into()))
    }

    #[test]
    fn merge_patches_do_as_the_rfc_says() {
        // RFC 7396, appendix A.
        for (original, patch, result) in [
            (r#"{"a":"b"}"#, r#"{"a":"c"}"#, r#"{"a":"c"}"#),
            (r#"{"a":"b"}"#, r#"{"b":"c"}"#, r#"{"a":"b","b":"c"}"#),
            (r#"{"a":"b"}"#, r#"{"a":null}"#, "{}"),
            (r#"{"a":["b"]}"#, r#"{"a":"c"}"#, r#"{"a":"c"}"#),
            (
                r#"{"a":{"b":"c"}}"#,
                r#"{"a":{"b":"d","c":null}}"#,
                r#"{"a":{"b":"d"}}"#,
            ),
            (r#"["a","b"]"#, r#"["c","d"]"#, r#"["c","d"]"#),
            (r#"{"a":"foo"}"#, "null", "null"),
            (r#"{"e":null}"#, r#"{"a":1}"#, r#"{"e":null,"a":1}"#),
            ("[1,2]", r#"{"a":"b","c":null}"#, r#"{"a":"b"}"#),
            ("{}", r#"{"a":{"bb":{"ccc":null}}}"#, r#"{"a":{"bb":{}}}"#),
        ] {
            assert_eq!(merge(Some(original), patch).unwrap(), result, "{patch}");
        }
        assert_eq!(merge(None, r#"{"a":1,"b":null}"#).unwrap(), r#"{"a":1}"#);
    }

    #[test]
    fn what_is_not_touched_keeps_its_text() {
        let value = r#"{"z":1.10,"a":12345678901234567890,"m":1e+400,"x":0}"#;
        assert_eq!(
            merge(Some(value), r#"{"x":-0.0}"#).unwrap(),
            r#"{"z":1.10,"a":12345678901234567890,"m":1e+400,"x":-0.0}"#
        );
    }

    #[test]
    fn json_patches_do_as_the_rfc_says() {
        let patch = r#"[{"op":"test","path":"/a/0","value":1.0},{"op":"add","path":"/a/-","value":[2]},
            {"op":"move","from":"/b","path":"/c~1d"},{"op":"copy","from":"/a","path":"/e"},
            {"op":"replace","path":"/a/0","value":null},{"op":"remove","path":"/a/1"}]"#;
        assert_eq!(
            operations(r#"{"a":[1],"b":true}"#, patch).unwrap(),
            r#"{"a":[null],"c/d":true,"e":[1,[2]]}"#
        );
        let refusal = operations("{}", r#"[{"op":"test","path":"/a","value":1}]"#).unwrap_err();
        assert_eq!(refusal.code, Code::Conflict);
        assert!(refusal.message.contains("operation 0") && refusal.message.contains("/a"));
        for (patch, code) in [
            (r#"[{"op":"remove","path":"/x"}]"#, Code::Conflict),
            (r#"[{"op":"add","path":"/x/y","value":1}]"#, Code::Conflict),
            (r#"[{"op":"frobnicate","path":"/x"}]"#, Code::InvalidEvent),
            (r#"[{"op":"remove","path":"x"}]"#, Code::InvalidEvent),
            (r#"{"op":"remove","path":"/x"}"#, Code::InvalidEvent),
        ] {
            assert_eq!(operations("{}", patch).unwrap_err().code, code, "{patch}");
        }
        let nothing = apply(None, &Patch::Operations("[]".into()));
        assert_eq!(nothing.unwrap_err().code, Code::NotFound);
    }

    #[test]
    fn tests_compare_values_not_digits() {
        for (value, tested, equal) in [
            ("10", "1e1", true),
            (r#"{"a":1,"b":[2.0]}"#, r#"{"b":[2],"a":1}"#, true),
            ("12345678901234567890", "12345678901234567891", false),
            (r#"{"a":1}"#, r#"{"a":1,"b":1}"#, false),
            ("\"1\"", "1", false),
        ] {
            let patch = format!(r#"[{{"op":"test","path":"","value":{tested}}}]"#);
            assert_eq!(operations(value, &patch).is_ok(), equal, "{value} {tested}");
        }
    }

    #[test]
    fn patches_have_bounds() {
        let doubling = r#"{"op":"copy","from":"/a","path":"/a/-"},"#.repeat(60);
        let patch = format!("[{}]", doubling.trim_end_matches(','));
        assert_eq!(
            operations(r#"{"a":[1,2,3,4]}"#, &patch).unwrap_err().code,
            Code::TooLarge
        );
        let nesting = r#"{"op":"copy","from":"","path":"/a"},"#.repeat(NESTING_DEPTH_MAX);
        let patch = format!("[{}]", nesting.trim_end_matches(','));
        let refusal = operations(r#"{"a":1}"#, &patch).unwrap_err();
        assert!(refusal.message.contains("deeper"), "{}", refusal.message);
        let long = format!("[{}1]", "0,".repeat(PATCH_BYTES_MAX / 2));
        assert_eq!(merge(Some(&long), "{}"), Err(Code::TooLarge));
        let many = format!(
            "[{}]",
            vec![r#"{"op":"test","path":"","value":0}"#; OPERATIONS_MAX + 1].join(",")
        );
        assert_eq!(operations("0", &many).unwrap_err().code, Code::TooLarge);
        let deep = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        let nested = format!(r#"{{"a":{}}}"#, deep(120));
        let patch = format!(
            r#"[{{"op":"add","path":"/a{}/0","value":{}}}]"#,
            "/0".repeat(119),
            deep(120)
        );
        assert_eq!(
            operations(&nested, &patch).unwrap_err().code,
            Code::TooLarge
        );
    }

    #[test]
    fn sums_are_exact() {
        assert_eq!(add(None, -3).unwrap(), "-3");
        assert_eq!(
            add(Some("9007199254740993"), 1).unwrap(),
            "9007199254740994"
        );
        for (value, by) in [
            ("9223372036854775807", 1),
            ("-9223372036854775808", -1),
            ("1.0", 1),
            ("\"1\"", 1),
            ("9223372036854775808", -1),
        ] {
            assert_eq!(add(Some(value), by).unwrap_err().code, Code::Conflict);
        }
    }
}
