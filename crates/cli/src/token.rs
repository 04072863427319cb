//! Where the token comes from: a file that a flag names, the environment, or a
//! file that the manifest names. Never the command line, which everybody sees.

use crate::failure::Failure;
use kv_server::TokenText;
use kv_server::token::TokenError;
use std::path::Path;

const VARIABLE: &str = "KV_ACTOR_TOKEN";

/// The first of them that is there. `in_manifest` is asked last.
pub(crate) fn find(
    flag: Option<&Path>,
    in_manifest: Option<&Path>,
) -> Result<Option<TokenText>, Failure> {
    let variable = std::env::var_os(VARIABLE);
    let found = match (flag, variable, in_manifest) {
        (Some(path), _, _) | (None, None, Some(path)) => TokenText::read(path),
        (None, Some(text), _) => {
            let text = text.to_str().ok_or(TokenError::Characters);
            return text
                .and_then(TokenText::new)
                .map(Some)
                .map_err(|e| Failure::new(format!("{VARIABLE}: {e}")));
        }
        (None, None, None) => return Ok(None),
    };
    found.map(Some).map_err(|e| Failure::new(e.to_string()))
}
