//! The load generator against a server of a few lines.

use super::*;
use crate::protocol::Protocol;
use crate::random::Random;
use crate::requests::{Each, Operation, Uniform};
use crate::values::{Values, key};
use crate::ycsb::{Mix, Ycsb};
use std::io::{BufRead, BufReader, Write};

/// Answers every put and get rightly, or with the value of another key.
fn serve(wrong: bool) -> SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let stream = stream.unwrap();
            std::thread::spawn(move || answer(&stream, wrong));
        }
    });
    address
}

fn answer(stream: &std::net::TcpStream, wrong: bool) {
    for line in BufReader::new(stream).lines() {
        let Ok(line) = line else {
            return;
        };
        let event: serde_json::Value = serde_json::from_str(&line).unwrap();
        let name = event["key"].as_str().unwrap();
        let number: u64 = name.rsplit(':').next().unwrap().parse().unwrap();
        assert_eq!(name.as_bytes(), key(number));
        let mut reply = format!("{{\"status\":\"ok\",\"key\":\"{name}\"").into_bytes();
        if event["type"] == "get" {
            reply.extend_from_slice(b",\"value\":");
            Values::small().write(&mut reply, number + u64::from(wrong));
        }
        reply.extend_from_slice(b",\"version\":1}\n");
        if (&*stream).write_all(&reply).is_err() {
            return;
        }
    }
}

fn wire() -> Wire {
    Wire::new(Protocol::Lines, Values::small())
}

const LOAD: Load = Load {
    connections: 4,
    depth: 3,
    warm_up: Duration::from_millis(20),
    time: Duration::from_millis(100),
};

#[test]
fn replies_are_counted_and_timed() {
    let address = serve(false);
    send_all(address, &wire(), &mut Each(0..1000)).unwrap();
    for operation in [Operation::Put, Operation::Get] {
        let mut requests = Uniform {
            operation,
            keys: 100,
            random: &mut Random::new(1),
        };
        let run = Run::of(address, &wire(), LOAD, &mut requests).unwrap();
        assert!(run.replies > 0 && run.per_second() > 0.0);
        assert!(run.latencies.len() >= run.replies);
    }
}

#[test]
fn a_read_and_its_write_count_once_and_inserts_are_told_of() {
    let address = serve(false);
    for mix in Mix::ALL {
        let mut ycsb = Ycsb::new(mix, 1000, 1);
        let run = Run::of(address, &wire(), LOAD, &mut ycsb).unwrap();
        assert!(run.replies > 0);
        assert_eq!(mix == Mix::D, ycsb.records() > 1000);
    }
}

#[test]
fn a_wrong_value_fails_the_run() {
    let mut requests = Uniform {
        operation: Operation::Get,
        keys: 100,
        random: &mut Random::new(1),
    };
    let failure = Run::of(serve(true), &wire(), LOAD, &mut requests).unwrap_err();
    assert!(failure.to_string().contains("wrong reply"), "{failure}");
}
