//! The actor's files, inside a component, against the suite that every
//! implementation of the engine's files must pass, and against what only a real
//! directory can hold.

use kv_runtime::{Actor, ActorSettings, GuestLimits, Messages};
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::Path;

#[test]
fn the_actors_files_conform() {
    let directory = tempfile::tempdir().unwrap();
    run("conforms", directory.path());
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
}

#[test]
fn the_actors_files_stay_in_their_directory() {
    let directory = tempfile::tempdir().unwrap();
    let inside = directory.path().join("inside");
    fs::create_dir(&inside).unwrap();
    fs::write(directory.path().join("secret"), "secret").unwrap();
    symlink("../secret", inside.join("link")).unwrap();
    fs::create_dir(inside.join("folder")).unwrap();
    run("stays_inside", &inside);
    assert_eq!(fs::read_dir(&inside).unwrap().count(), 2);
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 2);
}

#[test]
fn a_name_that_is_not_utf_8_is_left_out_and_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let stray = directory.path().join(OsStr::from_bytes(b"stray-\xff"));
    fs::write(&stray, "mine").unwrap();
    run("conforms", directory.path());
    assert_eq!(fs::read(&stray).unwrap(), b"mine");
}

/// Runs a suite, which is what the component's `init` does.
fn run(suite: &str, data: &Path) {
    let component = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../target/component/conformance.wasm"
    );
    let component =
        fs::read(component).unwrap_or_else(|e| panic!("{component}: {e}: run `make component`"));
    let configuration = format!(r#"{{"suite":"{suite}"}}"#);
    let started = Actor::start(ActorSettings {
        name: "conformance".to_owned(),
        component,
        data: data.to_owned(),
        configuration: configuration.clone(),
        limits: GuestLimits::default(),
        messages: Messages::default(),
        compiled: None,
    });
    match started {
        Ok(actor) => assert_eq!(actor.report(), configuration),
        Err(e) => {
            let assertion = fs::read_to_string(data.join("failure"));
            panic!("{e}: {}", assertion.unwrap_or_default());
        }
    }
}
