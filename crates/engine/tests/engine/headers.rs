//! Segments that begin with what no writer writes, or go on for too long.

use crate::common::*;
use kv_engine::files::Files;
use kv_engine::files::memory::MemoryFiles;
use kv_engine::log::record;
use kv_engine::log::segment::{Extent, file_name};
use kv_engine::{OpenError, Options, Store};

/// The line of the damage at which an opening stops; nothing where it doesn't.
fn damaged_line<F: Files + Clone>(files: &F) -> Option<u64> {
    match Store::open(files.clone(), Options::default()) {
        Ok(_) => None,
        Err(OpenError::Damage(damage)) => Some(damage.line),
        Err(e) => panic!("{e}"),
    }
}

#[test]
fn a_segment_under_another_number_is_damage() {
    let files = MemoryFiles::default();
    put(&mut open(&files), "a", "1");
    assert_eq!(damaged_line(&files), None);
    files.rename(&file_name(1), &file_name(2)).unwrap();
    assert_eq!(damaged_line(&files), Some(1));
}

#[test]
fn a_header_seals_segments_in_order_and_before_its_own() {
    for (numbers, is_sound) in [
        (&[][..], true),
        (&[1], true),
        (&[1, 2], true),
        (&[2], true),
        (&[2, 1], false),
        (&[1, 1], false),
        (&[1, 3], false),
        (&[1, 4], false),
    ] {
        let files = MemoryFiles::default();
        let extents: Vec<_> = numbers
            .iter()
            .map(|number| {
                let mut header = Vec::new();
                let checksum = record::write_header(&mut header, TIME_MS, 0, *number, &[]);
                if *number < 3 {
                    replace(&files, &file_name(*number), &header);
                }
                Extent {
                    number: *number,
                    bytes: header.len() as u64,
                    checksum,
                }
            })
            .collect();
        let mut newest = Vec::new();
        record::write_header(&mut newest, TIME_MS, 0, 3, &extents);
        replace(&files, &file_name(3), &newest);
        let expected = (!is_sound).then_some(1);
        assert_eq!(damaged_line(&files), expected, "{numbers:?}");
    }
}

#[test]
fn a_segment_begins_at_the_version_where_the_one_before_it_ends() {
    for (version, expected) in [(0, Some(1)), (1, None), (2, Some(1))] {
        let files = MemoryFiles::default();
        let mut first = Vec::new();
        let checksum = record::write_header(&mut first, TIME_MS, 0, 1, &[]);
        let key = "a".into();
        let change = [record::Change::Delete { key }];
        let checksum = record::write_changes(&mut first, checksum, TIME_MS, 1, None, &change);
        replace(&files, &file_name(1), &first);
        let sealed = Extent {
            number: 1,
            bytes: first.len() as u64,
            checksum,
        };
        let mut second = Vec::new();
        record::write_header(&mut second, TIME_MS, version, 2, &[sealed]);
        replace(&files, &file_name(2), &second);
        assert_eq!(damaged_line(&files), expected, "{version}");
        // Sealed in turn, it is asked no less.
        let mut third = Vec::new();
        let checksum = record::write_header(&mut Vec::new(), TIME_MS, version, 2, &[sealed]);
        let sealed_too = Extent {
            number: 2,
            bytes: second.len() as u64,
            checksum,
        };
        record::write_header(&mut third, TIME_MS, version, 3, &[sealed, sealed_too]);
        replace(&files, &file_name(3), &third);
        assert_eq!(damaged_line(&files), expected, "{version}");
    }
}

#[test]
fn a_file_longer_than_any_segment_is_damage() {
    let files = FaultyFiles::new();
    put(&mut open(&files), "a", "1");
    let longest = u64::from(u32::MAX);
    for (length, expected) in [(longest, None), (longest + 1, Some(1)), (1 << 40, Some(1))] {
        files.fault.set(Fault::Length(length));
        assert_eq!(damaged_line(&files), expected, "{length}");
    }
}

#[test]
fn a_sealed_segment_that_the_disk_refuses_is_no_damage() {
    let files = FaultyFiles::new();
    put(&mut open(&files), "a", "1");
    put(&mut open(&files), "b", "1");
    files.fault.set(Fault::Open);
    let opened = Store::open(files.clone(), Options::default());
    assert!(matches!(opened, Err(OpenError::Files(_))));
}
