//! Bytes as JSON, and back. What is compact JSON text already stays as it is, for
//! people to read; all else becomes `{"$base64":"…"}`, and so does what looks just
//! like that.

use base64::engine::general_purpose::STANDARD;
use base64::{DecodeError, Engine as _};
use kv_protocol::json::compact;
use serde_json::value::RawValue;
use std::borrow::Cow;

const BEGIN: &str = "{\"$base64\":\"";
const END: &str = "\"}";

/// The JSON text that stands for these bytes.
pub(crate) fn encode(bytes: &[u8]) -> Cow<'_, str> {
    match plain(bytes) {
        Some(text) => Cow::Borrowed(text),
        None => Cow::Owned(format!("{BEGIN}{}{END}", STANDARD.encode(bytes))),
    }
}

/// The bytes that a JSON text stands for.
///
/// # Errors
/// Where it says that it is base64, and is not. Nothing here writes that.
pub(crate) fn decode(text: &str) -> Result<Vec<u8>, DecodeError> {
    let encoded = text
        .strip_prefix(BEGIN)
        .and_then(|rest| rest.strip_suffix(END));
    match encoded {
        Some(encoded) => STANDARD.decode(encoded),
        None => Ok(text.as_bytes().to_vec()),
    }
}

/// Bytes that the store keeps as they are, and that stand for themselves.
fn plain(bytes: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(bytes).ok()?;
    let is_json = serde_json::from_str::<&RawValue>(text).is_ok();
    let is_kept = is_json && compact("value", text).is_ok_and(|kept| kept == text);
    (is_kept && !text.starts_with(BEGIN)).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn json_stays_readable_and_all_else_says_what_it_is() {
        for text in [
            "1",
            "1.10",
            "\"text\"",
            "{\"a\":[1,null],\"a\":1e400}",
            "[]",
            "true",
        ] {
            assert_eq!(encode(text.as_bytes()), text);
        }
        let encoded = [
            (&b"text"[..], "{\"$base64\":\"dGV4dA==\"}"),
            (b"", "{\"$base64\":\"\"}"),
            (b"\xff\x00", "{\"$base64\":\"/wA=\"}"),
            // Whitespace would not come back, nor would half a surrogate.
            (b" 1", "{\"$base64\":\"IDE=\"}"),
            (b"\"\\ud800\"", "{\"$base64\":\"Ilx1ZDgwMCI=\"}"),
        ];
        for (bytes, text) in encoded {
            assert_eq!(encode(bytes), text);
        }
        let too_deep = "[".repeat(1000) + &"]".repeat(1000);
        assert!(encode(too_deep.as_bytes()).starts_with(BEGIN));
    }

    #[test]
    fn what_looks_like_base64_comes_back_as_it_was() {
        for text in [
            "{\"$base64\":\"AA==\"}",
            "{\"$base64\":\"no\",\"b\":1}",
            "{\"$base64\":\"\"}",
        ] {
            assert_ne!(encode(text.as_bytes()), text);
            assert_eq!(decode(&encode(text.as_bytes())).unwrap(), text.as_bytes());
        }
    }

    proptest! {
        #[test]
        fn bytes_come_back_exactly(bytes: Vec<u8>) {
            prop_assert_eq!(decode(&encode(&bytes)).unwrap(), bytes);
        }

        #[test]
        fn text_comes_back_exactly(text in "[ \\[\\]{}\"$base64:,01e.\\\\u-]{0,40}") {
            let encoded = encode(text.as_bytes());
            prop_assert!(serde_json::from_str::<&RawValue>(&encoded).is_ok());
            prop_assert_eq!(decode(&encoded).unwrap(), text.as_bytes());
        }
    }
}
