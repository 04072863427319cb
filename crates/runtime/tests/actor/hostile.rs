//! Guests that no compiler would make. What they hand back is wrong on purpose:
//! their callers are told, and nobody else notices.

use crate::support::{Folder, ask, count, hand};
use kv_runtime::{Actor, ActorSettings, StartError, Unavailable};
use std::fmt::Write as _;
use std::path::Path;
use wit_component::StringEncoding;

/// A guest in WebAssembly text. Its memory holds `{}` at 0, what `init` returns
/// (the report) at 16, and what `handle` returns (the replies) at 48.
struct Guest {
    /// Where the report lies, and its length.
    report: (u32, u32),
    /// Where the replies lie, and their length.
    replies: (u32, u32),
    /// Where `handle` says that it has put these.
    returned: u32,
    memory: &'static str,
    /// Further parts of the module.
    parts: &'static str,
    /// What `handle` does first.
    handle: &'static str,
}

const GOOD: Guest = Guest {
    report: (0, 2),
    replies: (0, 3),
    returned: 48,
    memory: "17",
    parts: "",
    handle: "",
};

impl Guest {
    fn component(&self) -> Vec<u8> {
        let bytes = |numbers: [u32; 3]| {
            let mut text = String::new();
            for byte in numbers.map(u32::to_le_bytes).as_flattened() {
                write!(text, "\\{byte:02x}").unwrap();
            }
            text
        };
        let text = format!(
            r#"(module
                (memory (export "memory") {memory})
                (data (i32.const 0) "{{}}\0a")
                (data (i32.const 16) "{report}")
                (data (i32.const 48) "{replies}")
                (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
                    i32.const 65536)
                (func (export "ntwk:actor/actor@0.1.0#init") (param i32 i32) (result i32)
                    i32.const 16)
                (func $handle (export "ntwk:actor/actor@0.1.0#handle")
                    (param i32 i32 i64) (result i32)
                    {handle}
                    i32.const {returned})
                (func (export "ntwk:actor/actor@0.1.0#stop"))
                {parts})"#,
            memory = self.memory,
            report = bytes([0, self.report.0, self.report.1]),
            replies = bytes([self.replies.0, self.replies.1, 0]),
            handle = self.handle,
            returned = self.returned,
            parts = self.parts,
        );
        let mut module = wat::parse_str(text).unwrap();
        let mut resolve = wit_parser::Resolve::default();
        let contract = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../wit"));
        let (package, _) = resolve.push_dir(contract).unwrap();
        let world = resolve.select_world(&[package], Some("bare")).unwrap();
        wit_component::embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8)
            .unwrap();
        kv_componentize::componentize(&module).unwrap()
    }

    fn start(&self, folder: &Folder) -> Result<Actor, StartError> {
        Actor::start(ActorSettings {
            component: self.component(),
            ..folder.settings("guest-echo")
        })
    }

    /// What its caller is told. Another instance must be up then, as often as
    /// allowed, and another guest must find the directory free.
    fn fails(&self) -> String {
        let folder = Folder::new();
        let mut actor = self.start(&folder).unwrap();
        let mut told = None;
        for restarts in 1..=3 {
            let unavailable: Unavailable = hand(&mut actor, &["{}"]).unwrap_err();
            assert!(unavailable.is_outcome_unknown(), "{unavailable}");
            assert!(actor.is_serving());
            assert_eq!(actor.restarts(), restarts);
            told = Some(unavailable.to_string());
        }
        drop(actor);
        assert_eq!(count(&mut folder.start("guest-echo")), 1);
        told.unwrap()
    }
}

#[test]
fn a_guest_in_text_can_behave() {
    let folder = Folder::new();
    let mut actor = GOOD.start(&folder).unwrap();
    assert_eq!(actor.report(), "{}");
    assert_eq!(ask(&mut actor, "{}").unwrap(), serde_json::json!({}));
}

#[test]
fn replies_that_are_not_where_it_says() {
    for (guest, said) in [
        // As long as addresses go, some of it behind the end, and all of it.
        (
            Guest {
                replies: (0, u32::MAX),
                ..GOOD
            },
            "out of bounds",
        ),
        (
            Guest {
                replies: (17 << 16, 1),
                ..GOOD
            },
            "out of bounds",
        ),
        (
            Guest {
                replies: (u32::MAX, u32::MAX),
                ..GOOD
            },
            "out of bounds",
        ),
        (
            Guest {
                returned: u32::MAX - 7,
                ..GOOD
            },
            "out of bounds",
        ),
        (
            Guest {
                returned: 49,
                ..GOOD
            },
            "not aligned",
        ),
    ] {
        let told = guest.fails();
        assert!(told.contains(said), "{told}");
    }
}

#[test]
fn replies_that_are_more_than_any_batch_has() {
    // All of it is there: 3 GiB of memory that was never written to.
    let large = Guest {
        replies: (0, 1 << 30),
        memory: "20000",
        ..GOOD
    };
    let told = large.fails();
    assert!(told.contains("too much data"), "{told}");
    let told = Guest {
        replies: (0, 6),
        ..GOOD
    }
    .fails();
    assert!(told.contains("has no end"), "{told}");
    let told = Guest {
        replies: (2, 1),
        ..GOOD
    }
    .fails();
    assert!(told.contains("no JSON object"), "{told}");
}

#[test]
fn a_report_that_is_none() {
    for (report, said) in [
        ((0, 0), "its report is no JSON object"),
        ((0, 1), "its report is no JSON object"),
        ((0, 4), "its report is no JSON object"),
        ((48, 12), "its report is no JSON object"),
        ((0, u32::MAX), "out of bounds"),
    ] {
        let folder = Folder::new();
        let error = Guest { report, ..GOOD }.start(&folder).unwrap_err();
        assert!(matches!(error, StartError::Failed(_)), "{error:?}");
        assert!(error.to_string().contains(said), "{error}");
        assert_eq!(count(&mut folder.start("guest-echo")), 1);
    }
}

#[test]
fn more_memory_and_tables_than_it_may_have() {
    for parts in [
        "(table 1048577 funcref)",
        "(table 600000 funcref) (table 600000 funcref)",
        "(table 4294967295 funcref)",
    ] {
        let error = Guest { parts, ..GOOD }.start(&Folder::new()).unwrap_err();
        assert!(
            error.to_string().contains("more than 1048576 elements"),
            "{error}"
        );
    }
    let growing = Guest {
        parts: "(table $t 1 funcref)",
        handle: "(loop (drop (table.grow $t (ref.null func) (i32.const 100000))) (br 0))",
        ..GOOD
    };
    let told = growing.fails();
    assert!(told.contains("more than 1048576 elements"), "{told}");
    let memories = Guest {
        parts: "(memory 20000) (memory 20000)",
        ..GOOD
    };
    let error = memories.start(&Folder::new()).unwrap_err();
    assert!(
        matches!(error, StartError::MemoryExceeded { .. }),
        "{error}"
    );
}

#[test]
fn more_instances_than_it_may_have() {
    let mut component = GOOD.component();
    // A further section of core instances: 300 more of the first module.
    component.extend_from_slice(&[2, 0x86, 0x07, 0xac, 0x02]);
    component.extend_from_slice(&[0, 0, 0].repeat(300));
    let error = Folder::new().refuses(&component);
    assert!(matches!(error, StartError::Failed(_)), "{error:?}");
    assert!(error.to_string().contains("instance count"), "{error}");
}

#[test]
fn a_stack_without_end() {
    let told = Guest {
        handle: "(drop (call $handle (i32.const 0) (i32.const 0) (i64.const 0)))",
        ..GOOD
    }
    .fails();
    assert!(told.contains("call stack exhausted"), "{told}");
}

#[test]
fn more_open_files_than_it_may_have() {
    let folder = Folder::new();
    let mut actor = folder.start("guest-hoard");
    for _ in 0..2 {
        let open = open_files();
        let unavailable = hand(&mut actor, &[r#"{"type":"hoard"}"#]).unwrap_err();
        assert!(unavailable.is_outcome_unknown());
        let told = unavailable.to_string();
        assert!(told.contains("no free keys"), "{told}");
        // What it had open is closed with it. Other tests open some of their own.
        assert!(open_files() < open + 150, "{} and {open}", open_files());
        assert_eq!(count(&mut actor), 1);
    }
}

fn open_files() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}
