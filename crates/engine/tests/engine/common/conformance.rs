//! What every implementation of the seam must do.

use kv_engine::files::{Access, File, FileErrorKind, Files};

/// Runs the suite in an empty directory, and leaves it empty.
pub(crate) fn conforms<F: Files>(files: &F) {
    names_are_created_once_and_listed(files);
    bytes_come_back_from_where_they_were_written(files);
    a_file_outlives_its_name(files);
    access_is_kept(files);
}

fn names_are_created_once_and_listed<F: Files>(files: &F) {
    assert!(files.list().unwrap().is_empty());
    assert!(!files.exists("a").unwrap());
    files.create("a").unwrap();
    assert_eq!(
        files.create("a").unwrap_err().kind,
        FileErrorKind::AlreadyExists
    );
    assert!(files.exists("a").unwrap());
    assert_eq!(files.list().unwrap(), ["a"]);
    assert_eq!(
        files.open("b", Access::Read).unwrap_err().kind,
        FileErrorKind::NotFound
    );
    assert_eq!(files.remove("b").unwrap_err().kind, FileErrorKind::NotFound);
    assert_eq!(
        files.rename("b", "c").unwrap_err().kind,
        FileErrorKind::NotFound
    );
    files.rename("a", "b").unwrap();
    assert_eq!(files.list().unwrap(), ["b"]);
    files.sync_directory().unwrap();
    files.remove("b").unwrap();
    assert!(files.list().unwrap().is_empty());
}

fn bytes_come_back_from_where_they_were_written<F: Files>(files: &F) {
    let mut file = files.create("data").unwrap();
    assert_eq!(file.length().unwrap(), 0);
    file.write_at(0, b"hello").unwrap();
    file.write_at(7, b"world").unwrap();
    file.sync().unwrap();
    assert_eq!(file.length().unwrap(), 12);
    let other = files.open("data", Access::Read).unwrap();
    let mut buffer = [1; 20];
    assert_eq!(other.read_at(0, &mut buffer).unwrap(), 12);
    assert_eq!(&buffer[..13], b"hello\0\0world\x01");
    assert_eq!(other.read_at(10, &mut buffer).unwrap(), 2);
    assert_eq!(other.read_at(12, &mut buffer).unwrap(), 0);
    assert_eq!(other.read_at(100, &mut buffer).unwrap(), 0);
    assert_eq!(other.read_at(3, &mut []).unwrap(), 0);
    file.set_length(5).unwrap();
    assert_eq!(other.length().unwrap(), 5);
    file.set_length(6).unwrap();
    assert_eq!(other.read_at(4, &mut buffer).unwrap(), 2);
    assert_eq!(&buffer[..2], b"o\0");
    let large: Vec<u8> = (0..1_000_000_u32).map(|n| n.to_le_bytes()[1]).collect();
    file.write_at(6, &large).unwrap();
    let mut back = vec![0; large.len()];
    assert_eq!(other.read_at(6, &mut back).unwrap(), large.len());
    assert!(back == large);
    files.remove("data").unwrap();
}

fn a_file_outlives_its_name<F: Files>(files: &F) {
    let mut file = files.create("gone").unwrap();
    file.write_at(0, b"still here").unwrap();
    files.remove("gone").unwrap();
    let mut other = files.create("gone").unwrap();
    other.write_at(0, b"another").unwrap();
    let mut buffer = [0; 10];
    assert_eq!(file.read_at(0, &mut buffer).unwrap(), 10);
    assert_eq!(&buffer, b"still here");
    files.remove("gone").unwrap();
}

fn access_is_kept<F: Files>(files: &F) {
    files.create("fixed").unwrap().write_at(0, b"x").unwrap();
    let mut reading = files.open("fixed", Access::Read).unwrap();
    assert!(reading.write_at(0, b"y").is_err());
    assert!(reading.set_length(0).is_err());
    reading.sync().unwrap();
    let mut writing = files.open("fixed", Access::ReadWrite).unwrap();
    writing.write_at(1, b"y").unwrap();
    let mut buffer = [0; 2];
    assert_eq!(reading.read_at(0, &mut buffer).unwrap(), 2);
    assert_eq!(&buffer, b"xy");
    files.remove("fixed").unwrap();
}

/// Checks that no name leads out of the directory and none but a regular file is
/// opened. In it must be a folder `folder` and a link
/// `link` to a file `../secret`.
pub(crate) fn stays_inside<F: Files>(files: &F) {
    for name in ["../secret", "link", "folder", "", ".", "..", "/etc/passwd"] {
        let error = files.open(name, Access::Read).unwrap_err();
        assert_eq!(error.kind, FileErrorKind::NotAFile, "{name}");
        assert!(files.create(name).is_err(), "{name}");
    }
}
