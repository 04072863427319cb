//! `watch` and `unwatch` over the line front. They go through the batch as events
//! of the actor that tell where its history stands, so that their replies come
//! in the order of the client's events.

use super::{Watcher, Watchers};
use crate::clients::Clients;
use crate::refusal;
use kv_protocol::json::write_number;
use kv_protocol::{Code, Operation, Refusal, event, reply};
use memchr::memmem::Finder;
use serde::Deserialize;
use std::sync::LazyLock;

/// Made once: to make one takes as long as to search a line.
static WORD: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b"watch"));
static ESCAPE: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b"\\u"));

/// What a client has asked for.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) client: usize,
    /// The line, as it was sent.
    pub(crate) line: Vec<u8>,
    id: Option<String>,
    what: What,
}

#[derive(Clone, Debug)]
enum What {
    Watch { prefix: String, since: Option<u64> },
    Unwatch,
}

impl Asked {
    /// Reads a client's line, if it is one of these, and says what to ask the
    /// actor in its place.
    pub(crate) fn read(client: usize, line: &[u8]) -> Option<(Box<Self>, Vec<u8>)> {
        // Most lines are something else, and read by the actor alone. In JSON a
        // word may also be written with escapes.
        if WORD.find(line).is_none() && ESCAPE.find(line).is_none() {
            return None;
        }
        let event = event::parse(line);
        let what = match event.operation {
            Ok(Operation::Watch { prefix, since }) => What::Watch {
                prefix: prefix.into_owned(),
                since,
            },
            Ok(Operation::Unwatch) => What::Unwatch,
            _ => return None,
        };
        let mut question = Vec::new();
        match what {
            What::Watch {
                since: Some(since), ..
            } => {
                question.extend_from_slice(b"{\"type\":\"changes\",\"limit\":1,\"since\":");
                write_number(&mut question, since);
            }
            _ => question.extend_from_slice(b"{\"type\":\"stats\""),
        }
        if let Some(id) = event.id {
            question.extend_from_slice(b",\"id\":");
            question.extend_from_slice(id.as_bytes());
        }
        question.push(b'}');
        let asked = Self {
            client,
            line: line.to_vec(),
            id: event.id.map(str::to_owned),
            what,
        };
        Some((Box::new(asked), question))
    }

    /// Takes the actor's reply, and answers the client.
    pub(crate) fn reply(self, line: &[u8], watchers: &mut Watchers, clients: &mut Clients) {
        #[derive(Deserialize)]
        struct Reply<'a> {
            status: &'a str,
            version: Option<u64>,
        }
        let refused = |clients: &mut Clients, refusal: &Refusal| {
            clients.refuse(self.client, &self.line, refusal);
        };
        let id = self.id.as_deref();
        let mut answer = Vec::new();
        let reply = serde_json::from_slice::<Reply<'_>>(line);
        match (reply, self.what) {
            (Ok(reply), _) if reply.status != "ok" => clients.reply(self.client, line),
            (_, What::Unwatch) => {
                watchers.remove(Watcher::Client(self.client));
                clients.set_watch(self.client, None);
                reply::unwatch(&mut answer, id);
                clients.reply(self.client, &answer);
            }
            (
                Ok(Reply {
                    version: Some(version),
                    ..
                }),
                What::Watch { prefix, since },
            ) => {
                if watchers.is_watching(self.client) {
                    let message =
                        "this connection watches already: `unwatch` first, or connect once more";
                    let refusal = Refusal::new(Code::InvalidEvent, message);
                    return refused(clients, &refusal);
                }
                let from = since.unwrap_or(version);
                reply::watch(&mut answer, id, from);
                clients.reply(self.client, &answer);
                let bytes = prefix.len() + id.map_or(0, str::len);
                clients.set_watch(self.client, Some(bytes));
                watchers.begin(self.client, id, prefix, from, since.is_none());
            }
            _ => refused(clients, &refusal::unreadable()),
        }
    }
}
