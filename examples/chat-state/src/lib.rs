//! Conversations as a DAG. A message is content: it is stored once, under its
//! hash, and names its parent by hash. A conversation is a key that holds the hash
//! of its newest message, its head. docs/tutorial.md explains it line by line.

mod bindings;
mod store;

use bindings::exports::ntwk::actor::actor::{Failure, Guest, Handled};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use store::Refusal;

/// How often a message is put behind the newest one, while others do the same.
const TRIES_MAX: u32 = 100;

/// The most messages in one page of history.
const PAGE_MESSAGES_MAX: usize = 100;

/// What a client may say.
#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
enum Event {
    /// Adds a message: behind `parent`, if that is still the head; without it,
    /// behind whatever the head is.
    Append {
        conversation: String,
        author: String,
        text: String,
        parent: Option<String>,
    },
    /// Begins a conversation that shares the past of another, up to a message.
    Branch {
        conversation: String,
        from: String,
        at: Option<String>,
    },
    /// The newest messages, or those from `at` on backwards.
    History {
        conversation: String,
        at: Option<String>,
        limit: Option<usize>,
    },
    /// The newest message's hash.
    Head { conversation: String },
}

/// A message, as it is stored.
#[derive(Deserialize, Serialize)]
struct Message {
    parent: Option<String>,
    author: String,
    text: String,
    time_ms: u64,
}

/// The newest message of a conversation, and the version to change it by.
#[derive(Default)]
struct Head {
    hash: Option<String>,
    version: u64,
}

/// The exports; `bindings` hands them to the runtime.
pub(crate) struct ChatState;

impl Guest for ChatState {
    fn init(_configuration: String) -> Result<String, Failure> {
        Ok("{}".to_owned())
    }

    fn handle(events: Vec<u8>, time_ms: u64) -> Handled {
        let mut replies = Vec::new();
        for line in events.split_inclusive(|byte| *byte == b'\n') {
            let reply = answer(line, time_ms).unwrap_or_else(|refusal| json!(refusal));
            replies.extend_from_slice(reply.to_string().as_bytes());
            replies.push(b'\n');
        }
        Handled {
            replies,
            changes: Vec::new(),
            finished: false,
            wake_at_ms: None,
        }
    }

    fn stop() {}
}

fn answer(line: &[u8], time_ms: u64) -> Result<Value, Refusal> {
    let event = serde_json::from_slice(line)
        .map_err(|e| Refusal::new("invalid_event", format!("{e}; docs/tutorial.md has all")))?;
    match event {
        Event::Append {
            conversation,
            author,
            text,
            parent,
        } => {
            let message = Message {
                parent,
                author,
                text,
                time_ms,
            };
            append(&conversation, message)
        }
        Event::Branch {
            conversation,
            from,
            at,
        } => branch(&conversation, &from, at),
        Event::History {
            conversation,
            at,
            limit,
        } => history(&conversation, at, limit),
        Event::Head { conversation } => {
            let hash = head(&conversation)?
                .hash
                .ok_or_else(|| missing(&conversation))?;
            Ok(json!({"status": "ok", "conversation": conversation, "hash": hash}))
        }
    }
}

/// The message is stored first, then the head is moved to it, if it is still
/// where it was: of two writers, one finds that out, and neither loses a message.
fn append(conversation: &str, mut message: Message) -> Result<Value, Refusal> {
    let wanted = message.parent.take();
    for _ in 0..TRIES_MAX {
        let head = head(conversation)?;
        if wanted.is_some() && wanted != head.hash {
            let text = format!("the newest message of `{conversation}` is another one");
            return Err(Refusal::new("conflict", text));
        }
        message.parent = head.hash;
        let hash = store::store_content(&message)?;
        match store::put(&key(conversation), &hash, head.version) {
            Ok(()) => {
                let parent = message.parent;
                return Ok(json!({"status": "ok", "hash": hash, "parent": parent}));
            }
            Err(refusal) if refusal.code == "conflict" => {}
            Err(refusal) => return Err(refusal),
        }
    }
    Err(Refusal::new(
        "conflict",
        format!("others wrote to `{conversation}` {TRIES_MAX} times; try again"),
    ))
}

fn branch(conversation: &str, from: &str, at: Option<String>) -> Result<Value, Refusal> {
    let newest = head(from)?.hash.ok_or_else(|| missing(from))?;
    let hash = at.unwrap_or(newest);
    store::get_content::<Message>(&hash)?;
    store::put(&key(conversation), &hash, 0)?;
    Ok(json!({"status": "ok", "conversation": conversation, "hash": hash}))
}

fn history(conversation: &str, at: Option<String>, limit: Option<usize>) -> Result<Value, Refusal> {
    let newest = head(conversation)?
        .hash
        .ok_or_else(|| missing(conversation))?;
    let mut next = Some(at.unwrap_or(newest));
    let mut messages = Vec::new();
    while let Some(hash) =
        next.take_if(|_| messages.len() < limit.unwrap_or(20).clamp(1, PAGE_MESSAGES_MAX))
    {
        let mut message: Message = store::get_content(&hash)?;
        next = message.parent.take();
        messages.push(json!({
            "hash": hash,
            "author": message.author,
            "text": message.text,
            "time_ms": message.time_ms,
        }));
    }
    // `next` is where the next page begins, `null` behind the first message.
    Ok(json!({"status": "ok", "messages": messages, "next": next}))
}

fn head(conversation: &str) -> Result<Head, Refusal> {
    match store::get(&key(conversation)) {
        Ok((hash, version)) => Ok(Head {
            hash: Some(hash),
            version,
        }),
        Err(refusal) if refusal.code == "not_found" => Ok(Head::default()),
        Err(refusal) => Err(refusal),
    }
}

fn key(conversation: &str) -> String {
    format!("conversation/{conversation}")
}

fn missing(conversation: &str) -> Refusal {
    Refusal::new(
        "not_found",
        format!("there is no conversation `{conversation}`"),
    )
}
