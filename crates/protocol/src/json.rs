//! JSON as text: checks that a grammar alone doesn't make, and the removal of
//! insignificant whitespace. Text in, text out: digits and member order stay.

use crate::limits::NESTING_DEPTH_MAX;
use crate::{Code, Refusal};
use memchr::memchr2;
use std::borrow::Cow;

pub use digits::{hexadecimal, write_number};
pub use plain::Plain;
pub use text::Text;

mod digits;
mod plain;
mod special;
mod text;

/// Checks a value that is valid JSON text and removes its insignificant
/// whitespace, so that it fits on one line.
///
/// `what` names the value in messages, such as `value`.
///
/// # Errors
/// `too_large` where it nests deeper than [`NESTING_DEPTH_MAX`]; `invalid_json`
/// where a string has an unpaired surrogate escape, which no UTF-8 can hold.
pub fn compact<'a>(what: &str, text: &'a str) -> Result<Cow<'a, str>, Refusal> {
    let bytes = text.as_bytes();
    let mut depth = 0_usize;
    let mut position = 0;
    // The output, once a first byte had to go, and how far it has come.
    let mut output: Option<String> = None;
    let mut copied = 0;
    while let Some(&byte) = bytes.get(position) {
        match byte {
            b'"' => {
                position = string_end(what, bytes, position)?;
                continue;
            }
            b'[' | b'{' => {
                depth += 1;
                if depth > NESTING_DEPTH_MAX {
                    return Err(Refusal::new(
                        Code::TooLarge,
                        format!(
                            "{what} nests deeper than {NESTING_DEPTH_MAX} levels at its byte {position}"
                        ),
                    ));
                }
            }
            b']' | b'}' => depth = depth.saturating_sub(1),
            b' ' | b'\t' | b'\n' | b'\r' => {
                let output = output.get_or_insert_with(|| String::with_capacity(text.len()));
                output.push_str(&text[copied..position]);
                copied = position + 1;
            }
            _ => {}
        }
        position += 1;
    }
    Ok(match output {
        None => Cow::Borrowed(text),
        Some(mut output) => {
            output.push_str(&text[copied..]);
            Cow::Owned(output)
        }
    })
}

/// The position behind the string that opens at `start`.
fn string_end(what: &str, bytes: &[u8], start: usize) -> Result<usize, Refusal> {
    let mut position = start + 1;
    // Valid JSON has no unclosed string, and no escape that isn't whole.
    while let Some(found) = bytes
        .get(position..)
        .and_then(|rest| memchr2(b'"', b'\\', rest))
    {
        position += found;
        if bytes[position] == b'"' {
            return Ok(position + 1);
        }
        position = match bytes.get(position + 1) {
            Some(b'u') => unicode_escape_end(what, bytes, position)?,
            _ => position + 2,
        };
    }
    Ok(bytes.len())
}

/// The position behind the `\uXXXX`, or the pair of them, at `start`.
fn unicode_escape_end(what: &str, bytes: &[u8], start: usize) -> Result<usize, Refusal> {
    let unpaired = || {
        Refusal::new(
            Code::InvalidJson,
            format!(
                "{what} has an unpaired surrogate escape at its byte {start}: write the character itself, or both halves of its pair"
            ),
        )
    };
    match code_unit(bytes, start) {
        Some(0xD800..=0xDBFF) => match code_unit(bytes, start + 6) {
            Some(0xDC00..=0xDFFF) => Ok(start + 12),
            _ => Err(unpaired()),
        },
        Some(0xDC00..=0xDFFF) => Err(unpaired()),
        _ => Ok(start + 6),
    }
}

/// The UTF-16 code unit of the `\uXXXX` at `start`, if there is one.
pub(crate) fn code_unit(bytes: &[u8], start: usize) -> Option<u16> {
    let digits = bytes.get(start..start + 6)?.strip_prefix(b"\\u")?;
    u16::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

/// Appends `text` as a JSON string.
pub fn write_string(output: &mut Vec<u8>, text: &str) {
    output.reserve(text.len() + 2);
    output.push(b'"');
    let mut rest = text.as_bytes();
    loop {
        let (plain, behind) = rest.split_at(special::plain_bytes(rest));
        output.extend_from_slice(plain);
        let Some((byte, behind)) = behind.split_first() else {
            break;
        };
        write_escape(output, *byte);
        rest = behind;
    }
    output.push(b'"');
}

fn write_escape(output: &mut Vec<u8>, byte: u8) {
    let escape = match byte {
        0x08 => b'b',
        0x0c => b'f',
        b'\n' => b'n',
        b'\r' => b'r',
        b'\t' => b't',
        0..=0x1f => b'u',
        itself => itself,
    };
    output.extend_from_slice(&[b'\\', escape]);
    if escape == b'u' {
        output.extend_from_slice(&[
            b'0',
            b'0',
            b'0' + (byte >> 4),
            HEXADECIMAL[usize::from(byte & 15)],
        ]);
    }
}

const HEXADECIMAL: &[u8; 16] = b"0123456789abcdef";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whitespace_goes_only_outside_strings() {
        let compacted = compact("value", " { \"a b\" :\t[ 1.10 ,\n\"\\\" \\\\\" ] } \r\n").unwrap();
        assert_eq!(compacted, "{\"a b\":[1.10,\"\\\" \\\\\"]}");
        assert!(matches!(
            compact("value", "[1,2]").unwrap(),
            Cow::Borrowed(_)
        ));
    }

    #[test]
    fn nesting_is_counted_not_recursed() {
        let deep = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(compact("value", &deep(NESTING_DEPTH_MAX)).is_ok());
        let refusal = compact("value", &deep(NESTING_DEPTH_MAX + 1)).unwrap_err();
        assert_eq!(refusal.code, Code::TooLarge);
        assert!(compact("value", "[[],[],[[]]]").is_ok());
    }

    #[test]
    fn surrogate_escapes_must_come_in_pairs() {
        for good in [r#""\ud83d\ude00""#, r#""\\ud800""#, r#""\u00e9""#] {
            assert!(compact("value", good).is_ok(), "{good}");
        }
        for bad in [
            r#""\ud800""#,
            r#""\ud800\n""#,
            r#""\udc00""#,
            r#"{"\ud800":1}"#,
            r#""\ud800\ud800""#,
        ] {
            assert_eq!(
                compact("value", bad).unwrap_err().code,
                Code::InvalidJson,
                "{bad}"
            );
        }
    }

    #[test]
    fn strings_are_written_as_json() {
        let controls: String = (0..0x20).map(char::from).collect();
        for text in ["", "plain", &controls, "\"a\\b", "é😀\u{7f}"] {
            let mut output = Vec::new();
            write_string(&mut output, text);
            assert_eq!(serde_json::from_slice::<String>(&output).unwrap(), text);
        }
    }
}
