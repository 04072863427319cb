//! Where a server may listen, and what it says where it may not.

use crate::support::Running;
use kv_runtime::GuestLimits;
use kv_server::{ListenOptions, Server};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use tempfile::TempDir;

fn unix(path: &Path) -> ListenOptions {
    ListenOptions {
        unix: Some(path.to_owned()),
        ..ListenOptions::default()
    }
}

#[test]
fn a_port_in_use_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let lines = ListenOptions {
        lines: Some(address.clone()),
        ..ListenOptions::default()
    };
    let http = ListenOptions {
        http: Some(address.clone()),
        ..ListenOptions::default()
    };
    for options in [lines, http] {
        let message = Server::bind(&options).unwrap_err().to_string();
        assert!(
            message.contains(&address) && message.contains("another process"),
            "{message}"
        );
    }
}

#[test]
fn what_is_no_address_is_named() {
    for address in [
        "7070",
        "localhost",
        "127.0.0.1:99999",
        ":",
        "no.such.host.invalid:1",
    ] {
        let options = ListenOptions {
            lines: Some(address.to_owned()),
            ..ListenOptions::default()
        };
        let message = Server::bind(&options).unwrap_err().to_string();
        assert!(message.contains(address), "{message}");
    }
}

#[test]
fn a_unix_socket_is_its_owners_alone_and_goes_with_the_server() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("kv.sock");
    let data = folder.path().join("data");
    let server = Running::on("guest-echo", &data, GuestLimits::default(), &unix(&path));
    let mode = std::fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);

    let mut client = UnixStream::connect(&path).unwrap();
    let mut replies = BufReader::new(client.try_clone().unwrap());
    for n in 0..100 {
        writeln!(client, "{{\"n\":{n}}}").unwrap();
        let mut line = String::new();
        replies.read_line(&mut line).unwrap();
        assert!(line.contains(&format!("\"event\":{{\"n\":{n}}}")), "{line}");
    }
    client.write_all(b"{\"n\":\"last\"}").unwrap();
    client.shutdown(std::net::Shutdown::Write).unwrap();
    let mut rest = String::new();
    replies.read_to_string(&mut rest).unwrap();
    assert!(rest.contains("last") && rest.ends_with('\n'), "{rest}");

    server.stop().unwrap();
    assert!(!path.exists());
}

#[test]
fn a_dead_socket_is_replaced_and_a_living_one_is_not() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("kv.sock");
    drop(UnixListener::bind(&path).unwrap());
    let server = Server::bind(&unix(&path)).unwrap();
    let message = Server::bind(&unix(&path)).unwrap_err().to_string();
    assert!(
        message.contains("kv.sock") && message.contains("another process"),
        "{message}"
    );
    assert!(UnixStream::connect(&path).is_ok());
    drop(server);
    assert!(!path.exists());
}

#[test]
fn a_file_that_is_no_socket_is_left_alone() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("precious");
    std::fs::write(&path, "text").unwrap();
    let message = Server::bind(&unix(&path)).unwrap_err().to_string();
    assert!(message.contains("precious"), "{message}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "text");
}

#[test]
fn a_front_that_cannot_be_bound_leaves_no_socket_behind() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("kv.sock");
    let options = ListenOptions {
        http: Some(taken.local_addr().unwrap().to_string()),
        ..unix(&path)
    };
    assert!(Server::bind(&options).is_err());
    assert!(!path.exists());
}
