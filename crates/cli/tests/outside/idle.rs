//! A server stays awake between events that follow each other closely, and at no
//! other time.

use crate::support::*;
use std::fs;
use std::time::Duration;

#[test]
fn a_server_that_nobody_uses_takes_no_time_of_the_processor() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("data"));
    let mut lines = server.lines();
    for _ in 0..200 {
        let reply = lines.say(r#"{"type":"get","key":"none"}"#);
        assert!(reply.contains("not_found"), "{reply}");
    }
    let before = ticks(&server);
    std::thread::sleep(Duration::from_secs(1));
    let spent = ticks(&server) - before;
    assert!(spent <= 20, "{spent} of 100");
}

/// The hundredths of a second that a server has had of the processor; see proc(5).
fn ticks(server: &Server) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{}/stat", server.process.id())).unwrap();
    let (_, behind_name) = stat.rsplit_once(')').unwrap();
    let fields: Vec<_> = behind_name.split_whitespace().collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}
