//! Compiled code is kept between starts, and nothing that may be wrong with it
//! keeps a store from starting.

use crate::support::*;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Starts a store once, its caches in a directory, and returns what it logged. It
/// must work.
fn start(data: &Path, variables: &[(&str, &str)]) -> String {
    let server = Server::start_in(data, &[], variables);
    let url = server.url();
    let put = run(&["put", "--url", &url, "a", "1"]);
    assert!(put.status.success(), "{}", text(&put.stderr));
    let before = server.log.clone();
    let (code, log) = server.end("-TERM");
    assert_eq!(code, Some(0), "{log}");
    before + &log
}

/// The files of compiled code.
fn code(caches: &Path) -> Vec<PathBuf> {
    let entries = |path: &Path| -> Vec<PathBuf> {
        let entries = fs::read_dir(path).unwrap();
        entries.map(|entry| entry.unwrap().path()).collect()
    };
    let folders = entries(&caches.join("kv-actor")).into_iter();
    let versions = folders.flat_map(|folder| entries(&folder.join("code/modules")));
    let files = versions.flat_map(|version| entries(&version));
    files.filter(|file| file.extension().is_none()).collect()
}

#[test]
fn a_second_start_takes_the_code_of_the_first_unless_it_is_damaged() {
    let folder = tempfile::tempdir().unwrap();
    let (data, caches) = (folder.path().join("data"), folder.path().join("caches"));
    let variables = [("XDG_CACHE_HOME", caches.to_str().unwrap())];
    start(&data, &variables);
    let file = &code(&caches)[..];
    let [file] = file else {
        panic!("{file:?}");
    };
    let state = || {
        let metadata = file.metadata().unwrap();
        (metadata.ino(), metadata.modified().unwrap())
    };
    let (first, good) = (state(), fs::read(file).unwrap());
    start(&data, &variables);
    assert_eq!(state(), first);
    let mut damaged = good.clone();
    damaged[good.len() / 2] ^= 1;
    for bytes in [&damaged[..], &good[..good.len() / 3], b""] {
        fs::write(file, bytes).unwrap();
        let log = start(&data, &variables);
        assert!(log.contains("it is compiled again"), "{log}");
        assert_eq!(fs::read(file).unwrap(), good);
    }
    let private = caches.join("kv-actor").metadata().unwrap();
    assert_eq!(private.mode() & 0o777, 0o700);
}

#[test]
fn a_store_starts_where_no_code_can_be_kept() {
    let folder = tempfile::tempdir().unwrap();
    let (data, caches) = (folder.path().join("data"), folder.path().join("caches"));
    let text = caches.to_str().unwrap();
    // Neither says where.
    let log = start(&data, &[("XDG_CACHE_HOME", ""), ("HOME", "")]);
    assert!(!log.contains("not kept"), "{log}");
    // It can't be made.
    fs::write(&caches, "").unwrap();
    let log = start(&data, &[("XDG_CACHE_HOME", text)]);
    assert!(log.contains("compiled code is not kept"), "{log}");
    // Others may put something there.
    fs::remove_file(&caches).unwrap();
    let ours = caches.join("kv-actor");
    fs::create_dir_all(&ours).unwrap();
    fs::set_permissions(&ours, fs::Permissions::from_mode(0o770)).unwrap();
    let log = start(&data, &[("XDG_CACHE_HOME", text)]);
    assert!(log.contains("others may write to it"), "{log}");
    assert_eq!(fs::read_dir(&ours).unwrap().count(), 0);
}

#[test]
fn stores_that_start_at_once_for_the_first_time_all_start() {
    let folder = tempfile::tempdir().unwrap();
    let caches = folder.path().join("caches");
    let variables = [("XDG_CACHE_HOME", caches.to_str().unwrap())];
    std::thread::scope(|scope| {
        for number in 0..4 {
            let data = folder.path().join(format!("data-{number}"));
            scope.spawn(move || start(&data, &variables));
        }
    });
    // Whoever came last may have left nothing sealed; the next does.
    start(&folder.path().join("data-0"), &variables);
    let before: Vec<_> = code(&caches)
        .iter()
        .map(|f| f.metadata().unwrap().ino())
        .collect();
    start(&folder.path().join("data-0"), &variables);
    let after: Vec<_> = code(&caches)
        .iter()
        .map(|f| f.metadata().unwrap().ino())
        .collect();
    assert_eq!((before.len(), before), (1, after));
}
