//! What can't be served is said at once, with a code and with what to do.

use crate::support::*;
use std::path::Path;

const COMPONENTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/component");

fn refused(data: &Path, arguments: &[&str], code: i32) -> String {
    let fixed = [
        "serve",
        "--lines",
        "127.0.0.1:0",
        "--http",
        "127.0.0.1:0",
        "--data",
        data.to_str().unwrap(),
    ];
    let message = fails(&[&fixed, arguments].concat(), code);
    assert!(
        message.lines().last().unwrap().starts_with("error: "),
        "{message}"
    );
    message
}

#[test]
fn a_data_directory_that_can_t_be_had() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "x").unwrap();
    assert!(refused(&file, &[], 16).contains("no directory"));
    let message = refused(&folder.path().join("no/parent"), &[], 16);
    assert!(
        message.contains("no/parent") && message.contains("No such file"),
        "{message}"
    );
    let data = folder.path().join("data");
    let server = Server::start(&data);
    assert!(refused(&data, &[], 16).contains("another running process"));
    // The first one is none the worse for it.
    assert!(server.lines().say("{}").contains("invalid_event"));
}

#[test]
fn a_read_only_directory_serves_reads_and_refuses_writes() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    ok(&["put", "--data", data.to_str().unwrap(), "a", "1"]);
    std::fs::set_permissions(&data, std::fs::Permissions::from_mode(0o500)).unwrap();
    // Permissions do not bind root; a read-only mount does.
    let root = std::fs::File::create(data.join("probe")).is_ok();
    if root {
        std::fs::remove_file(data.join("probe")).unwrap();
        assert!(mount(&[
            "--bind",
            data.to_str().unwrap(),
            data.to_str().unwrap()
        ]));
        assert!(mount(&["-o", "remount,bind,ro", data.to_str().unwrap()]));
    }
    let served = std::panic::catch_unwind(|| {
        let server = Server::start(&data);
        let mut client = server.lines();
        let reply = client.say(r#"{"type":"put","key":"a","value":2}"#);
        assert!(reply.contains("\"storage\""), "{reply}");
        assert!(
            client
                .say(r#"{"type":"get","key":"a"}"#)
                .contains("\"value\":1,")
        );
    });
    if root {
        let umount = std::process::Command::new("umount")
            .arg(&data)
            .status()
            .unwrap();
        assert!(umount.success());
    }
    std::fs::set_permissions(&data, std::fs::Permissions::from_mode(0o700)).unwrap();
    served.unwrap();
}

fn mount(arguments: &[&str]) -> bool {
    std::process::Command::new("mount")
        .args(arguments)
        .status()
        .unwrap()
        .success()
}

#[test]
fn a_port_in_use() {
    let folder = tempfile::tempdir().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for front in ["--lines", "--http"] {
        let other = if front == "--lines" {
            "--http"
        } else {
            "--lines"
        };
        let data = folder.path().join("data");
        let arguments = [
            "serve",
            front,
            &address,
            other,
            "127.0.0.1:0",
            "--data",
            data.to_str().unwrap(),
        ];
        let message = fails(&arguments, 1);
        assert!(
            message.contains(&address) && message.contains("another process"),
            "{message}"
        );
        assert!(
            !data.exists(),
            "nothing is touched before the ports are had"
        );
    }
}

#[test]
fn a_manifest_that_can_t_be_meant() {
    let folder = tempfile::tempdir().unwrap();
    let manifest = folder.path().join("actor.toml");
    for (settings, said) in [
        (
            "[store]\ncache_byte_max = 1",
            "line 2: there is no setting `cache_byte_max` in `store`; did you mean `cache_bytes_max`?",
        ),
        ("name = ", "line 1"),
        (
            "component_path = \"missing.wasm\"",
            "missing.wasm can't be read",
        ),
        (
            "component_path = \"actor.toml\"",
            "no WebAssembly component",
        ),
        (
            "component_path = \"COMPONENTS/guest-no-export.wasm\"",
            "no actor",
        ),
        (
            "component_path = \"COMPONENTS/guest-refuse.wasm\"",
            "error: ",
        ),
    ] {
        std::fs::write(&manifest, settings.replace("COMPONENTS", COMPONENTS)).unwrap();
        let data = folder.path().join("data");
        let arguments = [
            "serve",
            "--manifest",
            manifest.to_str().unwrap(),
            "--data",
            data.to_str().unwrap(),
            "--lines",
            "127.0.0.1:0",
            "--http",
            "127.0.0.1:0",
        ];
        let output = run(&arguments);
        let stderr = text(&output.stderr);
        assert!(!output.status.success(), "{settings}");
        assert!(stderr.contains(said), "{settings}: {stderr}");
    }
}

#[test]
fn another_component_runs_in_the_place_of_the_built_in_one() {
    let folder = tempfile::tempdir().unwrap();
    let manifest = folder.path().join("actor.toml");
    let text = format!("component_path = \"{COMPONENTS}/kv-store.wasm\"\n");
    std::fs::write(&manifest, text).unwrap();
    let server = Server::start_with(
        &folder.path().join("data"),
        &["--manifest", manifest.to_str().unwrap()],
    );
    assert!(
        server
            .lines()
            .say(r#"{"type":"put","key":"a","value":1}"#)
            .contains("ok")
    );
}
