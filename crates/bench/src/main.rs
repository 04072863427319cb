//! `make bench`: the store beside its rivals, in one run, with one load
//! generator, the same keys and values, and every acknowledged put synced on all
//! sides. `make instructions`: what its operations take in instructions.

mod bare_log;
mod compare;
mod events;
mod failure;
mod instructions;
mod load;
mod machine;
mod parts;
mod plan;
mod plot;
mod protocol;
mod quiet;
mod random;
mod report;
mod requests;
mod results;
mod servers;
mod session;
mod statistics;
mod values;
mod versions;
mod ycsb;

use clap::{Args, Parser, Subcommand};
use failure::Failure;
use instructions::Operations;
use parts::Part;
use plan::Size;
use report::{Report, targets_table};
use session::Session;
use std::path::PathBuf;
use std::process::ExitCode;
use values::Values;

/// Measures the store beside its rivals.
#[derive(Debug, Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Measures, and writes the report
    Run(Run),
    /// Tells how far several runs agree: each target in every one of them
    Compare(compare::Arguments),
    /// Compares the instructions of operations, counted by valgrind, with those
    /// that a file holds
    Instructions(instructions::Arguments),
    /// Serves fixed answers over HTTP
    #[command(hide = true)]
    ServeFixed,
    /// Serves lines without a store
    #[command(hide = true)]
    ServeBare {
        /// What is appended to
        file: PathBuf,
        /// YCSB's records are its values
        #[arg(long)]
        records: bool,
    },
    /// Carries out operations, for their instructions to be counted
    #[command(hide = true)]
    Operations(Operations),
}

#[derive(Debug, Args)]
struct Run {
    /// How much is measured
    #[arg(long, value_enum, default_value = "full")]
    size: Size,
    /// This part alone; may be given several times
    #[arg(long, value_enum)]
    only: Vec<Part>,
    /// Where the sequence of keys begins
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The store's binary
    #[arg(long, default_value = "target/release/kv-actor")]
    binary: PathBuf,
    /// The store's component
    #[arg(long, default_value = "target/component/kv-store.wasm")]
    component: PathBuf,
    /// Where performance.md, the JSON and the plots go
    #[arg(long, default_value = "target/bench")]
    results: PathBuf,
    /// Where the data goes while it is measured: the disk that is measured
    #[arg(long, default_value = "target/bench")]
    data: PathBuf,
}

fn main() -> ExitCode {
    let done = match Arguments::parse().command {
        Command::Run(run) => bench(run),
        Command::Compare(arguments) => compare::run(&arguments),
        Command::Instructions(arguments) => instructions::run(&arguments),
        Command::ServeFixed => servers::serve_fixed(),
        Command::ServeBare { file, records } => servers::serve_bare(
            &file,
            &if records {
                Values::record()
            } else {
                Values::small()
            },
        ),
        Command::Operations(operations) => operations.run(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("bench: {e}");
            ExitCode::FAILURE
        }
    }
}

fn bench(run: Run) -> Result<(), Failure> {
    let plan = run.size.plan();
    let parts = if run.only.is_empty() {
        Part::all()
    } else {
        &run.only
    };
    let versions = versions::versions(&run.binary);
    let mut session = Session::new(plan, run.seed, run.binary, run.component, &run.data)?;
    for part in parts {
        eprintln!("{}", part.title());
        part.run(&mut session)?;
    }
    let targets = parts.iter().flat_map(|part| part.targets(&plan));
    let report = Report {
        size: run.size,
        seed: run.seed,
        machine: machine::description(),
        file_system: machine::file_system(&run.data),
        versions,
        parts,
        rejected: session.quiet.rejected,
        verdicts: targets
            .map(|target| target.judge(&session.results))
            .collect(),
        results: &session.results,
    };
    println!("{}", targets_table(&report.verdicts));
    report.write(&run.results)?;
    eprintln!("written to {}", run.results.display());
    Ok(())
}
