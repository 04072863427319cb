//! What a manifest may say, and what a faulty one is told.

use super::*;

const SETTINGS: [&str; 2] = ["cache_bytes_max", "segment_bytes_max"];

fn parse(text: &str) -> Result<Manifest, ManifestError> {
    Manifest::parse(text, Path::new("/etc/kv/actor.toml"), &SETTINGS)
}

#[test]
fn everything_has_a_default() {
    let manifest = parse("").unwrap();
    assert_eq!(manifest.data, Path::new("/etc/kv/data"));
    assert_eq!(manifest.component_path, None);
    assert_eq!(manifest.limits, GuestLimits::default());
    assert_eq!(manifest.listen, Listen::default());
    assert_eq!(manifest.configuration, "{}");
    assert!(Manifest::load(Some(Path::new("/no/such/actor.toml")), &SETTINGS).is_err());
}

#[test]
fn every_setting_is_taken() {
    let manifest = parse(
        r#"
name = "mine"
version = "1.2.3"
description = "a store"
component_path = "mine.wasm"
[interface]
implements = "ntwk:actor/actor"
[[handlers]]
type = "runtime"
config = { memory_bytes_max = 1000, handle_timeout_ms = 1, open_timeout_ms = 2, restarts_max = 0, restarts_window_ms = 3 }
[[handlers]]
type = "filesystem"
config = { path = "/var/kv" }
[store]
cache_bytes_max = 5
[listen]
lines = "127.0.0.1:1"
http = "127.0.0.1:2"
unix = "kv.sock"
"#,
    )
    .unwrap();
    assert_eq!(
        (manifest.name.as_str(), manifest.version.as_str()),
        ("mine", "1.2.3")
    );
    assert_eq!(manifest.description, "a store");
    assert_eq!(
        manifest.component_path.as_deref(),
        Some(Path::new("/etc/kv/mine.wasm"))
    );
    assert_eq!(manifest.data, Path::new("/var/kv"));
    assert_eq!(manifest.limits.memory_bytes_max, 1000);
    assert_eq!(
        (
            manifest.limits.restarts_max,
            manifest.limits.restarts_window_ms
        ),
        (0, 3)
    );
    assert_eq!(manifest.configuration, r#"{"cache_bytes_max":5}"#);
    assert_eq!(
        manifest.listen.unix.as_deref(),
        Some(Path::new("/etc/kv/kv.sock"))
    );
}

#[test]
fn a_misspelt_setting_names_its_line_and_the_nearest_one() {
    for (text, line, nearest) in [
        ("nam = 1", 1, "name"),
        ("\n[store]\n\ncache_byte_max = 1", 4, "cache_bytes_max"),
        ("[listen]\nhtpp = \"\"", 2, "http"),
        (
            "[[handlers]]\ntype = \"filesystem\"\nconfig = { pth = \"x\" }",
            3,
            "path",
        ),
        ("[[handlers]]\ntipe = \"filesystem\"", 2, "type"),
        ("[interface]\nimplemets = \"\"", 2, "implements"),
    ] {
        let error = parse(text).unwrap_err();
        assert_eq!(error.line, Some(line), "{error}");
        assert!(
            error
                .message
                .ends_with(&format!("did you mean `{nearest}`?")),
            "{error}"
        );
    }
}

#[test]
fn what_can_t_be_meant_is_refused() {
    for text in [
        "name = ",
        "name = 7",
        "[interface]\nimplements = \"wasi:cli/run\"",
        "[[handlers]]\ntype = \"network\"",
        "[[handlers]]\ntype = \"filesystem\"\n[[handlers]]\ntype = \"filesystem\"",
        "[[handlers]]\ntype = \"filesystem\"\nconfig = { memory_bytes_max = 1 }",
        "[[handlers]]\ntype = \"runtime\"\nconfig = { memory_bytes_max = 0 }",
        "[[handlers]]\ntype = \"runtime\"\nconfig = { memory_bytes_max = 4294967297 }",
        "[[handlers]]\ntype = \"runtime\"\nconfig = { handle_timeout_ms = 0 }",
        "[[handlers]]\ntype = \"runtime\"\nconfig = { open_timeout_ms = -1 }",
        "[[handlers]]\ntype = \"runtime\"\nconfig = { restarts_window_ms = 0 }",
        "[listen]\nlines = 7070",
    ] {
        let error = parse(text).unwrap_err().to_string();
        assert!(error.starts_with("/etc/kv/actor.toml"), "{error}");
    }
}
