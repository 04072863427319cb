//! What can't be started is told apart, and leaves the directory to others.

use crate::support::{Folder, component, count};
use kv_runtime::directory::DirectoryError;
use kv_runtime::{Actor, ActorSettings, GuestLimits, Misfit, StartError};
use std::fs;

#[test]
fn what_is_no_component() {
    let folder = Folder::new();
    let module = b"\0asm\x01\0\0\0";
    let echo = component("guest-echo");
    let half = &echo[..echo.len() / 2];
    for (bytes, said) in [
        (&b""[..], "no WebAssembly"),
        (b"hello", "no WebAssembly"),
        (module, "core module"),
        (&module[..5], "end-of-file"),
        (half, "out of bounds"),
    ] {
        let error = folder.refuses(bytes);
        assert!(matches!(error, StartError::NoComponent(_)), "{error:?}");
        let message = error.to_string();
        assert!(message.contains(said), "{message}");
        assert_eq!(message.lines().count(), 1, "{message}");
    }
    // The directory is free for the next one.
    assert_eq!(count(&mut folder.start("guest-echo")), 1);
}

#[test]
fn a_component_that_lacks_the_export() {
    let error = Folder::new().refuses(&component("guest-no-export"));
    assert!(
        matches!(error, StartError::NoActor(Misfit::LacksExport(_))),
        "{error:?}"
    );
    assert!(error.to_string().contains("ntwk:actor/actor"), "{error}");
}

#[test]
fn a_component_that_needs_more_than_files_is_told_what() {
    for name in [
        "wasi:random/random@0.2.0",
        "wasi:clocks/wall-clock@0.2.0",
        "wasi:cli/environment@0.2.0",
        "wasi:sockets/tcp@0.2.0",
        "mine:own/interface",
    ] {
        let error = Folder::new().refuses(&importing(name));
        assert!(
            matches!(error, StartError::NoActor(Misfit::NeedsImport(_))),
            "{error:?}"
        );
        assert!(error.to_string().contains(name), "{error}");
    }
}

/// A component that imports an interface with one function.
fn importing(name: &str) -> Vec<u8> {
    let mut component = b"\0asm\x0d\0\x01\0".to_vec();
    // Type section: an instance that exports `get`, a function of nothing.
    let types = [
        0x01, 0x42, 0x02, 0x01, 0x40, 0x00, 0x01, 0x00, 0x04, 0x00, 0x03, b'g', b'e', b't', 0x01,
        0x00,
    ];
    component.extend_from_slice(&[7, u8::try_from(types.len()).unwrap()]);
    component.extend_from_slice(&types);
    // Import section: an instance of that type.
    let length = u8::try_from(name.len()).unwrap();
    component.extend_from_slice(&[10, length + 5, 1, 0, length]);
    component.extend_from_slice(name.as_bytes());
    component.extend_from_slice(&[0x05, 0x00]);
    component
}

#[test]
fn a_guest_that_refuses_to_begin_says_why() {
    let folder = Folder::new();
    match Actor::start(folder.settings("guest-refuse")).unwrap_err() {
        StartError::Refused { code, message } => {
            assert_eq!(code, "refused");
            assert_eq!(message, "this actor never begins");
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(count(&mut folder.start("guest-echo")), 1);
}

#[test]
fn a_guest_that_traps_before_it_has_begun() {
    let folder = Folder::new();
    let error = Actor::start(ActorSettings {
        configuration: r#"{"trap":true}"#.to_owned(),
        ..folder.settings("guest-refuse")
    })
    .unwrap_err();
    assert!(
        matches!(&error, StartError::Failed(reason) if reason.contains("unreachable")),
        "{error:?}"
    );
}

#[test]
fn a_guest_that_never_gets_done_with_its_beginning() {
    let folder = Folder::new();
    let limits = GuestLimits {
        open_timeout_ms: 100,
        ..GuestLimits::default()
    };
    let error = Actor::start(ActorSettings {
        configuration: r#"{"spin":true}"#.to_owned(),
        limits,
        ..folder.settings("guest-refuse")
    })
    .unwrap_err();
    assert!(
        matches!(
            error,
            StartError::TimedOut {
                open_timeout_ms: 100
            }
        ),
        "{error:?}"
    );
    assert!(error.to_string().contains("`open_timeout_ms`"), "{error}");
}

#[test]
fn a_guest_that_needs_more_memory_than_it_may_have() {
    let folder = Folder::new();
    let limits = GuestLimits {
        memory_bytes_max: 65_536,
        ..GuestLimits::default()
    };
    let error = Actor::start(ActorSettings {
        limits,
        ..folder.settings("guest-echo")
    })
    .unwrap_err();
    assert!(
        matches!(
            error,
            StartError::MemoryExceeded {
                memory_bytes_max: 65_536
            }
        ),
        "{error:?}"
    );
}

#[test]
fn a_data_directory_that_can_t_be_had() {
    let folder = Folder::new();
    let file = folder.path().join("file");
    fs::write(&file, "mine").unwrap();
    let start = |data| {
        let settings = folder.settings("guest-echo");
        Actor::start(ActorSettings { data, ..settings }).unwrap_err()
    };
    let error = start(file.clone());
    assert!(
        matches!(
            error,
            StartError::Directory(DirectoryError::NotADirectory(_))
        ),
        "{error:?}"
    );
    assert_eq!(fs::read(&file).unwrap(), b"mine");
    for data in [file.join("data"), folder.path().join("no/data")] {
        let error = start(data.clone());
        assert!(matches!(error, StartError::Directory(_)), "{error:?}");
        assert!(
            error.to_string().contains(data.to_str().unwrap()),
            "{error}"
        );
    }
    #[cfg(unix)]
    {
        let link = folder.path().join("link");
        std::os::unix::fs::symlink("nowhere", &link).unwrap();
        let error = start(link);
        assert!(
            matches!(
                error,
                StartError::Directory(DirectoryError::NotADirectory(_))
            ),
            "{error:?}"
        );
    }
}
