//! `make bench`: the store beside Redis, in one run, with one load generator,
//! the same keys and values, and every acknowledged put synced on both sides.

mod client;
mod load;
mod machine;
mod protocol;
mod report;
mod servers;
mod workload;

use clap::Parser;
use load::{Failure, Run};
use servers::Server;
use std::path::PathBuf;
use std::process::ExitCode;
use workload::{Keys, Workload};

/// Times durable puts and gets of the store and of Redis, interleaved.
#[derive(Debug, Parser)]
struct Arguments {
    /// A tenth of the keys and a third of the time
    #[arg(long)]
    quick: bool,
    /// How often each workload runs on each server
    #[arg(long, default_value_t = 5)]
    runs: usize,
    /// Where the sequence of keys begins
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The store's binary
    #[arg(long, default_value = "target/release/kv-actor")]
    binary: PathBuf,
    /// Where the JSON goes
    #[arg(long, default_value = "target/bench/results.json")]
    results: PathBuf,
}

fn main() -> ExitCode {
    match bench(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("bench: {e}");
            ExitCode::FAILURE
        }
    }
}

fn bench(arguments: &Arguments) -> Result<(), Failure> {
    let keys_count = if arguments.quick { 100_000 } else { 1_000_000 };
    let seconds = if arguments.quick { 1.0 } else { 3.0 };
    let folder = arguments
        .results
        .parent()
        .map_or_else(PathBuf::new, PathBuf::from);
    std::fs::create_dir_all(&folder)?;
    let servers = [
        Server::ours(&arguments.binary, &folder)?,
        Server::redis(&folder)?,
    ];
    let mut keys = Keys::new(keys_count, arguments.seed);
    for server in &servers {
        eprintln!("loading {keys_count} keys into {}", server.name);
        load::fill(server, keys_count)?;
    }
    let mut results = report::Results::new(arguments.seed, keys_count, seconds, &servers, &folder);
    for run in 1..=arguments.runs {
        for workload in Workload::ALL {
            for server in &servers {
                let quiet = machine::wait_until_quiet();
                let measured = Run::of(server, workload, &mut keys, seconds)?;
                eprintln!(
                    "run {run}: {} {workload}: {:.0}/s",
                    server.name,
                    measured.per_second()
                );
                results.add(server, workload, &measured, quiet);
            }
        }
    }
    println!("{}", results.markdown());
    std::fs::write(&arguments.results, results.json()?)?;
    eprintln!("written to {}", arguments.results.display());
    Ok(())
}
