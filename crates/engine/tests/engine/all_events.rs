//! A million operations of every kind against a plain map, reopened in between.
//! `MODEL_SEED` and `MODEL_OPERATIONS` choose others.

use crate::common::*;
use fastrand::Rng;
use kv_engine::content;
use kv_engine::files::memory::MemoryFiles;
use kv_engine::{Options, Outcome, Store};
use kv_protocol::event::format_hash;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// A value of the model: itself, its version, and when its time is up.
#[derive(Clone, Debug)]
struct Held {
    value: Value,
    version: u64,
    expires_ms: Option<u64>,
}

#[derive(Default)]
struct Model {
    keys: BTreeMap<String, Held>,
    contents: BTreeMap<String, Value>,
    version: u64,
    time_ms: u64,
    /// Every change, as `changes` tells it, without its time.
    history: Vec<Value>,
}

impl Model {
    /// Ends what is due, as each batch does first.
    fn expire(&mut self) {
        loop {
            let due = self.keys.iter().filter_map(|(key, held)| {
                let expires_ms = held.expires_ms?;
                (expires_ms <= self.time_ms).then_some((expires_ms, key))
            });
            let Some((_, key)) = due.min() else {
                return;
            };
            let key = key.clone();
            self.keys.remove(&key);
            self.version += 1;
            self.history
                .push(json!({"type":"expire","version":self.version,"key":key}));
        }
    }

    fn version_of(&self, key: &str) -> u64 {
        self.keys.get(key).map_or(0, |held| held.version)
    }

    fn put(&mut self, key: &str, value: Value, version: u64, expires_ms: Option<u64>) {
        let mut change = json!({"type":"put","version":version,"key":key,"value":value});
        if let Some(expires_ms) = expires_ms {
            change["expires_ms"] = expires_ms.into();
        }
        self.history.push(change);
        let held = Held {
            value,
            version,
            expires_ms,
        };
        self.keys.insert(key.to_owned(), held);
    }

    fn delete(&mut self, key: &str, version: u64) -> bool {
        let deleted = self.keys.remove(key).is_some();
        if deleted {
            self.history
                .push(json!({"type":"delete","version":version,"key":key}));
        }
        deleted
    }

    /// Carries out a write under a version; its row, and whether it has changed
    /// something.
    fn write(&mut self, write: &Value, version: u64) -> Result<(Value, bool), &'static str> {
        let key = write["key"].as_str().unwrap_or_default().to_owned();
        let ttl_ms = write["ttl_ms"].as_u64();
        let expires_ms = ttl_ms.map(|ttl_ms| self.time_ms + ttl_ms);
        let before = self.keys.get(&key).cloned();
        let kept_ms = before.as_ref().and_then(|held| held.expires_ms);
        Ok(match write["type"].as_str().unwrap() {
            "put" => {
                self.put(&key, write["value"].clone(), version, expires_ms);
                (json!({"key":key}), true)
            }
            "delete" => {
                let deleted = self.delete(&key, version);
                (json!({"key":key,"deleted":deleted}), deleted)
            }
            "store_content" => {
                let (hash, _) = content::address(&write["content"].to_string()).unwrap();
                let hash = format_hash(&hash);
                let stored = write["content"].clone();
                let created = self.contents.insert(hash.clone(), stored).is_none();
                if created {
                    let change = json!({"type":"store_content","version":version,"hash":hash});
                    self.history.push(change);
                }
                (json!({"hash":hash,"created":created}), created)
            }
            "increment" => {
                let number = match &before {
                    None => 0,
                    Some(held) => held.value.as_i64().ok_or("conflict")?,
                };
                let by = write["by"].as_i64().unwrap_or(1);
                let sum = number.checked_add(by).ok_or("conflict")?;
                self.put(&key, sum.into(), version, expires_ms.or(kept_ms));
                (json!({"key":key,"value":sum}), true)
            }
            "patch" => {
                let mut value = before.map_or(Value::Null, |held| held.value);
                if !value.is_object() {
                    value = json!({});
                }
                for (name, member) in write["merge"].as_object().unwrap() {
                    if member.is_null() {
                        value.as_object_mut().unwrap().shift_remove(name);
                    } else {
                        value[name] = member.clone();
                    }
                }
                self.put(&key, value, version, expires_ms.or(kept_ms));
                (json!({"key":key}), true)
            }
            other => unreachable!("{other}"),
        })
    }

    fn condition_holds(&self, write: &Value) -> bool {
        let version = self.version_of(write["key"].as_str().unwrap_or_default());
        write["if_version"]
            .as_u64()
            .is_none_or(|expected| expected == version)
    }

    /// The reply to an event, or its code.
    fn answer(&mut self, event: &Value) -> Result<Value, &'static str> {
        let key = event["key"].as_str().unwrap_or_default();
        let next = self.version + 1;
        match event["type"].as_str().unwrap() {
            "get" => {
                let held = self.keys.get(key).ok_or("not_found")?;
                let mut reply = json!({"key":key,"value":held.value,"version":held.version});
                if let Some(expires_ms) = held.expires_ms {
                    reply["expires_in_ms"] = (expires_ms - self.time_ms).into();
                }
                Ok(reply)
            }
            "exists" => {
                let version = self.version_of(key);
                Ok(json!({"key":key,"exists":version > 0,"version":version}))
            }
            "get_content" => {
                let hash = event["hash"].as_str().unwrap();
                let content = self.contents.get(hash).ok_or("not_found")?;
                Ok(json!({"hash":hash,"content":content}))
            }
            "get_many" => {
                let keys = event["keys"].as_array().unwrap();
                let row = |key: &Value| match self.keys.get(key.as_str().unwrap()) {
                    None => json!({"key":key,"version":0}),
                    Some(held) => json!({"key":key,"value":held.value,"version":held.version}),
                };
                Ok(json!({"entries":keys.iter().map(row).collect::<Vec<_>>()}))
            }
            "put_many" => {
                let entries = event["entries"].as_object().unwrap();
                for (key, value) in entries {
                    self.put(key, value.clone(), next, None);
                }
                Ok(self.many("stored", entries.len()))
            }
            "delete_many" => {
                let keys = event["keys"].as_array().unwrap();
                let deleted = keys
                    .iter()
                    .filter(|key| self.delete(key.as_str().unwrap(), next));
                let count = deleted.count();
                Ok(self.many("deleted", count))
            }
            "delete_prefix" => {
                let prefix = event["prefix"].as_str().unwrap();
                let limit = usize::try_from(event["limit"].as_u64().unwrap()).unwrap();
                let keys = self.keys.keys().filter(|key| key.starts_with(prefix));
                let keys: Vec<_> = keys.cloned().collect();
                for key in keys.iter().take(limit) {
                    self.delete(key, next);
                }
                let mut reply = self.many("deleted", keys.len().min(limit));
                reply["complete"] = (keys.len() <= limit).into();
                Ok(reply)
            }
            "list" => Ok(self.list(event)),
            "batch" => self.batch(event["operations"].as_array().unwrap()),
            _ => {
                if !self.condition_holds(event) {
                    return Err("conflict");
                }
                let (mut reply, changed) = self.write(event, next)?;
                if changed {
                    self.version = next;
                    if event["type"] != "store_content" {
                        reply["version"] = next.into();
                    }
                }
                Ok(reply)
            }
        }
    }

    fn list(&self, event: &Value) -> Value {
        let limit = usize::try_from(event["limit"].as_u64().unwrap()).unwrap();
        let prefix = event["prefix"].as_str().unwrap();
        let start = event["start"].as_str().unwrap();
        let found = self.keys.range(start.to_owned()..);
        let mut found: Vec<_> = found.filter(|(key, _)| key.starts_with(prefix)).collect();
        if event["reverse"] == true {
            found.reverse();
        }
        let row = |(key, held): &(&String, &Held)| {
            let mut row = json!({"key":key,"version":held.version});
            if event["values"] == true {
                row["value"] = held.value.clone();
            }
            row
        };
        let rows: Vec<_> = found.iter().take(limit).map(row).collect();
        json!({"keys":rows,"complete":found.len() <= limit})
    }

    fn batch(&mut self, operations: &[Value]) -> Result<Value, &'static str> {
        let version = self.version + 1;
        let (keys, contents) = (self.keys.clone(), self.contents.clone());
        let told = self.history.len();
        let conditions = operations.iter().all(|write| self.condition_holds(write));
        let mut failed = (!conditions).then_some("conflict");
        let mut rows = Vec::new();
        let mut changed = false;
        for write in operations {
            match self.write(write, version) {
                Ok((row, has_changed)) => {
                    rows.push(row);
                    changed |= has_changed;
                }
                Err(code) => failed = failed.or(Some(code)),
            }
        }
        if let Some(code) = failed {
            (self.keys, self.contents) = (keys, contents);
            self.history.truncate(told);
            return Err(code);
        }
        let mut reply = json!({"results":rows});
        if changed {
            self.version = version;
            reply["version"] = version.into();
        }
        Ok(reply)
    }

    fn many(&mut self, name: &str, count: usize) -> Value {
        let mut reply = json!({name:count});
        if count > 0 {
            self.version += 1;
            reply["version"] = self.version.into();
        }
        reply
    }
}

fn key(random: &mut Rng) -> String {
    let tree = random.choice(["a", "b", "é"]).unwrap();
    format!("{tree}/{}", random.u32(..12))
}

fn value(random: &mut Rng) -> Value {
    match random.u32(..5) {
        0 => json!(random.i64(-9..9)),
        1 => json!(i64::MAX - i64::from(random.u8(..2))),
        2 => json!({"x":random.u32(..9),"y":null}),
        3 => json!("v".repeat(random.usize(..200))),
        _ => json!([true, {"n":random.u64(..)}]),
    }
}

fn write(random: &mut Rng, model: &Model) -> Value {
    let key = key(random);
    let mut write = match random.u32(..11) {
        0..4 => json!({"type":"put","key":key,"value":value(random)}),
        4..6 => json!({"type":"delete","key":key}),
        6 => return json!({"type":"store_content","content":[random.u32(..30)]}),
        7..9 => json!({"type":"increment","key":key,"by":random.i64(-3..4)}),
        _ => json!({"type":"patch","key":key,"merge":{"x":random.u32(..9),"z":null}}),
    };
    if random.u32(..4) == 0 {
        let versions = [model.version_of(&key), 0, random.u64(..=model.version)];
        write["if_version"] = (*random.choice(&versions).unwrap()).into();
    }
    if write["type"] != "delete" && random.u32(..6) == 0 {
        write["ttl_ms"] = random.u64(1..60).into();
    }
    write
}

fn event(random: &mut Rng, model: &Model) -> Value {
    let keys =
        |random: &mut Rng| -> Vec<String> { (0..random.usize(..6)).map(|_| key(random)).collect() };
    match random.u32(..24) {
        0..4 => json!({"type":"get","key":key(random)}),
        4 => json!({"type":"exists","key":key(random)}),
        5 => {
            let (hash, _) = content::address(&format!("[{}]", random.u32(..30))).unwrap();
            json!({"type":"get_content","hash":format_hash(&hash)})
        }
        6 => json!({"type":"get_many","keys":keys(random)}),
        7 => {
            let keys = keys(random);
            let entries = keys.into_iter().map(|key| (key, value(random)));
            let entries: serde_json::Map<_, _> = entries.collect();
            json!({"type":"put_many","entries":entries})
        }
        8 => json!({"type":"delete_many","keys":keys(random)}),
        9 => {
            let prefix = random.choice(["a/", "é/1", "b/1"]).unwrap();
            json!({"type":"delete_prefix","prefix":prefix,"limit":random.u32(1..5)})
        }
        10..12 => {
            let prefix = random.choice(["", "a", "é/", "b/1"]).unwrap();
            json!({
                "type":"list","prefix":prefix,"start":key(random),"reverse":random.bool(),
                "limit":random.u32(1..40),"values":random.bool()
            })
        }
        12..15 => {
            let writes = (0..random.usize(..6)).map(|_| write(random, model));
            json!({"type":"batch","operations":writes.collect::<Vec<_>>()})
        }
        _ => write(random, model),
    }
}

/// Compares a reply with the model's, but for what only a store can say.
fn compare(event: &Value, reply: &str, expected: Result<Value, &'static str>) {
    let mut reply: Value = serde_json::from_str(reply).unwrap();
    match expected {
        Err(code) => assert_eq!(reply["code"], code, "{event}: {reply}"),
        Ok(mut expected) => {
            expected["status"] = "ok".into();
            if let Some(reply) = reply.as_object_mut() {
                reply.shift_remove("cursor");
            }
            assert_eq!(reply, expected, "{event}");
        }
    }
}

/// The changes behind a version, without their times; nothing where they are
/// compacted.
fn history_at(store: &mut Store<MemoryFiles>, after_ms: u64, since: u64) -> Option<Vec<Value>> {
    let mut since = since;
    let mut found = Vec::new();
    loop {
        let event = format!(r#"{{"type":"changes","since":{since},"limit":50}}"#);
        let reply = say_at(store, after_ms, &event);
        if reply["code"] == "compacted" {
            return None;
        }
        for change in reply["changes"].as_array().unwrap() {
            let mut change = change.clone();
            change.as_object_mut().unwrap().shift_remove("time_ms");
            found.push(change);
        }
        if reply["complete"] == true {
            return Some(found);
        }
        since = reply["version"].as_u64().unwrap();
    }
}

#[test]
#[allow(
    clippy::disallowed_methods,
    reason = "a test takes its seed from the environment"
)]
fn every_event_does_what_a_plain_map_would() {
    let number = |name: &str, default: u64| match std::env::var(name) {
        Ok(text) => text.parse().unwrap(),
        Err(_) => default,
    };
    let seed = number("MODEL_SEED", 1);
    let operations = number("MODEL_OPERATIONS", 1_000_000);
    println!("MODEL_SEED={seed} cargo test -p kv-engine --test all_events");
    let mut random = Rng::with_seed(seed);
    let mut done = 0;
    while done < operations {
        let options = Options {
            cache_bytes_max: random.usize(..20_000),
            segment_bytes_max: 1 + random.u64(..60_000),
            checkpoint_interval_bytes: 1 + random.u64(..60_000),
            segments_open_max: 1 + random.usize(..4),
        };
        let files = MemoryFiles::default();
        let (mut store, _) = open_with(&files, options);
        let mut model = Model::default();
        for _ in 0..random.u32(50..2000) {
            model.time_ms += random.u64(..20);
            model.expire();
            let mut expected = Vec::new();
            let mut events = Vec::new();
            for _ in 0..random.usize(1..7) {
                let event = event(&mut random, &model);
                expected.push(model.answer(&event));
                events.push(event);
            }
            let lines: Vec<String> = events.iter().map(Value::to_string).collect();
            let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
            let after_ms = model.time_ms.wrapping_sub(TIME_MS);
            let (replies, outcome) = say_all_at(&mut store, after_ms, &lines);
            assert_eq!(outcome, Outcome::Serving);
            done += lines.len() as u64;
            for ((event, reply), expected) in events.iter().zip(&replies).zip(expected) {
                compare(event, reply, expected);
            }
            if random.u32(..300) == 0 {
                if random.bool() {
                    store.stop();
                }
                let (reopened, report) = open_with(&files, options);
                assert_eq!(report.version, model.version);
                assert_eq!(report.keys, model.keys.len());
                store = reopened;
            }
            if random.u32(..100) == 0 {
                let since = random.u64(..=model.version);
                let behind = |change: &&Value| change["version"].as_u64() > Some(since);
                let expected: Vec<_> = model.history.iter().filter(behind).cloned().collect();
                let after_ms = model.time_ms.wrapping_sub(TIME_MS);
                if let Some(found) = history_at(&mut store, after_ms, since) {
                    assert_eq!(found, expected);
                }
            }
        }
    }
}
