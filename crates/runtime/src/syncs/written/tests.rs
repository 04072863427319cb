use super::*;
use std::os::unix::fs::FileExt;

fn file(content: &[u8]) -> File {
    let file = tempfile::tempfile().unwrap();
    file.write_all_at(content, 0).unwrap();
    file
}

fn content(file: &File) -> Vec<u8> {
    let length = file.metadata().unwrap().len();
    let mut content = vec![0; usize::try_from(length).unwrap()];
    file.read_exact_at(&mut content, 0).unwrap();
    content
}

/// Writes pieces one behind another from a place on, and takes all of them back.
fn take_back(before: &[u8], mut offset: u64, pieces: &[&[u8]]) {
    let file = file(before);
    let mut written: Option<Written> = None;
    for piece in pieces {
        let later = Written::before(&file, offset, piece.len(), 100).unwrap();
        file.write_all_at(piece, offset).unwrap();
        let later = later.of(piece.len() as u64);
        written = Some(match written {
            Some(earlier) => earlier.and(later, 100).unwrap(),
            None => later,
        });
        offset += piece.len() as u64;
    }
    assert_ne!(content(&file), before);
    written.unwrap().take_back(&file).unwrap();
    assert_eq!(content(&file), before);
}

#[test]
fn what_was_there_before_is_put_back() {
    for pieces in [
        &[&b"12"[..]][..],
        &[b"1", b"2345"],
        &[b"123", b"4", b"567890"],
    ] {
        // At the end, over what is there, and over some of it.
        for offset in [0, 3, 8, 9, 10] {
            take_back(b"abcdefghij", offset, pieces);
        }
        take_back(b"", 0, pieces);
        take_back(b"a", 5, pieces);
    }
}

#[test]
fn of_a_write_that_was_cut_short_only_that_much_is_taken_back() {
    let file = file(b"abcdef");
    let written = Written::before(&file, 1, 4, 100).unwrap().of(2);
    file.write_all_at(b"12", 1).unwrap();
    // Somebody else's, behind it.
    file.write_all_at(b"X", 4).unwrap();
    written.take_back(&file).unwrap();
    assert_eq!(content(&file), b"abcdXf");
}

#[test]
fn pieces_that_do_not_follow_each_other_are_not_one() {
    let file = file(b"abcdef");
    for (offset, is_one) in [(0, false), (1, false), (2, true), (3, false)] {
        let first = Written::before(&file, 0, 2, 100).unwrap();
        let second = Written::before(&file, offset, 1, 100).unwrap();
        assert_eq!(first.and(second, 100).is_some(), is_one, "{offset}");
    }
}

#[test]
fn no_more_is_kept_than_may_be() {
    let file = file(b"abcdef");
    assert!(Written::before(&file, 0, 4, 3).is_none());
    // Only what is there counts.
    assert!(Written::before(&file, 3, 4, 3).is_some());
    assert!(Written::before(&file, 6, 400, 0).is_some());
    let both = |replaced_bytes_max| {
        let first = Written::before(&file, 0, 2, 2).unwrap();
        let second = Written::before(&file, 2, 2, 2).unwrap();
        first.and(second, replaced_bytes_max)
    };
    assert!(both(3).is_none());
    assert!(both(4).is_some());
}
