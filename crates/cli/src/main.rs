//! `kv-actor`: serves the store, and works on its data from the command line.
//! Standard output is JSON and nothing else; the exit code is the table's in
//! `kv_protocol::code`.

mod arguments;
mod event;
mod failure;
mod import;
mod place;
mod repair;
mod serve;

use arguments::{Arguments, Command};
use clap::Parser;
use failure::Failure;
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
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
        Command::Put { place, key, value } => event::put(&place, &key, &value),
        Command::Get { place, key } => event::get(&place, &key),
        Command::Delete { place, key } => event::delete(&place, &key),
        Command::Store { place, content } => event::store(&place, &content),
        Command::Fetch { place, hash } => event::fetch(&place, &hash),
    }
}
