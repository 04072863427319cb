//! Kept code that is good, damaged, cut, foreign, and made by several at once.

use super::*;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use tempfile::TempDir;
use wasmtime::component::Component;
use wasmtime::{Config, Engine};

const COMPONENT: &str = r#"(component
    (core module $m (func (export "seven") (result i32) i32.const 7))
    (core instance $i (instantiate $m))
    (func (export "seven") (result u32) (canon lift (core func $i "seven"))))"#;

/// Starts once, and says whether code was compiled for it.
fn start(directory: &Path, component: &[u8]) -> bool {
    let kept = Kept::open(directory, component).unwrap();
    let mut config = Config::new();
    config.cache(Some(kept.cache()));
    let engine = Engine::new(&config).unwrap();
    Component::from_binary(&engine, component).unwrap();
    kept.seal().unwrap();
    kept.has_compiled()
}

/// A directory in which a component's code is kept, and the file of that.
fn filled() -> (TempDir, Vec<u8>, PathBuf) {
    let parent = tempfile::tempdir().unwrap();
    let directory = parent.path().join("kept");
    let component = wat::parse_str(COMPONENT).unwrap();
    assert!(start(&directory, &component));
    let mut files = files(&directory.join(hex(&component))).unwrap();
    // Others are what wasmtime's thread has in hand.
    files.retain(|file| file.extension().is_none());
    assert_eq!(files.len(), 1);
    (parent, component, files.remove(0))
}

#[test]
fn a_second_start_compiles_nothing_and_changes_nothing() {
    let (parent, component, file) = filled();
    let (before, inode) = (fs::read(&file).unwrap(), file.metadata().unwrap().ino());
    assert!(!start(&parent.path().join("kept"), &component));
    assert_eq!(file.metadata().unwrap().ino(), inode);
    assert_eq!(fs::read(&file).unwrap(), before);
}

#[test]
fn a_flipped_bit_anywhere_means_compiling_again() {
    let (parent, component, file) = filled();
    let good = fs::read(&file).unwrap();
    for at in (0..good.len()).step_by(good.len() / 40) {
        let mut damaged = good.clone();
        damaged[at] ^= 1 << (at % 8);
        fs::write(&file, damaged).unwrap();
        assert!(start(&parent.path().join("kept"), &component), "byte {at}");
        assert_eq!(fs::read(&file).unwrap(), good, "byte {at}");
    }
}

#[test]
fn code_that_is_cut_longer_empty_or_unknown_is_not_used() {
    let (parent, component, file) = filled();
    let directory = parent.path().join("kept");
    let sums = directory.join(hex(&component)).join(SUMS);
    let good = fs::read(&file).unwrap();
    let longer = [&good[..], b"x"].concat();
    for bytes in [&good[..good.len() / 2], b"", &longer] {
        fs::write(&file, bytes).unwrap();
        assert!(start(&directory, &component));
    }
    fs::remove_file(&sums).unwrap();
    assert!(start(&directory, &component));
    fs::write(&sums, b"\xff\n  \nno sum").unwrap();
    assert!(start(&directory, &component));
    assert!(!start(&directory, &component));
}

#[test]
fn what_a_killed_start_has_left_stands_in_nobodys_way() {
    let (parent, component, file) = filled();
    fs::rename(&file, file.with_extension("wip-atomic-write-mod")).unwrap();
    assert!(start(&parent.path().join("kept"), &component));
    assert!(!start(&parent.path().join("kept"), &component));
}

#[test]
fn it_is_made_for_its_owner_alone_and_what_others_may_write_to_is_refused() {
    let (parent, component, _) = filled();
    let directory = parent.path().join("kept");
    let allow = |mode| fs::set_permissions(&directory, fs::Permissions::from_mode(mode)).unwrap();
    let refused = |path: &Path| Kept::open(path, &component).err().unwrap().to_string();
    for made in [&directory, &directory.join(hex(&component))] {
        assert_eq!(made.metadata().unwrap().mode() & 0o777, 0o700);
    }
    for mode in [0o720, 0o702, 0o777] {
        allow(mode);
        assert!(refused(&directory).contains("others may write to it"));
    }
    allow(0o755);
    assert!(!start(&directory, &component));
    let link = parent.path().join("link");
    symlink(&directory, &link).unwrap();
    assert!(refused(&link).contains("it is no directory"));
    // As root, everything that is there is ours.
    let foreign = Path::new("/proc/1/fdinfo");
    assert!(Kept::open(foreign, &component).is_err());
}

#[test]
fn many_at_once_all_start() {
    let parent = tempfile::tempdir().unwrap();
    let component = wat::parse_str(COMPONENT).unwrap();
    for round in 0..10 {
        // wasmtime's thread may still write to the last one.
        let directory = parent.path().join(round.to_string());
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    // A file may go while it is looked at; then this one does without.
                    if let Ok(kept) = Kept::open(&directory, &component) {
                        let mut config = Config::new();
                        config.cache(Some(kept.cache()));
                        let engine = Engine::new(&config).unwrap();
                        Component::from_binary(&engine, &component).unwrap();
                        kept.seal().ok();
                    }
                });
            }
        });
        start(&directory, &component);
        assert!(!start(&directory, &component));
    }
}

#[test]
fn code_is_kept_for_so_many_components_and_nothing_else_is_removed() {
    let parent = tempfile::tempdir().unwrap();
    let directory = parent.path().join("kept");
    fs::create_dir_all(directory.join("of-somebody-else")).unwrap();
    fs::set_permissions(&directory, fs::Permissions::from_mode(0o700)).unwrap();
    for number in 0..=COMPONENTS_MAX {
        let text = COMPONENT.replace("i32.const 7", &format!("i32.const {number}"));
        assert!(start(&directory, &wat::parse_str(&text).unwrap()));
    }
    assert_eq!(entries(&directory).unwrap().len(), COMPONENTS_MAX + 1);
    assert!(directory.join("of-somebody-else").exists());
    let first = wat::parse_str(COMPONENT.replace("i32.const 7", "i32.const 0")).unwrap();
    assert!(start(&directory, &first));
}
