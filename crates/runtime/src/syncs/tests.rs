use super::*;
use std::sync::mpsc::channel;
use std::time::Duration;

/// A file that can't be synced: a pipe's end.
fn unsyncable() -> (Arc<File>, io::PipeReader) {
    let (reader, writer) = io::pipe().unwrap();
    let descriptor = std::os::fd::OwnedFd::from(writer);
    (Arc::new(File::from(descriptor)), reader)
}

fn syncable() -> Arc<File> {
    Arc::new(tempfile::tempfile().unwrap())
}

fn begin(syncs: &Syncs, file: Arc<File>) -> io::Result<()> {
    let written = Written::before(&file, 0, 1, 1).unwrap();
    syncs.begin(file, written)
}

#[test]
fn what_was_begun_becomes_durable_and_says_so() {
    let syncs = Syncs::new();
    let (sender, woken) = channel();
    syncs.set_wake(move || sender.send(()).unwrap());
    let before = syncs.ticket();
    assert_eq!(syncs.durability(before), Durability::Durable);
    begin(&syncs, syncable()).unwrap();
    let after = syncs.ticket();
    assert!(after > before);
    assert_eq!(syncs.durability(before), Durability::Durable);
    woken.recv_timeout(Duration::from_mins(1)).unwrap();
    assert_eq!(syncs.durability(after), Durability::Durable);
    assert_eq!(syncs.settle(), Ok(()));
    assert_eq!(syncs.take_times().len(), 1);
    assert!(syncs.take_times().is_empty());
}

#[test]
fn behind_a_failed_sync_nothing_is_begun_and_all_is_lost() {
    let syncs = Syncs::new();
    begin(&syncs, syncable()).unwrap();
    let durable = syncs.ticket();
    let (file, _reader) = unsyncable();
    begin(&syncs, file).unwrap();
    let lost = syncs.ticket();
    let reason = syncs.settle().unwrap_err();
    assert_eq!(syncs.failure(), Some(reason));
    assert_eq!(syncs.durability(durable), Durability::Durable);
    assert_eq!(syncs.durability(lost), Durability::Lost);
    assert!(begin(&syncs, syncable()).is_err());
    assert_eq!(syncs.ticket(), lost);
}

#[test]
fn a_new_guest_begins_with_what_is_durable_and_the_lost_stays_lost() {
    let syncs = Syncs::new();
    let before = syncs.ticket();
    let (file, _reader) = unsyncable();
    begin(&syncs, file).unwrap();
    let lost = syncs.ticket();
    syncs.begin_anew();
    let anew = syncs.ticket();
    assert_eq!(syncs.failure(), None);
    assert_eq!(syncs.durability(before), Durability::Durable);
    assert_eq!(syncs.durability(lost), Durability::Lost);
    assert_eq!(syncs.durability(anew), Durability::Durable);
    begin(&syncs, syncable()).unwrap();
    assert_eq!(syncs.settle(), Ok(()));
    assert_eq!(syncs.durability(syncs.ticket()), Durability::Durable);
    assert_eq!(syncs.durability(lost), Durability::Lost);
}
