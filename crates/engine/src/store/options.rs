//! The store's own settings: the `[store]` table of the manifest.

use crate::log::writer::SEGMENT_BYTES_MAX;
use kv_protocol::{Code, Refusal};
use serde::Deserialize;

/// How a store is to be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// The budget of the value cache, in bytes; 0 for no cache.
    pub cache_bytes_max: usize,
    /// A log segment takes no further batch once it has this many bytes.
    pub segment_bytes_max: u64,
}

impl Options {
    /// The names of the settings.
    pub const NAMES: [&str; 2] = ["cache_bytes_max", "segment_bytes_max"];

    /// Reads the settings from a JSON object; what it leaves out has its default.
    ///
    /// # Errors
    /// `invalid_event` for an unknown setting, a wrong type or a value out of
    /// range.
    pub fn from_json(configuration: &str) -> Result<Self, Refusal> {
        let invalid = |message: String| Refusal::new(Code::InvalidEvent, message);
        // By way of an object: an array would be taken for the fields in order.
        let options: Self = serde_json::from_str::<serde_json::Map<_, _>>(configuration)
            .and_then(|settings| serde_json::from_value(settings.into()))
            .map_err(|e| invalid(format!("the store's settings can't be read: {e}")))?;
        if !(1..=SEGMENT_BYTES_MAX).contains(&options.segment_bytes_max) {
            return Err(invalid(format!(
                "`segment_bytes_max` must be from 1 to {SEGMENT_BYTES_MAX}"
            )));
        }
        Ok(options)
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            cache_bytes_max: 128 * 1024 * 1024,
            segment_bytes_max: 64 * 1024 * 1024,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_have_defaults_and_names_are_checked() {
        assert_eq!(Options::from_json("{}"), Ok(Options::default()));
        let all = r#"{"cache_bytes_max":0,"segment_bytes_max":1}"#;
        let options = Options::from_json(all).unwrap();
        assert_eq!((options.cache_bytes_max, options.segment_bytes_max), (0, 1));
        assert!(Options::NAMES.iter().all(|name| all.contains(name)));
        for bad in [
            "",
            "[]",
            r#"{"cache":1}"#,
            r#"{"cache_bytes_max":-1}"#,
            r#"{"segment_bytes_max":0}"#,
            r#"{"segment_bytes_max":2000000000}"#,
        ] {
            assert_eq!(
                Options::from_json(bad).unwrap_err().code,
                Code::InvalidEvent,
                "{bad}"
            );
        }
    }
}
