//! Refusals, from what the actor has answered or has not.

use kv_protocol::{Code, Details, Refusal};
use kv_runtime::Unavailable;
use serde::Deserialize;

/// Nobody answered.
pub(crate) fn unavailable(unavailable: &Unavailable) -> Refusal {
    Refusal::new(Code::Unavailable, unavailable.to_string())
}

/// The actor is trusted to write replies; this says so if it doesn't.
pub(crate) fn unreadable() -> Refusal {
    Refusal::new(Code::Unavailable, "the actor's reply can't be read")
}

/// The refusal in an error reply.
pub(crate) fn read(line: &[u8]) -> Refusal {
    #[derive(Deserialize)]
    struct Reply<'a> {
        code: &'a str,
        message: String,
        operation: Option<usize>,
        version: Option<u64>,
        oldest: Option<u64>,
    }
    let Ok(reply) = serde_json::from_slice::<Reply<'_>>(line) else {
        return unreadable();
    };
    let Some(code) = Code::from_name(reply.code) else {
        return unreadable();
    };
    let mut refusal = Refusal::new(code, reply.message);
    refusal.details = Details {
        operation: reply.operation,
        version: reply.version,
        oldest: reply.oldest,
    };
    refusal
}
