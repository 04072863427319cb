//! Applications that import `wasi:keyvalue`, composed with the component as `wac
//! plug` does it, in wasmtime with nothing but a directory.

use kv_engine::files::native::NativeFiles;
use kv_engine::{Options, Outcome, Store as Engine};
use serde_json::{Value, json};
use std::path::Path;
use std::process::Command;
use tempfile::TempDir;
use wac_graph::types::Package;
use wac_graph::{CompositionGraph, EncodeOptions};
use wasmtime::Store;
use wasmtime::component::{Component, Instance, Linker, ResourceTable};
use wasmtime_wasi::{FsPerms, WasiCtx, WasiCtxView, WasiView};

const COMPONENTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/component");

fn component(name: &str) -> Vec<u8> {
    let path = format!("{COMPONENTS}/{name}.wasm");
    std::fs::read(&path).unwrap_or_else(|e| panic!("{path}: {e}: run `make component`"))
}

/// By the library that `wac plug` is made of; by `wac` itself where `WAC` names it.
fn composed(application: &str) -> Vec<u8> {
    if let Some(wac) = std::env::var_os("WAC") {
        let folder = folder();
        let composed = folder.path().join("composed.wasm");
        let plugged = Command::new(wac)
            .args(["plug", &format!("{COMPONENTS}/{application}.wasm")])
            .args([
                "--plug",
                &format!("{COMPONENTS}/kv-keyvalue.wasm"),
                "--output",
            ])
            .arg(&composed)
            .status();
        assert!(plugged.unwrap().success());
        return std::fs::read(composed).unwrap();
    }
    let mut graph = CompositionGraph::new();
    let mut register = |name: &str| {
        let package = Package::from_bytes(name, None, component(name), graph.types_mut());
        graph.register_package(package.unwrap()).unwrap()
    };
    let (plug, socket) = (register("kv-keyvalue"), register(application));
    wac_graph::plug(&mut graph, vec![plug], socket).unwrap();
    graph.encode(EncodeOptions::default()).unwrap()
}

struct Host {
    wasi: WasiCtx,
    table: ResourceTable,
}

impl WasiView for Host {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView {
            ctx: &mut self.wasi,
            table: &mut self.table,
        }
    }
}

/// A running application.
struct Application {
    store: Store<Host>,
    instance: Instance,
}

impl Application {
    fn start(data: &Path) -> Self {
        Self::start_as("keyvalue-probe", &[(data, "data")])
    }

    fn start_as(name: &str, directories: &[(&Path, &str)]) -> Self {
        let engine = wasmtime::Engine::default();
        let component = Component::from_binary(&engine, &composed(name)).unwrap();
        let mut linker = Linker::new(&engine);
        wasmtime_wasi::p2::add_to_linker_sync(&mut linker).unwrap();
        let mut wasi = WasiCtx::builder();
        for (directory, name) in directories {
            wasi.preopened_dir(directory, name, FsPerms::ReadWrite)
                .unwrap();
        }
        let host = Host {
            wasi: wasi.build(),
            table: ResourceTable::new(),
        };
        let mut store = Store::new(&engine, host);
        let instance = linker.instantiate(&mut store, &component).unwrap();
        Self { store, instance }
    }

    /// What a command comes to, or why it was refused.
    fn tell(&mut self, command: &Value) -> Result<Value, String> {
        let run = self.instance;
        let run = run
            .get_typed_func::<(&str,), (String,)>(&mut self.store, "run")
            .unwrap();
        let (answer,) = run.call(&mut self.store, (&command.to_string(),)).unwrap();
        let mut answer: Value = serde_json::from_str(&answer).unwrap();
        match answer["error"].take() {
            Value::Null => Ok(answer["ok"].take()),
            message => Err(message.as_str().unwrap().to_owned()),
        }
    }

    fn run(&mut self, command: &Value) -> Value {
        self.tell(command).unwrap()
    }

    fn set(&mut self, bucket: &str, key: &str, value: &[u8]) {
        self.run(&json!({"run": "set", "bucket": bucket, "key": key, "value": value}));
    }

    fn get(&mut self, bucket: &str, key: &str) -> Option<Vec<u8>> {
        let value = self.run(&json!({"run": "get", "bucket": bucket, "key": key}));
        serde_json::from_value(value).unwrap()
    }

    /// Every key of a bucket, and how many pages that took; `between` comes after
    /// each page.
    fn list(&mut self, bucket: &str, mut between: impl FnMut(&mut Self)) -> (Vec<String>, usize) {
        let (mut keys, mut pages, mut cursor) = (Vec::new(), 0, Value::Null);
        loop {
            let page = self.run(&json!({"run": "list", "bucket": bucket, "cursor": cursor}));
            keys.extend(serde_json::from_value::<Vec<String>>(page["keys"].clone()).unwrap());
            pages += 1;
            between(self);
            cursor = page["cursor"].clone();
            if cursor.is_null() {
                return (keys, pages);
            }
        }
    }
}

/// The log's text.
fn log(data: &Path) -> String {
    let mut text = String::new();
    for entry in std::fs::read_dir(data).unwrap() {
        text.push_str(&std::fs::read_to_string(entry.unwrap().path()).unwrap());
    }
    text
}

fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

#[test]
fn the_component_needs_files_alone() {
    let interfaces = kv_componentize::inspect(&component("kv-keyvalue")).unwrap();
    let functions = interfaces
        .imports
        .iter()
        .filter(|(_, functions)| !functions.is_empty());
    let functions: Vec<_> = functions.map(|(interface, _)| interface.as_str()).collect();
    assert_eq!(
        functions,
        [
            "wasi:filesystem/preopens@0.2.0",
            "wasi:filesystem/types@0.2.0"
        ]
    );
    let exports: Vec<_> = interfaces.exports.keys().map(String::as_str).collect();
    assert_eq!(
        exports,
        [
            "wasi:keyvalue/atomics@0.2.0-draft",
            "wasi:keyvalue/atomics@0.2.0-draft2",
            "wasi:keyvalue/batch@0.2.0-draft",
            "wasi:keyvalue/batch@0.2.0-draft2",
            "wasi:keyvalue/store@0.2.0-draft",
            "wasi:keyvalue/store@0.2.0-draft2",
        ]
    );
}

#[test]
fn bytes_come_back_exactly_and_json_is_readable_on_disk() {
    let data = folder();
    let values: [&[u8]; 6] = [
        b"{\"n\":1.10,\"n\":2}",
        b"plain text",
        b"",
        &[0, 255, 10, 13],
        b"{\"$base64\":\"AA==\"}",
        b" [1, 2] ",
    ];
    let mut application = Application::start(data.path());
    for (number, value) in values.iter().enumerate() {
        application.set("b", &number.to_string(), value);
    }
    // Each was durable when it returned: nothing is told that it ends.
    drop(application);
    let mut application = Application::start(data.path());
    for (number, value) in values.iter().enumerate() {
        assert_eq!(application.get("b", &number.to_string()).unwrap(), *value);
    }
    assert_eq!(application.get("b", "absent"), None);
    let log = log(data.path());
    assert!(
        log.contains("\"put\":{\"b/0\":{\"n\":1.10,\"n\":2}}"),
        "{log}"
    );
    assert!(
        log.contains("\"put\":{\"b/1\":{\"$base64\":\"cGxhaW4gdGV4dA==\"}}"),
        "{log}"
    );
}

#[test]
fn buckets_are_namespaces_whatever_their_names() {
    let data = folder();
    let mut application = Application::start(data.path());
    let pairs = [
        ("a", "b/c"),
        ("a/b", "c"),
        ("a~1b", "c"),
        ("", "a/b/c"),
        ("..", "../x"),
    ];
    for (number, (bucket, key)) in pairs.iter().enumerate() {
        application.set(bucket, key, number.to_string().as_bytes());
    }
    for (number, (bucket, key)) in pairs.iter().enumerate() {
        assert_eq!(
            application.get(bucket, key).unwrap(),
            number.to_string().as_bytes()
        );
        assert_eq!(application.list(bucket, |_| {}).0, [*key]);
    }
    let exists = json!({"run": "exists", "bucket": "a/b", "key": "c"});
    assert_eq!(application.run(&exists), true);
    application.run(&json!({"run": "delete", "bucket": "a/b", "key": "c"}));
    application.run(&json!({"run": "delete", "bucket": "a/b", "key": "c"}));
    assert_eq!(application.run(&exists), false);
    assert_eq!(application.get("a", "b/c").unwrap(), b"0");
}

#[test]
fn a_swap_goes_by_version_and_hands_back_a_fresh_handle() {
    let data = folder();
    let mut application = Application::start(data.path());
    let see = json!({"run": "see", "key": "k"});
    let swap =
        |handle: &Value, value: &[u8]| json!({"run": "swap", "handle": handle, "value": value});
    // Nothing is there: it must be so still.
    let (first, second) = (application.run(&see), application.run(&see));
    assert_eq!(first["value"], Value::Null);
    assert_eq!(application.run(&swap(&first["handle"], b"1")), Value::Null);
    let failed = application.run(&swap(&second["handle"], b"2"));
    assert_eq!(failed["value"], json!(b"1"));
    assert_eq!(application.get("", "k").unwrap(), b"1");
    // The same value, set again, is another version.
    application.set("", "k", b"9");
    application.set("", "k", b"1");
    let failed = application.run(&swap(&failed["handle"], b"2"));
    assert_eq!(failed["value"], json!(b"1"));
    // And what was there and is gone is not what was never there.
    application.run(&json!({"run": "delete", "key": "k"}));
    let failed = application.run(&swap(&failed["handle"], b"2"));
    assert_eq!(failed["value"], Value::Null);
    assert_eq!(application.run(&swap(&failed["handle"], b"3")), Value::Null);
    assert_eq!(application.get("", "k").unwrap(), b"3");
}

#[test]
fn an_increment_counts_integers_and_refuses_the_rest() {
    let data = folder();
    let mut application = Application::start(data.path());
    let add = |application: &mut Application, key: &str, delta: i64| {
        application.tell(&json!({"run": "increment", "key": key, "delta": delta}))
    };
    assert_eq!(add(&mut application, "n", 5).unwrap(), 5);
    assert_eq!(add(&mut application, "n", -7).unwrap(), -2);
    assert_eq!(application.get("", "n").unwrap(), b"-2");
    application.set("", "n", b"41");
    assert_eq!(add(&mut application, "n", 1).unwrap(), 42);
    for value in [&b"text"[..], b"[]", b"1.5", b"\x01\0\0\0\0\0\0\0", b"1e400"] {
        application.set("", "bad", value);
        add(&mut application, "bad", 1).unwrap_err();
        assert_eq!(application.get("", "bad").unwrap(), value);
    }
    application.set("", "n", i64::MAX.to_string().as_bytes());
    add(&mut application, "n", 1).unwrap_err();
    assert_eq!(
        application.get("", "n").unwrap(),
        i64::MAX.to_string().as_bytes()
    );
}

#[test]
fn many_keys_are_set_listed_by_pages_read_and_deleted() {
    let data = folder();
    for name in ["keyvalue-probe", "keyvalue-probe_draft"] {
        let mut application = Application::start_as(name, &[(data.path(), "data")]);
        let keys: Vec<_> = (0..2500).map(|number| format!("{number:04}")).collect();
        application.run(&json!({"run": "set_many", "keys": keys, "value": b"1"}));
        let (listed, pages) = application.list("", |_| {});
        assert_eq!(listed, keys);
        assert!(pages > 2, "{pages} pages");
        let wanted = ["0001", "absent", "0000", "0001"];
        let got = application.run(&json!({"run": "get_many", "keys": wanted}));
        let expected = match name {
            "keyvalue-probe" => json!([
                ["0001", b"1"],
                ["absent", null],
                ["0000", b"1"],
                ["0001", b"1"]
            ]),
            _ => json!([["0001", b"1"], null, ["0000", b"1"], ["0001", b"1"]]),
        };
        assert_eq!(got, expected);
        // What is deleted between two pages shifts nothing.
        let mut left = keys.iter();
        let (listed, _) = application.list("", |application| {
            let gone: Vec<_> = left.by_ref().take(700).collect();
            application.run(&json!({"run": "delete_many", "keys": gone}));
        });
        assert_eq!(listed, keys);
        application.run(&json!({"run": "delete_many", "keys": keys}));
        assert_eq!(application.list("", |_| {}).0, [""; 0]);
    }
}

#[test]
fn the_shape_before_works_on_the_same_data() {
    let data = folder();
    Application::start(data.path()).set("b", "k", b"text");
    let mut draft = Application::start_as("keyvalue-probe_draft", &[(data.path(), "data")]);
    assert_eq!(draft.get("b", "k").unwrap(), b"text");
    let add = json!({"run": "increment", "bucket": "b", "key": "n", "delta": 3});
    assert_eq!(draft.run(&add), 3);
    assert_eq!(draft.run(&add), 6);
    draft.set("b", "n", b"-1");
    draft.tell(&add).unwrap_err();
    let unknown = json!({"run": "list", "bucket": "b", "cursor": 77});
    assert!(draft.tell(&unknown).unwrap_err().contains("cursor"));
    drop(draft);
    assert_eq!(
        Application::start(data.path()).get("b", "n").unwrap(),
        b"-1"
    );
}

#[test]
fn what_is_too_large_is_refused_and_harms_nothing() {
    let data = folder();
    let mut application = Application::start(data.path());
    application.set("b", "k", b"1");
    let set = json!({"run": "set", "bucket": "b", "key": "x".repeat(70_000), "value": b"1"});
    assert!(
        application.tell(&set).unwrap_err().contains("65536"),
        "{:?}",
        application.tell(&set)
    );
    assert_eq!(application.get("b", "k").unwrap(), b"1");
}

#[test]
fn of_several_directories_the_one_with_its_name_is_used() {
    let (data, other) = (folder(), folder());
    let both = [(other.path(), "files"), (data.path(), "/keyvalue")];
    let mut application = Application::start_as("keyvalue-probe", &both);
    application.set("b", "k", b"1");
    assert!(log(other.path()).is_empty() && log(data.path()).contains("b/k"));
    let neither = [(other.path(), "files"), (data.path(), "more")];
    let mut application = Application::start_as("keyvalue-probe", &neither);
    let get = json!({"run": "get", "key": "k"});
    assert!(application.tell(&get).unwrap_err().contains("`/keyvalue`"));
}

#[test]
fn of_two_instances_one_owns_and_nothing_acknowledged_is_lost() {
    let data = folder();
    let mut instances = [
        Application::start(data.path()),
        Application::start(data.path()),
    ];
    let mut acknowledged = Vec::new();
    for round in 0..20 {
        for (number, instance) in instances.iter_mut().enumerate() {
            let key = format!("{round}/{number}");
            let set = json!({"run": "set", "key": key, "value": b"1"});
            // One that was replaced says so; the next time it has opened anew.
            if instance.tell(&set).is_ok() {
                acknowledged.push(key);
            }
        }
    }
    assert!(acknowledged.len() > 10, "{acknowledged:?}");
    let mut application = Application::start(data.path());
    for key in acknowledged {
        assert_eq!(application.get("", &key).unwrap(), b"1", "{key}");
    }
}

#[test]
fn the_data_is_the_stores_own() {
    let data = folder();
    Application::start(data.path()).set("b", "k", b"{\"n\":1}");
    let files = NativeFiles::new(data.path());
    let (mut engine, report) = Engine::open(files, Options::default()).unwrap();
    assert_eq!(report.keys, 1);
    let mut replies = Vec::new();
    let outcome = engine.handle(
        b"{\"type\":\"get\",\"key\":\"b/k\"}\n{\"type\":\"put\",\"key\":\"b/l\",\"value\":[2]}\n",
        1,
        &mut replies,
    );
    assert_eq!(outcome, Outcome::Serving);
    assert!(String::from_utf8(replies).unwrap().contains("{\"n\":1}"));
    drop(engine);
    assert_eq!(
        Application::start(data.path()).get("b", "l").unwrap(),
        b"[2]"
    );
}
