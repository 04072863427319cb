//! Microbenchmarks of the store's parts: `make micro`.
#![allow(
    missing_docs,
    reason = "criterion's macros make undocumented functions"
)]

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use kv_engine::cache::Cache;
use kv_engine::canonical::canonical;
use kv_engine::content;
use kv_engine::files::memory::MemoryFiles;
use kv_engine::index::{Address, Entry, Held, Index, Location};
use kv_engine::log::line::Line;
use kv_engine::log::record::{Change, check, write_changes};
use kv_engine::{Options, Store};
use kv_runtime::{Actor, ActorSettings, GuestLimits, Messages};
use std::borrow::Cow;
use std::hint::black_box;

const TIME_MS: u64 = 1_700_000_000_000;

/// A JSON string of 200 bytes, its quotes included.
fn value() -> String {
    format!("\"{}\"", "v".repeat(198))
}

fn key(number: u64) -> String {
    format!("key:{number:016}")
}

fn put<'a>(key: &'a str, value: &'a str) -> Change<'a> {
    Change::Put {
        key: Cow::Borrowed(key),
        value: Cow::Borrowed(value),
        expires_ms: None,
    }
}

/// A line of the log with a put, without its line feed.
fn line() -> Vec<u8> {
    let mut batch = Vec::new();
    write_changes(&mut batch, 0, TIME_MS, 1, None, &[put(&key(7), &value())]);
    batch.pop();
    batch
}

fn record(criterion: &mut Criterion) {
    let (key, value, line) = (key(7), value(), line());
    let mut group = criterion.benchmark_group("record");
    group.throughput(Throughput::Bytes(line.len() as u64));
    group.bench_function("encode", |bencher| {
        let mut batch = Vec::with_capacity(4096);
        bencher.iter(|| {
            batch.clear();
            let change = put(black_box(&key), black_box(&value));
            write_changes(&mut batch, 0, TIME_MS, 1, None, &[change])
        });
    });
    group.bench_function("checksum", |bencher| {
        bencher.iter(|| check(black_box(&line), 0).unwrap());
    });
    group.bench_function("decode", |bencher| {
        bencher.iter(|| {
            let read = Line::read(black_box(&line)).and_then(Line::changes);
            black_box(read.unwrap());
        });
    });
    group.finish();
}

fn canonical_form(criterion: &mut Criterion) {
    let texts = [
        (
            "in order",
            r#"{"a":1,"b":[true,null,"text"],"c":{"d":0.5}}"#,
        ),
        (
            "out of order",
            r#"{"z":1.50,"b":[1e3,null,"\u00e9"],"a":{"y":0.5,"x":"text"}}"#,
        ),
    ];
    let mut group = criterion.benchmark_group("canonical form");
    for (name, text) in texts {
        group.throughput(Throughput::Bytes(text.len() as u64));
        group.bench_function(name, |bencher| {
            bencher.iter(|| canonical(black_box(text), 1 << 20).unwrap());
        });
    }
    group.bench_function("and hash", |bencher| {
        bencher.iter(|| content::address(black_box(texts[1].1)).unwrap());
    });
    group.finish();
}

fn held(cache: &mut Cache, version: u64) -> Held {
    let location = Location {
        version,
        segment: 1,
        offset: 0,
        length: 280,
        checksum_before: 0,
    };
    Held {
        entry: Some(Entry {
            location,
            slot: cache.insert(version, ""),
        }),
        expires_ms: None,
    }
}

fn index(criterion: &mut Criterion) {
    const KEYS: u64 = 100_000;
    let mut cache = Cache::new(0);
    let mut index = Index::default();
    for number in 0..KEYS {
        let number = number * 7919 % KEYS;
        let held = held(&mut cache, number + 1);
        index.set(Address::Key(&key(number)), held);
    }
    let keys: Vec<_> = (0..KEYS)
        .map(|number| key(number * 104_729 % KEYS))
        .collect();
    let mut group = criterion.benchmark_group("index of 100,000 keys");
    let mut next = keys.iter().cycle();
    group.bench_function("get", |bencher| {
        bencher.iter(|| index.get(Address::Key(next.next().unwrap())).unwrap());
    });
    let replaced = held(&mut cache, KEYS + 1);
    group.bench_function("replace", |bencher| {
        bencher.iter(|| index.set(Address::Key(next.next().unwrap()), replaced));
    });
    group.finish();
}

fn cache(criterion: &mut Criterion) {
    const VALUES: u64 = 10_000;
    let value = value();
    let mut cache = Cache::new(64 << 20);
    let slots: Vec<_> = (1..=VALUES)
        .map(|version| (version, cache.insert(version, &value)))
        .collect();
    let mut group = criterion.benchmark_group("cache");
    let mut next = slots.iter().cycle();
    group.bench_function("get", |bencher| {
        bencher.iter(|| {
            let (version, slot) = next.next().unwrap();
            cache.get(*slot, *version).unwrap().len()
        });
    });
    // Full, so that each insert drives out another value.
    let mut full = Cache::new(1 << 20);
    let mut version = 0;
    group.bench_function("insert and evict", |bencher| {
        bencher.iter(|| {
            version += 1;
            full.insert(version, black_box(&value))
        });
    });
    group.finish();
}

fn puts(count: u64) -> Vec<u8> {
    let mut events = Vec::new();
    for number in 0..count {
        let event = format!(
            "{{\"type\":\"put\",\"key\":\"{}\",\"value\":{}}}\n",
            key(number),
            value()
        );
        events.extend_from_slice(event.as_bytes());
    }
    events
}

fn engine(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("engine in memory");
    for count in [1, 64] {
        let events = puts(count);
        group.throughput(Throughput::Elements(count));
        group.bench_function(format!("batch of {count} puts"), |bencher| {
            // Anew now and then, so that the files in memory stay small.
            bencher.iter_batched_ref(
                || {
                    Store::open(MemoryFiles::default(), Options::default())
                        .unwrap()
                        .0
                },
                |store| {
                    let mut replies = Vec::new();
                    let outcome = store.handle(black_box(&events), TIME_MS, &mut replies);
                    (outcome, replies)
                },
                BatchSize::SmallInput,
            );
        });
    }
    group.finish();
}

/// An empty batch crosses into the component and back; a get works there too.
fn wasm_call(criterion: &mut Criterion) {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../target/component/kv-store.wasm"
    );
    let Ok(component) = std::fs::read(path) else {
        eprintln!("{path} is missing: build it with `make component`");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let mut actor = Actor::start(ActorSettings {
        name: "micro".to_owned(),
        component,
        data: folder.path().join("data"),
        configuration: "{}".to_owned(),
        limits: GuestLimits::default(),
        messages: Messages::default(),
        compiled: None,
    })
    .unwrap();
    actor.handle(&puts(64), 64, TIME_MS).unwrap();
    let mut group = criterion.benchmark_group("wasm call");
    group.bench_function("no event", |bencher| {
        bencher.iter(|| actor.handle(b"", 0, TIME_MS).unwrap());
    });
    let get = format!("{{\"type\":\"get\",\"key\":\"{}\"}}\n", key(7));
    group.bench_function("a get", |bencher| {
        bencher.iter(|| actor.handle(black_box(get.as_bytes()), 1, TIME_MS).unwrap());
    });
    group.finish();
}

criterion_group!(
    micro,
    record,
    canonical_form,
    index,
    cache,
    engine,
    wasm_call
);
criterion_main!(micro);
