//! The line that a client begins with where a token is needed:
//! `{"type":"authenticate","token":"…"}`. It is for the front, never for the
//! store.

use crate::limits::AUTHENTICATION_BYTES_MAX;
use crate::{Code, Refusal};
use serde::Deserialize;
use serde::de::IgnoredAny;
use std::borrow::Cow;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line<'a> {
    #[serde(borrow)]
    r#type: Cow<'a, str>,
    #[serde(borrow)]
    token: Cow<'a, str>,
    #[serde(default)]
    #[allow(dead_code, reason = "it is there for its name: the reply repeats it")]
    id: IgnoredAny,
}

/// Reads the token of such a line.
///
/// # Errors
/// Where the line is another. What was read is not repeated: it may be a secret.
pub fn token(line: &[u8]) -> Result<Cow<'_, str>, Refusal> {
    // Serde would take an array of the fields for them as well.
    if line.len() <= AUTHENTICATION_BYTES_MAX
        && line.trim_ascii_start().starts_with(b"{")
        && let Ok(line) = serde_json::from_slice::<Line<'_>>(line)
        && line.r#type == "authenticate"
    {
        return Ok(line.token);
    }
    Err(needed())
}

/// The first line is no authentication.
#[must_use]
pub fn needed() -> Refusal {
    let message =
        r#"this server needs a token; the first line must be {"type":"authenticate","token":"…"}"#;
    Refusal::new(Code::Unauthenticated, message)
}

/// The token is not the server's.
#[must_use]
pub fn wrong() -> Refusal {
    Refusal::new(Code::Unauthenticated, "the token is not this server's")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_read_and_nothing_is_repeated() {
        let read = |line: &str| token(line.as_bytes()).map(Cow::into_owned);
        assert_eq!(
            read(r#"{"type":"authenticate","token":"a\u0062c"}"#),
            Ok("abc".to_owned())
        );
        assert_eq!(
            read(r#"{"id":[1],"token":"","type":"authenticate"} "#),
            Ok(String::new())
        );
        let long = "x".repeat(AUTHENTICATION_BYTES_MAX);
        for line in [
            "",
            "secret",
            r#""secret""#,
            r#"["authenticate","secret"]"#,
            r#"{"type":"authenticate"}"#,
            r#"{"token":"secret"}"#,
            r#"{"type":"get","token":"secret"}"#,
            r#"{"type":"authenticate","token":7}"#,
            r#"{"type":"authenticate","token":"secret","key":"secret"}"#,
            r#"{"type":"authenticate","token":"secret","token":"secret"}"#,
            &format!(r#"{{"type":"authenticate","token":"secret{long}"}}"#),
        ] {
            let refusal = read(line).unwrap_err();
            assert_eq!(refusal, needed(), "{line}");
            assert!(!refusal.message.contains("secret"));
        }
        assert!(token(b"{\"type\":\"authenticate\",\"token\":\"\xff\"}").is_err());
    }
}
