//! A guest has its data directory, and nothing else of the disk.

use crate::support::{Folder, ask};
use std::fs;
use std::os::unix::fs::symlink;

#[test]
fn every_way_out_of_the_directory_is_closed() {
    let folder = Folder::new();
    let outside = folder.path().join("outside");
    fs::write(&outside, "mine").unwrap();
    fs::create_dir(folder.data()).unwrap();
    symlink("../outside", folder.data().join("link")).unwrap();
    symlink(&outside, folder.data().join("absolute-link")).unwrap();
    symlink("..", folder.data().join("directory-link")).unwrap();

    let mut actor = folder.start("guest-escape");
    let reply = ask(&mut actor, "{}").unwrap();
    assert_eq!(reply["preopened"], 1);
    let attempts = reply["attempts"].as_object().unwrap();
    assert_eq!(attempts.len(), 13, "{reply}");
    for (attempt, outcome) in attempts {
        assert_eq!(outcome, "not-permitted", "{attempt}");
    }

    assert_eq!(fs::read(&outside).unwrap(), b"mine");
    assert_eq!(names(folder.path()), ["data", "outside"]);
    assert_eq!(
        names(&folder.data()),
        ["absolute-link", "directory-link", "link"]
    );
    assert!(!std::path::Path::new("/tmp/created").exists());
}

fn names(folder: &std::path::Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}
