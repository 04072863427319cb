//! The token: the one secret that lets a client in. A server keeps its SHA-256
//! and nothing else of it.

use crate::private_file;
use kv_protocol::limits::TOKEN_BYTES_MAX;
use sha2::{Digest, Sha256};
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use subtle::ConstantTimeEq;

/// 256 bits, where every character is a hexadecimal digit, or may be any.
const HEX_DIGITS_MIN: usize = 64;
const CHARACTERS_MIN: usize = 43;

/// With fewer different characters than this, nothing of this length is random.
const DIFFERENT_MIN: usize = 8;

/// A token as it is written, for who must send it.
pub struct TokenText(String);

/// A token as a server keeps it.
#[derive(Clone, Copy)]
pub struct Token {
    sha256: [u8; 32],
}

impl TokenText {
    /// Takes a token that could hold 256 random bits; space around it is left out.
    ///
    /// # Errors
    /// [`TokenError`] says what it lacks, and not what it is.
    pub fn new(text: &str) -> Result<Self, TokenError> {
        let text = text.trim_ascii();
        // RFC 6750 allows no others in an `Authorization` header.
        let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte);
        if !text.bytes().all(is_allowed) {
            return Err(TokenError::Characters);
        }
        let is_hex = text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let needed = if is_hex {
            HEX_DIGITS_MIN
        } else {
            CHARACTERS_MIN
        };
        let mut different: Vec<u8> = text.bytes().collect();
        different.sort_unstable();
        different.dedup();
        if text.len() < needed || different.len() < DIFFERENT_MIN {
            return Err(TokenError::Weak);
        }
        if text.len() > TOKEN_BYTES_MAX {
            return Err(TokenError::TooLong);
        }
        Ok(Self(text.to_owned()))
    }

    /// Reads a token from a file that is its owner's alone.
    ///
    /// # Errors
    /// Where the file can't be read, others may read it, or its text is no token.
    pub fn read(path: &Path) -> Result<Self, TokenError> {
        let bytes = private_file::read(path).map_err(|e| TokenError::File(path.to_owned(), e))?;
        let text = std::str::from_utf8(&bytes).map_err(|_| TokenError::Characters);
        text.and_then(Self::new)
            .map_err(|e| TokenError::InFile(path.to_owned(), Box::new(e)))
    }

    /// The token itself.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&TokenText> for Token {
    fn from(text: &TokenText) -> Self {
        Self {
            sha256: Sha256::digest(&text.0).into(),
        }
    }
}

impl Token {
    /// Whether a client's token is this one. How long that takes tells nothing
    /// about either.
    #[must_use]
    pub fn is(&self, text: &[u8]) -> bool {
        let sha256: [u8; 32] = Sha256::digest(text).into();
        self.sha256.ct_eq(&sha256).into()
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Token")
    }
}

impl fmt::Debug for TokenText {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("TokenText")
    }
}

/// Why a token can't be used.
#[derive(Debug)]
pub enum TokenError {
    /// It is too short for 256 bits, or is not random.
    Weak,
    /// It is longer than a header should be.
    TooLong,
    /// It has characters that no header can carry.
    Characters,
    /// Its file can't be read, or is not its owner's alone.
    File(PathBuf, io::Error),
    /// What the file holds is none.
    InFile(PathBuf, Box<TokenError>),
}

impl fmt::Display for TokenError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Weak => write!(
                formatter,
                "the token must hold at least 256 random bits: {HEX_DIGITS_MIN} hexadecimal \
                 digits, or {CHARACTERS_MIN} characters of base64; \
                 make one with `openssl rand -hex 32`"
            ),
            Self::TooLong => write!(
                formatter,
                "the token has more than {TOKEN_BYTES_MAX} characters; \
                 make one with `openssl rand -hex 32`"
            ),
            Self::Characters => formatter.write_str(
                "the token may have letters, digits and -._~+/= only; \
                 make one with `openssl rand -hex 32`",
            ),
            Self::File(path, e) => {
                write!(
                    formatter,
                    "the token file {} can't be used: {e}",
                    path.display()
                )
            }
            Self::InFile(path, e) => write!(formatter, "{}: {e}", path.display()),
        }
    }
}

impl std::error::Error for TokenError {}

#[cfg(test)]
mod tests {
    use super::*;

    const HEX: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    const BASE64: &str = "q83vASNFZ4mrze8BI0VniavN7wEjRWeJq83vASNFZ4k=";

    #[test]
    fn a_token_is_itself_and_no_other() {
        for text in [HEX, BASE64] {
            let token = Token::from(&TokenText::new(&format!(" {text}\n")).unwrap());
            assert!(token.is(text.as_bytes()));
            for other in [&text[1..], &text.to_uppercase(), "", &format!("{text}0")] {
                assert!(!token.is(other.as_bytes()), "{other}");
            }
            assert_eq!(format!("{token:?}"), "Token");
        }
    }

    #[test]
    fn what_can_t_hold_256_bits_is_refused_and_not_repeated() {
        for weak in [
            "",
            "secret",
            &HEX[1..],
            &BASE64[..42],
            &"a".repeat(64),
            &"0123456".repeat(10),
        ] {
            let error = TokenText::new(weak).unwrap_err();
            assert!(matches!(error, TokenError::Weak), "{weak}: {error:?}");
            let message = error.to_string();
            assert!(message.contains("openssl rand -hex 32"), "{message}");
            assert!(weak.is_empty() || !message.contains(weak));
        }
        for text in [
            format!("{HEX} {HEX}"),
            format!("{HEX}ü"),
            format!("{HEX}\r\nx: y"),
        ] {
            let error = TokenText::new(&text).unwrap_err();
            assert!(matches!(error, TokenError::Characters), "{error:?}");
        }
        let error = TokenText::new(&HEX.repeat(17)).unwrap_err();
        assert!(matches!(error, TokenError::TooLong), "{error:?}");
    }
}
