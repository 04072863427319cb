//! As many clients as the system allows, idle and hostile ones, harm nobody.

use crate::support::*;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::io::Write;
use std::net::TcpStream;
use std::time::Duration;

/// The server may hold 512 MiB for all of them, beside what it needs anyway.
const RESIDENT_KIB_MAX: u64 = 900 * 1024;

#[test]
fn ten_thousand_idle_and_hostile_clients_stop_nobody() {
    let files = raise_open_files();
    let count = files.saturating_sub(1000).min(10_000);
    assert!(count > 500, "{files} open files are too few for this test");
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("data"));
    let mut honest = server.lines();
    let value = "v".repeat(60_000);
    let put = format!(r#"{{"type":"put","key":"large","value":"{value}"}}"#);
    assert!(honest.say(&put).contains("\"ok\""));

    let address = server.ready["lines"].as_str().unwrap();
    let get = "{\"type\":\"get\",\"key\":\"large\"}\n".repeat(40);
    let half = format!(
        r#"{{"type":"put","key":"half","value":"{}"#,
        "h".repeat(10_000)
    );
    let mut crowd = Vec::new();
    for n in 0..count {
        let mut client = TcpStream::connect(address).unwrap();
        client
            .set_write_timeout(Some(Duration::from_secs(10)))
            .unwrap();
        let sent = match n % 100 {
            // Never reads what it has asked for.
            0 => client.write_all(get.as_bytes()),
            // Sends nothing that is an event.
            1 => client.write_all(&garbage(n)),
            // Leaves off in the middle.
            2..=11 => client.write_all(half.as_bytes()),
            _ => Ok(()),
        };
        sent.unwrap();
        crowd.push(client);
        if n % 1000 == 0 {
            assert!(
                honest
                    .say(r#"{"type":"put","key":"a","value":1}"#)
                    .contains("\"ok\"")
            );
        }
    }
    // Slow ones go on, a byte at a time, while others work.
    for round in 0..20 {
        for slow in crowd.iter_mut().skip(2).step_by(100) {
            slow.write_all(b"s").unwrap();
        }
        let put = format!(r#"{{"type":"put","key":"{round}","value":{round}}}"#);
        assert!(server.lines().say(&put).contains("\"ok\""), "a new client");
        assert!(honest.say(&put).contains("\"ok\""), "an old one");
        let got = ok(&["get", "--url", &server.url(), &round.to_string()]);
        assert_eq!(got.trim(), round.to_string(), "one of HTTP");
    }
    let resident = resident_kib(server.process.id());
    println!("{count} clients, {resident} KiB resident");
    assert!(resident < RESIDENT_KIB_MAX, "{resident} KiB");
    // Half a line is still half a line, and can be ended.
    crowd[12]
        .write_all(b"{\"type\":\"get\",\"key\":\"a\"}\n")
        .unwrap();
    let mut idle = Lines::over(crowd.swap_remove(12));
    assert!(idle.reply().contains("\"value\":1,"));
}

/// Bytes that mean nothing, line feeds among them, the same in every run.
fn garbage(seed: usize) -> Vec<u8> {
    let mut state = seed as u64 | 1;
    let next = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        state.to_be_bytes()[0]
    };
    std::iter::repeat_with(next).take(5000).collect()
}

fn raise_open_files() -> usize {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        ..limit
    };
    setrlimit(Resource::Nofile, raised).unwrap();
    usize::try_from(limit.maximum.unwrap_or(u64::MAX)).unwrap_or(usize::MAX)
}

fn resident_kib(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.unwrap().trim().trim_end_matches(" kB");
    kib.parse().unwrap()
}
