//! One suite for every implementation of the seam: this file's tests run it on
//! those that a native program can have, crates/actor/tests/conformance.rs runs
//! it on the actor's, inside a component.

use conformance::{conforms, stays_inside};
use kv_engine::files::memory::MemoryFiles;
use kv_engine::files::native::NativeFiles;

#[path = "common/conformance.rs"]
mod conformance;

#[test]
fn memory() {
    conforms(&MemoryFiles::default());
}

#[test]
fn native() {
    let directory = tempfile::tempdir().unwrap();
    conforms(&NativeFiles::new(directory.path()));
}

#[test]
#[allow(
    clippy::disallowed_methods,
    reason = "the test lays out a real directory"
)]
fn native_names_stay_in_the_directory_and_are_regular_files() {
    let directory = tempfile::tempdir().unwrap();
    let inside = directory.path().join("inside");
    std::fs::create_dir(&inside).unwrap();
    std::fs::write(directory.path().join("secret"), "secret").unwrap();
    std::os::unix::fs::symlink("../secret", inside.join("link")).unwrap();
    std::fs::create_dir(inside.join("folder")).unwrap();
    stays_inside(&NativeFiles::new(&inside));
}
