//! Things in the data directory that are no files of ours, or no longer: links,
//! pipes, sockets, directories, files that may not be written or read. Whatever
//! stands where the log needs a file is refused at once, by name; everything
//! else is left alone.

use crate::connection::{Connection, Front};
use crate::event::{Event, Reply};
use crate::failure::{Failure, ensure};
use crate::ground::{Ground, Settings};
use crate::server::{Ready, Server};
use kv_engine::files::native::NativeFiles;
use kv_engine::{Options, Outcome, Store};
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::Command;

/// A thing that may have a name in a directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Thing {
    /// A symbolic link to the file that was there, moved out of the directory.
    SymbolicLink,
    /// A symbolic link that leads nowhere.
    DanglingLink,
    /// A hard link, of which the other end lies outside.
    HardLink,
    /// A named pipe, which nobody writes to.
    Pipe,
    /// A socket, which nobody listens on.
    Socket,
    /// A directory.
    Directory,
}

impl Thing {
    /// Every thing.
    pub const ALL: [Self; 6] = [
        Self::SymbolicLink,
        Self::DanglingLink,
        Self::HardLink,
        Self::Pipe,
        Self::Socket,
        Self::Directory,
    ];

    /// Puts it where a name is. What had the name lies in `aside` afterwards.
    fn put(self, path: &Path, aside: &Path) -> Result<(), Failure> {
        if path.exists() {
            fs::rename(path, aside)?;
        } else {
            fs::write(aside, "")?;
        }
        match self {
            Self::SymbolicLink => symlink(aside, path)?,
            Self::DanglingLink => symlink(aside.join("nowhere"), path)?,
            Self::HardLink => fs::hard_link(aside, path)?,
            Self::Directory => fs::create_dir(path)?,
            Self::Socket => drop(UnixListener::bind(path)?),
            Self::Pipe => {
                let made = Command::new("mkfifo").arg(path).status()?;
                ensure(made.success(), || "mkfifo has failed".to_owned())?;
            }
        }
        Ok(())
    }
}

/// Where a thing is put.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// A name that means nothing to the store.
    Stray,
    /// A segment that is sealed.
    Sealed,
    /// The segment that was written to last.
    Newest,
    /// The name that the next segment would have.
    Next,
    /// A checkpoint.
    Checkpoint,
}

/// Tries things in places, every `step`th pair of them, and returns how many
/// that were. A step of 7 tries each thing and each place; 1 tries all.
///
/// # Errors
/// Where the store does otherwise than is stated.
pub fn run(binary: &Path, folder: &Path, step: usize) -> Result<u32, Failure> {
    let places = [
        Place::Stray,
        Place::Sealed,
        Place::Newest,
        Place::Next,
        Place::Checkpoint,
    ];
    let all = places
        .into_iter()
        .flat_map(|place| Thing::ALL.map(|thing| (thing, place)));
    let mut tried = 0;
    for (thing, place) in all.step_by(step) {
        let ground = filled(binary, folder)?;
        let result = attempt(&ground, thing, place);
        result.map_err(|failure| failure.at(&format!("{thing:?} as {place:?}")))?;
        tried += 1;
    }
    Ok(tried)
}

fn attempt(ground: &Ground, thing: Thing, place: Place) -> Result<(), Failure> {
    let segments = ground.segments()?;
    let (Some(first), Some(newest)) = (segments.first(), segments.last()) else {
        return Err(Failure::new("there is no log"));
    };
    let path = match place {
        Place::Stray => ground.data().join("notes.txt"),
        Place::Sealed => first.clone(),
        Place::Newest => newest.clone(),
        Place::Next => ground.data().join(next_name(newest)?),
        Place::Checkpoint => ground
            .checkpoint()?
            .ok_or_else(|| Failure::new("there is no checkpoint"))?,
    };
    thing.put(&path, &ground.data().with_file_name("aside"))?;
    let kind = fs::symlink_metadata(&path)?.file_type();
    // A hard link is a regular file. One that is empty is a segment that was
    // begun and never written.
    let harmless = thing == Thing::HardLink || matches!(place, Place::Stray | Place::Checkpoint);
    match Server::start(ground) {
        Ok((server, ready)) => {
            ensure(harmless, || "the server begins".to_owned())?;
            compare_and_write(&ready)?;
            server.kill()?;
            let (_server, ready) = Server::start(ground)?;
            compare_and_write(&ready)?;
        }
        Err(failure) => {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let names_it = failure.to_string().contains(&*name);
            ensure(!harmless && names_it, || failure.to_string())?;
        }
    }
    // Strays stay what they were. A checkpoint's name may be given anew.
    let kept = place == Place::Checkpoint || fs::symlink_metadata(&path)?.file_type() == kind;
    ensure(kept, || format!("{} was replaced", path.display()))
}

/// Keys that [`filled`] writes.
pub const KEYS: u32 = 60;

/// A directory with several segments and a checkpoint, written natively.
///
/// # Errors
/// Where it can't be written.
pub fn filled(binary: &Path, folder: &Path) -> Result<Ground, Failure> {
    let options = Options {
        segment_bytes_max: 4096,
        checkpoint_interval_bytes: 4096,
        cache_bytes_max: 0,
        segments_open_max: 4,
    };
    let settings = Settings::segments(options.segment_bytes_max)
        .store(
            "checkpoint_interval_bytes",
            options.checkpoint_interval_bytes,
        )
        .store("cache_bytes_max", 0)
        .store("segments_open_max", 4);
    let ground = Ground::new(binary, folder, &settings)?;
    fs::create_dir(ground.data())?;
    let (mut store, _) = Store::open(NativeFiles::new(ground.data()), options)
        .map_err(|e| Failure::new(e.to_string()))?;
    for number in 0..KEYS {
        let (event, mut reply) = (put(number), Vec::new());
        let outcome = store.handle(event.line().as_bytes(), 0, &mut reply);
        let reply = event.read_reply(&String::from_utf8_lossy(&reply))?;
        let done = outcome == Outcome::Serving && matches!(reply, Reply::Put { .. });
        ensure(done, || format!("{reply:?}"))?;
    }
    Ok(ground)
}

/// One of the keys that [`filled`] writes.
#[must_use]
pub fn put(number: u32) -> Event {
    Event::Put {
        key: format!("key {number}"),
        value: format!("[{number},\"{}\"]", "s".repeat(200)),
        if_version: None,
    }
}

/// Everything must be there, and one more put be taken.
fn compare_and_write(ready: &Ready) -> Result<(), Failure> {
    let mut connection = Connection::open(Front::Tcp, ready)?;
    for number in 0..KEYS {
        let Event::Put {
            key, value: text, ..
        } = put(number)
        else {
            continue;
        };
        let reply = connection.ask(&Event::Get { key })?;
        let right = matches!(&reply, Reply::Got { value, .. } if *value == text);
        ensure(right, || format!("key {number} is answered {reply:?}"))?;
    }
    let reply = connection.ask(&put(0))?;
    ensure(matches!(reply, Reply::Put { .. }), || format!("{reply:?}"))
}

fn next_name(newest: &Path) -> Result<String, Failure> {
    let name = newest.file_stem().unwrap_or_default().to_string_lossy();
    let number: u32 = name
        .parse()
        .map_err(|e| Failure::new(format!("{name}: {e}")))?;
    Ok(format!("{:08}.jsonl", number + 1))
}

/// What files, and a directory, that may not be written or read do to a server
/// that is not root's; nothing where this process can't become somebody else.
///
/// # Errors
/// Where the store does otherwise than is stated.
pub fn permissions(binary: &Path, folder: &Path) -> Result<bool, Failure> {
    if !rustix::process::geteuid().is_root() {
        eprintln!("torture: SKIPPED: permissions need a user to change to, which only root has");
        return Ok(false);
    }
    for (what, mode) in [
        ("a segment that is read-only", 0o444),
        ("a segment that can't be read", 0o000),
        ("a directory that is read-only", 0o555),
    ] {
        let mut ground = filled(binary, folder)?;
        let segments = ground.segments()?;
        let result = forbid(&mut ground, &segments[segments.len() - 1], mode);
        result.map_err(|failure| failure.at(what))?;
    }
    Ok(true)
}

fn forbid(ground: &mut Ground, newest: &Path, mode: u32) -> Result<(), Failure> {
    let path = if mode == 0o555 {
        ground.data()
    } else {
        newest.to_owned()
    };
    ground.give_away()?;
    fs::set_permissions(&path, fs::Permissions::from_mode(mode))?;
    match Server::start_as_nobody(ground) {
        Err(failure) => {
            let name = newest.file_name().unwrap_or_default().to_string_lossy();
            let said = mode == 0 && failure.to_string().contains(&*name);
            ensure(said, || failure.to_string())
        }
        Ok((server, ready)) if mode == 0o444 => {
            // A sealed segment need not be written.
            compare_and_write(&ready)?;
            server.kill()
        }
        Ok((server, ready)) => {
            ensure(mode == 0o555, || "the server begins".to_owned())?;
            let mut connection = Connection::open(Front::Tcp, &ready)?;
            let refused = connection.ask(&put(1))?;
            let said = matches!(&refused, Reply::Refused { code, .. } if code == "storage");
            ensure(said, || format!("a put is answered {refused:?}"))?;
            fs::set_permissions(&path, fs::Permissions::from_mode(0o700))?;
            // It goes on once it may.
            compare_and_write(&ready)?;
            server.kill()
        }
    }
}
