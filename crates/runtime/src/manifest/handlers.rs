//! The manifest's handlers: what a guest may use. `runtime` says how much of the
//! machine, `filesystem` which directory.

use super::limits::GuestLimits;
use super::{DATA_PATH, Fault, not_empty};
use serde::Deserialize;
use std::fmt::Display;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use toml::Spanned;

/// One `[[handlers]]` as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Handler {
    r#type: Spanned<String>,
    #[serde(default)]
    config: Config,
}

/// The settings of every type of handler.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Config {
    path: Option<Spanned<PathBuf>>,
    memory_bytes_max: Option<Spanned<u64>>,
    handle_timeout_ms: Option<Spanned<u64>>,
    open_timeout_ms: Option<Spanned<u64>>,
    request_timeout_ms: Option<Spanned<u64>>,
    restarts_max: Option<Spanned<u32>>,
    restarts_window_ms: Option<Spanned<u64>>,
}

/// What all handlers say together.
#[derive(Debug, Default)]
pub(super) struct Handlers {
    pub(super) limits: Option<GuestLimits>,
    pub(super) path: Option<PathBuf>,
}

impl Handlers {
    pub(super) fn read(written: Vec<Handler>) -> Result<Self, Fault> {
        let mut handlers = Self::default();
        for Handler { r#type, config } in written {
            let span = r#type.span();
            let doubled = match r#type.get_ref().as_str() {
                "runtime" => handlers.limits.replace(config.limits()?).is_some(),
                "filesystem" => handlers.path.replace(config.path()?).is_some(),
                other => {
                    let message = format!(
                        "there is no handler of type `{other}`; there are `runtime` and `filesystem`"
                    );
                    return Err(Fault::at(span, message));
                }
            };
            if doubled {
                let message = format!(
                    "there is a handler of type `{}` already; keep one",
                    r#type.get_ref()
                );
                return Err(Fault::at(span, message));
            }
        }
        Ok(handlers)
    }
}

impl Config {
    fn limits(self) -> Result<GuestLimits, Fault> {
        if let Some(path) = self.path {
            let message = "`path` is a setting of the handler of type `filesystem`";
            return Err(Fault::at(path.span(), message));
        }
        let default = GuestLimits::default();
        Ok(GuestLimits {
            memory_bytes_max: within(
                "memory_bytes_max",
                self.memory_bytes_max,
                GuestLimits::MEMORY_BYTES_RANGE,
                default.memory_bytes_max,
            )?,
            handle_timeout_ms: above_zero(
                "handle_timeout_ms",
                self.handle_timeout_ms,
                default.handle_timeout_ms,
            )?,
            open_timeout_ms: above_zero(
                "open_timeout_ms",
                self.open_timeout_ms,
                default.open_timeout_ms,
            )?,
            request_timeout_ms: above_zero(
                "request_timeout_ms",
                self.request_timeout_ms,
                default.request_timeout_ms,
            )?,
            restarts_max: self
                .restarts_max
                .map_or(default.restarts_max, Spanned::into_inner),
            restarts_window_ms: above_zero(
                "restarts_window_ms",
                self.restarts_window_ms,
                default.restarts_window_ms,
            )?,
        })
    }

    fn path(self) -> Result<PathBuf, Fault> {
        let foreign = [
            ("memory_bytes_max", span(self.memory_bytes_max.as_ref())),
            ("handle_timeout_ms", span(self.handle_timeout_ms.as_ref())),
            ("open_timeout_ms", span(self.open_timeout_ms.as_ref())),
            ("request_timeout_ms", span(self.request_timeout_ms.as_ref())),
            ("restarts_max", span(self.restarts_max.as_ref())),
            ("restarts_window_ms", span(self.restarts_window_ms.as_ref())),
        ];
        for (name, span) in foreign {
            if let Some(span) = span {
                let message = format!("`{name}` is a setting of the handler of type `runtime`");
                return Err(Fault::at(span, message));
            }
        }
        match self.path {
            None => Ok(DATA_PATH.into()),
            Some(path) => not_empty("path", path),
        }
    }
}

fn span<T>(written: Option<&Spanned<T>>) -> Option<std::ops::Range<usize>> {
    written.map(Spanned::span)
}

fn above_zero(name: &str, written: Option<Spanned<u64>>, default: u64) -> Result<u64, Fault> {
    match written {
        Some(value) if *value.get_ref() == 0 => Err(Fault::at(
            value.span(),
            format!("`{name}` must be above 0; left out, it is {default}"),
        )),
        written => Ok(written.map_or(default, Spanned::into_inner)),
    }
}

fn within<T: Copy + Display + PartialOrd>(
    name: &str,
    written: Option<Spanned<T>>,
    range: RangeInclusive<T>,
    default: T,
) -> Result<T, Fault> {
    match written {
        Some(value) if !range.contains(value.get_ref()) => Err(Fault::at(
            value.span(),
            format!(
                "`{name}` must be from {} to {}; left out, it is {default}",
                range.start(),
                range.end()
            ),
        )),
        written => Ok(written.map_or(default, Spanned::into_inner)),
    }
}
