//! The one table of error codes: what each is called on the wire, over HTTP and
//! as a CLI exit code.

/// Why an event was not carried out. The name of each is stable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// The line is no JSON, or not UTF-8.
    InvalidJson,
    /// JSON, but no event that this store knows.
    InvalidEvent,
    /// Nothing is stored under that key or hash.
    NotFound,
    /// A condition did not hold.
    Conflict,
    /// A limit of `limits` was exceeded.
    TooLarge,
    /// What was read back is not what was stored.
    Corrupt,
    /// The disk refused: full, read-only, failed.
    Storage,
    /// Who asks may not.
    Forbidden,
    /// Who asks has not shown the token.
    Unauthenticated,
    /// The history that was asked for is gone.
    Compacted,
    /// Two actors would wait for each other.
    Cycle,
    /// The store could not answer; whether the event took effect is unknown.
    Unavailable,
}

/// A row of the table: wire name, HTTP status, exit code of the CLI.
const TABLE: [(Code, &str, u16, u8); 12] = [
    (Code::InvalidJson, "invalid_json", 400, 10),
    (Code::InvalidEvent, "invalid_event", 422, 11),
    (Code::NotFound, "not_found", 404, 12),
    (Code::Conflict, "conflict", 412, 13),
    (Code::TooLarge, "too_large", 413, 14),
    (Code::Corrupt, "corrupt", 500, 15),
    (Code::Storage, "storage", 507, 16),
    (Code::Forbidden, "forbidden", 403, 18),
    (Code::Unauthenticated, "unauthenticated", 401, 19),
    (Code::Compacted, "compacted", 410, 20),
    (Code::Cycle, "cycle", 508, 21),
    (Code::Unavailable, "unavailable", 503, 17),
];

impl Code {
    /// Every code, in the table's order.
    pub fn all() -> impl Iterator<Item = Self> {
        TABLE.iter().map(|row| row.0)
    }

    /// The code with this wire name, if there is one.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        TABLE.iter().find(|row| row.1 == name).map(|row| row.0)
    }

    /// The name on the wire, such as `not_found`.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.row().1
    }

    /// The HTTP status that carries this code.
    #[must_use]
    pub fn http_status(self) -> u16 {
        self.row().2
    }

    /// The CLI's exit code (0 is success, 1 any other failure, 2 wrong usage).
    #[must_use]
    pub fn exit_code(self) -> u8 {
        self.row().3
    }

    fn row(self) -> &'static (Self, &'static str, u16, u8) {
        &TABLE[self as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_finds_its_own_row() {
        for code in Code::all() {
            assert_eq!(code.row().0, code);
            assert_eq!(Code::from_name(code.name()), Some(code));
        }
        assert_eq!(Code::from_name("ok"), None);
    }
}
