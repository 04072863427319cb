//! Tries to leave its preopened directory, and says what came of each attempt:
//! `{"status":"ok","preopened":1,"attempts":{"read ../outside":"not-permitted",…}}`,
//! with `done` for an attempt that succeeded.
//!
//! The test that runs it lays out, beside the directory, a file `outside`, and
//! in the directory the links `link` (to `../outside`), `absolute-link` (to the
//! same by its absolute path) and `directory-link` (to `..`).

use bindings::exports::ntwk::actor::actor::{Failure, Guest, Handled};
use bindings::wasi::filesystem::preopens::get_directories;
use bindings::wasi::filesystem::types::{
    Descriptor, DescriptorFlags, ErrorCode, OpenFlags, PathFlags,
};
use std::fmt::Write as _;

/// What wit-bindgen makes of the world `store` of wit/actor.wit.
#[allow(unsafe_code, clippy::pedantic, reason = "generated")]
mod bindings {
    #[cfg(target_arch = "wasm32")]
    use super::Escape;

    wit_bindgen::generate!({
        path: "../../../wit",
        world: "store",
        generate_all,
    });

    #[cfg(target_arch = "wasm32")]
    export!(Escape with_types_in self);
}

/// The actor.
pub struct Escape;

impl Guest for Escape {
    /// Reports what a store does, so that `kv-actor serve` runs it.
    fn init(_configuration: String) -> Result<String, Failure> {
        Ok(r#"{"keys":0,"contents":0,"torn":[]}"#.to_owned())
    }

    fn handle(events: Vec<u8>, _time_ms: u64) -> Handled {
        let replies = kv_test_guests::lines(&events).map(|_| attempt_all());
        Handled {
            replies: replies.collect::<String>().into_bytes(),
            changes: Vec::new(),
            finished: false,
            wake_at_ms: None,
        }
    }

    fn stop() {}
}

fn attempt_all() -> String {
    let directories = get_directories();
    let mut reply = format!(r#"{{"status":"ok","preopened":{}"#, directories.len());
    let mut separator = r#","attempts":{"#;
    for (directory, _) in &directories {
        for (what, outcome) in attempts(directory) {
            let outcome = outcome.as_ref().err().map_or("done", ErrorCode::name);
            write!(reply, r#"{separator}"{what}":"{outcome}""#).expect("a string takes all");
            separator = ",";
        }
    }
    if !directories.is_empty() {
        reply.push('}');
    }
    reply.push_str("}\n");
    reply
}

fn attempts(directory: &Descriptor) -> Vec<(String, Result<(), ErrorCode>)> {
    let mut attempts = Vec::new();
    for path in [
        "../outside",
        "/etc/passwd",
        "link",
        "absolute-link",
        "directory-link/outside",
        "..",
    ] {
        let read = directory.open_at(
            PathFlags::SYMLINK_FOLLOW,
            path,
            OpenFlags::empty(),
            DescriptorFlags::READ,
        );
        attempts.push((format!("read {path}"), read.map(drop)));
    }
    for path in ["../created", "/tmp/created", "directory-link/created"] {
        let create = directory.open_at(
            PathFlags::SYMLINK_FOLLOW,
            path,
            OpenFlags::CREATE,
            DescriptorFlags::READ | DescriptorFlags::WRITE,
        );
        attempts.push((format!("create {path}"), create.map(drop)));
    }
    let rename = directory.rename_at("link", directory, "../renamed");
    attempts.push(("rename to ../renamed".to_owned(), rename));
    let remove = directory.unlink_file_at("../outside");
    attempts.push(("remove ../outside".to_owned(), remove));
    let link = directory.link_at(PathFlags::empty(), "../outside", directory, "linked");
    attempts.push(("link ../outside".to_owned(), link));
    let symlink = directory.symlink_at("/etc/passwd", "absolute-symlink");
    attempts.push(("symlink /etc/passwd".to_owned(), symlink));
    attempts
}
