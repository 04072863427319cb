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
    /// How much longer the log gets before a new checkpoint of the index is
    /// written, which makes opening fast. Twice the last checkpoint's length
    /// where that is more.
    pub checkpoint_interval_bytes: u64,
    /// How many segments are kept open for reading values that are not cached.
    /// Less where the system allows few open files.
    pub segments_open_max: usize,
}

impl Options {
    /// The names of the settings.
    pub const NAMES: [&str; 4] = [
        "cache_bytes_max",
        "segment_bytes_max",
        "checkpoint_interval_bytes",
        "segments_open_max",
    ];

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
        if options.checkpoint_interval_bytes == 0 {
            return Err(invalid(
                "`checkpoint_interval_bytes` must be at least 1".to_owned(),
            ));
        }
        if options.segments_open_max == 0 {
            return Err(invalid("`segments_open_max` must be at least 1".to_owned()));
        }
        Ok(options)
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            cache_bytes_max: 128 * 1024 * 1024,
            segment_bytes_max: 64 * 1024 * 1024,
            checkpoint_interval_bytes: 64 * 1024 * 1024,
            segments_open_max: 128,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_have_defaults_and_names_are_checked() {
        assert_eq!(Options::from_json("{}"), Ok(Options::default()));
        let all = r#"{"cache_bytes_max":0,"segment_bytes_max":1,"checkpoint_interval_bytes":2,"segments_open_max":3}"#;
        let options = Options::from_json(all).unwrap();
        let expected = Options {
            cache_bytes_max: 0,
            segment_bytes_max: 1,
            checkpoint_interval_bytes: 2,
            segments_open_max: 3,
        };
        assert_eq!(options, expected);
        assert!(Options::NAMES.iter().all(|name| all.contains(name)));
        for bad in [
            "",
            "[]",
            r#"{"cache":1}"#,
            r#"{"cache_bytes_max":-1}"#,
            r#"{"segment_bytes_max":0}"#,
            r#"{"segment_bytes_max":2000000000}"#,
            r#"{"checkpoint_interval_bytes":0}"#,
            r#"{"segments_open_max":0}"#,
        ] {
            assert_eq!(
                Options::from_json(bad).unwrap_err().code,
                Code::InvalidEvent,
                "{bad}"
            );
        }
    }
}
