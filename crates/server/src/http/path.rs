//! Strings in paths and queries: percent-encoded UTF-8.

use super::problem::Problem;
use axum::http::Uri;
use kv_protocol::{Code, Refusal};
use percent_encoding::percent_decode_str;

/// The decoded segment between `prefix` and `suffix`; perhaps empty.
pub(super) fn segment(uri: &Uri, prefix: &str, suffix: &str) -> Result<String, Problem> {
    let encoded = uri.path().strip_prefix(prefix).unwrap_or_default();
    let encoded = encoded.strip_suffix(suffix).unwrap_or_default();
    Ok(decode(encoded, "path")?)
}

/// Decodes a part of what `place` names, such as the path.
///
/// # Errors
/// `invalid_event` where it is not percent-encoded UTF-8.
pub fn decode(encoded: &str, place: &str) -> Result<String, Refusal> {
    let refused = |message: String| Refusal::new(Code::InvalidEvent, message);
    // The decoder would pass these on as they are, and so mean another string.
    if !encoded.split('%').skip(1).all(begins_with_byte) {
        return Err(refused(format!(
            "a % in the {place} is not followed by two hexadecimal digits; write %25 for a % itself",
        )));
    }
    percent_decode_str(encoded)
        .decode_utf8()
        .map(std::borrow::Cow::into_owned)
        .map_err(|_| refused(format!("the {place} is not percent-encoded UTF-8")))
}

fn begins_with_byte(rest: &str) -> bool {
    let digits = rest.as_bytes().get(..2);
    digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
}
