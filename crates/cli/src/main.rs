//! `kv-actor`: serves the store, and works on its data from the command line.
//! Standard output is JSON and nothing else; the exit code is the table's in
//! `kv_protocol::code`.

mod arguments;
mod backup;
mod event;
mod export;
mod failure;
mod import;
mod output;
mod pages;
mod place;
mod repair;
mod restore;
mod send;
mod serve;
mod token;
mod watch;

use arguments::{Arguments, Command};
use clap::Parser;
use failure::Failure;
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    // Whatever is made from here on is its owner's alone. A guest can't say so
    // itself: WASI's files have no modes.
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
    match run(arguments.command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("error: {failure}");
            ExitCode::from(failure.exit_code())
        }
    }
}

fn run(command: Command) -> Result<(), Failure> {
    match command {
        Command::Serve(arguments) => serve::run(&arguments),
        Command::Import(arguments) => import::run(&arguments),
        Command::Verify(directory) => repair::verify(&directory),
        Command::Repair { directory, yes } => repair::repair(&directory, yes),
        Command::Put {
            place,
            key,
            value,
            condition,
            ttl_ms,
        } => event::put(&place, &key, &value, &condition, ttl_ms),
        Command::Get { place, key } => event::get(&place, &key),
        Command::Exists { place, key } => event::exists(&place, &key),
        Command::Delete {
            place,
            key,
            condition,
        } => event::delete(&place, &key, &condition),
        Command::Patch {
            place,
            key,
            patch,
            condition,
        } => event::patch(&place, &key, &patch, &condition),
        Command::Increment { place, key, by } => event::increment(&place, &key, by),
        Command::List(arguments) => pages::list(&arguments),
        Command::DeletePrefix { place, prefix } => pages::delete_prefix(&place, &prefix),
        Command::Changes(arguments) => pages::changes(&arguments),
        Command::Watch(arguments) => watch::run(&arguments),
        Command::Stats { place } => event::stats(&place),
        Command::Send { place, events } => send::run(&place, &events),
        Command::Backup { place, file, since } => backup::run(&place, &file, since),
        Command::Restore { directory, files } => restore::run(&directory, &files),
        Command::Export { place, files } => export::run(&place, &files),
        Command::Store { place, content } => event::store(&place, &content),
        Command::Fetch { place, hash } => event::fetch(&place, &hash),
    }
}
