//! Finds settings that nobody knows, and the known one that was likely meant.

use std::fmt;
use std::ops::Range;
use toml::de::{DeTable, DeValue};

/// The settings of each table, by the table's name.
const KNOWN: [(&str, &[&str]); 7] = [
    (
        "",
        &[
            "name",
            "version",
            "description",
            "component_path",
            "interface",
            "requires",
            "subscribe",
            "handlers",
            "store",
            "configuration",
            "listen",
        ],
    ),
    ("interface", &["implements"]),
    ("subscribe", &["actor", "prefix"]),
    ("handlers", &["type", "config"]),
    (
        "handlers.config",
        &[
            "path",
            "memory_bytes_max",
            "handle_timeout_ms",
            "open_timeout_ms",
            "request_timeout_ms",
            "restarts_max",
            "restarts_window_ms",
        ],
    ),
    ("store", &[]),
    (
        "listen",
        &[
            "lines",
            "http",
            "unix",
            "token_file",
            "certificate_file",
            "key_file",
        ],
    ),
];

/// A setting that nobody knows.
pub(super) struct Unknown {
    pub(super) span: Range<usize>,
    name: String,
    table: &'static str,
    nearest: Option<String>,
}

impl fmt::Display for Unknown {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "there is no setting `{}`", self.name)?;
        if !self.table.is_empty() {
            write!(formatter, " in `{}`", self.table)?;
        }
        match &self.nearest {
            Some(nearest) => write!(formatter, "; did you mean `{nearest}`?"),
            None => Ok(()),
        }
    }
}

/// Checks every name. `settings` are those of the actor's own table. Text that
/// is no TOML is left to the reading proper, which says what is wrong with it.
pub(super) fn check_names(text: &str, settings: &[&str]) -> Result<(), Unknown> {
    match DeTable::parse(text) {
        Ok(table) => check(table.get_ref(), "", settings),
        Err(_) => Ok(()),
    }
}

fn check(table: &DeTable<'_>, place: &str, settings: &[&str]) -> Result<(), Unknown> {
    let Some((place, known)) = KNOWN.iter().find(|known| known.0 == place) else {
        return Ok(());
    };
    let known = if *place == "store" { settings } else { known };
    for (name, value) in table {
        if !known.contains(&name.get_ref().as_ref()) {
            return Err(Unknown {
                span: name.span(),
                name: name.get_ref().to_string(),
                table: place,
                nearest: nearest(name.get_ref(), known),
            });
        }
        let inner = match *place {
            "" => name.get_ref().to_string(),
            place => format!("{place}.{}", name.get_ref()),
        };
        match value.get_ref() {
            DeValue::Table(table) => check(table, &inner, settings)?,
            DeValue::Array(array) => {
                for item in array {
                    if let DeValue::Table(table) = item.get_ref() {
                        check(table, &inner, settings)?;
                    }
                }
            }
            _ => {}
        }
    }
    Ok(())
}

/// The known name that is most like this one.
fn nearest(name: &str, known: &[&str]) -> Option<String> {
    let distance = |known: &&&str| strsim::damerau_levenshtein(name, known);
    known
        .iter()
        .min_by_key(distance)
        .map(|name| (*name).to_owned())
}
