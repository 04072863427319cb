//! Content addressing: the SHA-1 of the canonical form.

use crate::canonical::canonical;
use kv_protocol::limits::CONTENT_BYTES_MAX;
use kv_protocol::{Code, Refusal};
use sha1_checked::Sha1;

/// The hash of `content`, and its canonical form, whose SHA-1 it is.
///
/// # Errors
/// What `canonical` refuses, and content made to collide with other content.
pub fn address(content: &str) -> Result<([u8; 20], String), Refusal> {
    let canonical = canonical(content, CONTENT_BYTES_MAX)?;
    match hash(&canonical) {
        Some(hash) => Ok((hash, canonical)),
        None => Err(Refusal::new(
            Code::InvalidEvent,
            "`content` was made so that its SHA-1 is that of other content; it is not stored",
        )),
    }
}

/// Whether `canonical` is what `expected` addresses.
#[must_use]
pub fn verify(expected: &[u8; 20], canonical: &str) -> bool {
    hash(canonical).as_ref() == Some(expected)
}

/// The SHA-1, with detection of the known collision attacks (Stevens, 2013).
fn hash(canonical: &str) -> Option<[u8; 20]> {
    let result = Sha1::try_digest(canonical.as_bytes());
    (!result.has_collision()).then(|| (*result.hash()).into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use kv_protocol::event::format_hash;

    #[test]
    fn the_hash_is_that_of_the_canonical_text() {
        // printf %s '"Hello"' | sha1sum
        let (hash, canonical) = address("\"Hello\"").unwrap();
        assert_eq!(
            format_hash(&hash),
            "ba9277fc4c6190fb875ad8f9cee848dba699937f"
        );
        assert_eq!(canonical, "\"Hello\"");
        assert!(verify(&hash, &canonical));
        assert!(!verify(&hash, "\"hello\""));
    }

    #[test]
    fn equal_values_hash_equally() {
        let hash = |text| address(text).unwrap().0;
        assert_eq!(
            hash(r#"{"b":1.0,"a":"\u00e9"}"#),
            hash(r#"{"a":"é","b":1}"#)
        );
        assert_ne!(hash("12345678901234567890"), hash("12345678901234567891"));
    }
}
