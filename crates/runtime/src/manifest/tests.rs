//! What a manifest may say, and what a faulty one is told.

use super::*;

const SETTINGS: [&str; 4] = [
    "cache_bytes_max",
    "segment_bytes_max",
    "checkpoint_interval_bytes",
    "segments_open_max",
];

fn parse(text: &str) -> Result<Manifest, ManifestError> {
    Manifest::parse(text, Path::new("/etc/kv/actor.toml"), &SETTINGS)
}

#[test]
fn everything_has_a_default() {
    let manifest = parse("").unwrap();
    assert_eq!(manifest.data, Path::new("/etc/kv/data"));
    assert_eq!(manifest.component_path, None);
    assert_eq!(
        (manifest.name.as_str(), manifest.version.as_str()),
        ("kv-store", "0.1.0")
    );
    assert_eq!(manifest.description, "");
    assert_eq!(manifest.configuration, "{}");
    let limits = GuestLimits {
        memory_bytes_max: 2_147_483_648,
        handle_timeout_ms: 30_000,
        open_timeout_ms: 600_000,
        request_timeout_ms: 60_000,
        restarts_max: 5,
        restarts_window_ms: 60_000,
    };
    assert_eq!(manifest.limits, limits);
    let listen = Listen {
        lines: "127.0.0.1:7070".to_owned(),
        http: "127.0.0.1:7080".to_owned(),
        unix: None,
        token_file: None,
        certificate: None,
    };
    assert_eq!(manifest.listen, listen);
    // Settings that are not there differ in nothing from those of no handler.
    let handlers = "[[handlers]]\ntype = \"runtime\"\n[[handlers]]\ntype = \"filesystem\"";
    assert_eq!(parse(handlers).unwrap(), manifest);
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
config = { memory_bytes_max = 100000, handle_timeout_ms = 1, open_timeout_ms = 2, restarts_max = 0, restarts_window_ms = 3 }
[[handlers]]
type = "filesystem"
config = { path = "/var/kv" }
[store]
cache_bytes_max = 5
[listen]
lines = "127.0.0.1:1"
http = "127.0.0.1:2"
unix = "kv.sock"
token_file = "token"
certificate_file = "tls.pem"
key_file = "/run/tls.key"
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
    assert_eq!(manifest.limits.memory_bytes_max, 100_000);
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
    assert_eq!(
        manifest.listen.token_file.as_deref(),
        Some(Path::new("/etc/kv/token"))
    );
    assert_eq!(
        manifest.listen.certificate,
        Some(("/etc/kv/tls.pem".into(), "/run/tls.key".into()))
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
fn what_can_t_be_meant_is_refused_with_its_line() {
    for (text, line, said) in [
        ("name = ", 1, ""),
        ("\nname = 7", 2, "string"),
        (
            "component_path = \"\"",
            1,
            "`component_path` must not be empty",
        ),
        ("[interface]\nimplements = \"wasi:cli/run\"", 2, INTERFACE),
        ("store = 1", 1, "map"),
        ("handlers = 1", 1, "sequence"),
        ("[listen]\nlines = 7070", 2, "string"),
        ("[listen]\nunix = \"\"", 2, "`unix` must not be empty"),
        (
            "[listen]\ntoken_file = \"\"",
            2,
            "`token_file` must not be empty",
        ),
        (
            "[listen]\n\ncertificate_file = \"a\"",
            3,
            "needs a `key_file`",
        ),
        (
            "[listen]\nkey_file = \"a\"",
            2,
            "needs a `certificate_file`",
        ),
        ("[listen]\ntoken = \"secret\"", 2, "did you mean"),
        ("[listen]\ninsecure = true", 2, "no setting `insecure`"),
        (
            "[listen]\nlines = \"127.0.0.1:7080\"",
            2,
            "`lines` and `http`",
        ),
    ] {
        refused(text, line, said);
    }
    for text in [
        "[listen]\nlines = \"\"\nhttp = \"\"",
        "[listen]\nlines = \"[::1]:0\"\nhttp = \"[::1]:0\"",
    ] {
        parse(text).unwrap();
    }
}

#[test]
fn a_handler_that_can_t_be_meant_is_refused_with_its_line() {
    let runtime = "[[handlers]]\ntype = \"runtime\"\n";
    let filesystem = "[[handlers]]\ntype = \"filesystem\"\n";
    for (handler, config, line, said) in [
        ("[[handlers]]\n", "{}", 1, "`type`"),
        ("[[handlers]]\ntype = \"network\"\n", "{}", 2, "`network`"),
        (
            filesystem,
            "{ memory_bytes_max = 100000 }",
            3,
            "type `runtime`",
        ),
        (
            filesystem,
            "{ restarts_window_ms = 1 }",
            3,
            "type `runtime`",
        ),
        (filesystem, "{ path = \"\" }", 3, "`path` must not be empty"),
        (runtime, "{ path = \"data\" }", 3, "type `filesystem`"),
        (
            runtime,
            "{ memory_bytes_max = 0 }",
            3,
            "from 65536 to 4294967296",
        ),
        (
            runtime,
            "{ memory_bytes_max = 4294967297 }",
            3,
            "from 65536 to 4294967296",
        ),
        (runtime, "{ memory_bytes_max = \"2 GiB\" }", 3, "u64"),
        (runtime, "{ memory_bytes_max = 1e9 }", 3, "u64"),
        (runtime, "{ handle_timeout_ms = 0 }", 3, "must be above 0"),
        (runtime, "{ open_timeout_ms = 0 }", 3, "must be above 0"),
        (runtime, "{ open_timeout_ms = -1 }", 3, "u64"),
        (runtime, "{ restarts_max = 4294967296 }", 3, "u32"),
        (runtime, "{ restarts_window_ms = 0 }", 3, "must be above 0"),
    ] {
        refused(&format!("{handler}config = {config}"), line, said);
    }
    for doubled in [runtime, filesystem] {
        refused(&doubled.repeat(2), 4, "already; keep one");
    }
}

/// Checks that a text is refused, where, and with what.
fn refused(text: &str, line: usize, said: &str) {
    let error = parse(text).unwrap_err();
    assert_eq!(error.line, Some(line), "{text}: {error}");
    assert!(error.message.contains(said), "{text}: {error}");
    let place = format!("/etc/kv/actor.toml, line {line}: ");
    assert!(error.to_string().starts_with(&place), "{error}");
}

#[test]
fn limits_are_taken_at_both_ends_of_their_ranges() {
    for bytes in ["65536", "4294967296"] {
        let text = format!("[[handlers]]\ntype = \"runtime\"\nconfig.memory_bytes_max = {bytes}");
        assert_eq!(
            parse(&text).unwrap().limits.memory_bytes_max.to_string(),
            bytes
        );
    }
}

#[test]
fn the_store_s_manifest_says_what_is_the_default_anyway() {
    let file = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../actor.toml"));
    let shipped = Manifest::load(Some(file), &SETTINGS).unwrap();
    let default = Manifest::parse("", file, &SETTINGS).unwrap();
    assert_eq!(shipped.name, default.name);
    assert_eq!(shipped.version, default.version);
    assert_eq!(shipped.component_path, default.component_path);
    assert_eq!(shipped.data, default.data);
    assert_eq!(shipped.limits, default.limits);
    assert_eq!(shipped.listen, default.listen);
}

#[test]
fn a_file_that_can_t_be_read_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("missing.toml");
    let binary = folder.path().join("binary.toml");
    std::fs::write(&binary, b"name = \"\xff\"").unwrap();
    for path in [missing.as_path(), binary.as_path(), folder.path()] {
        let error = Manifest::load(Some(path), &SETTINGS).unwrap_err();
        assert_eq!((error.file.as_path(), error.line), (path, None));
        assert!(error.message.contains("can't be read"), "{error}");
    }
}
