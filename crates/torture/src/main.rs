//! `make torture`: every torture, long, on the real binary. What it finds is
//! printed with the command that does it again.

use clap::{Parser, ValueEnum};
use kv_torture::failure::Failure;
use kv_torture::{
    bits, builds, clocks, full_disk, history, kills, meddling, races, strangers, ten_million,
};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

/// Tortures the store and checks what it comes back with.
#[derive(Debug, Parser)]
struct Arguments {
    /// Which tortures; all but `ten-million` where none is named
    #[arg(value_enum, env = "ONLY", value_delimiter = ',')]
    only: Vec<Torture>,
    /// The binary under test
    #[arg(long, default_value = "target/release/kv-actor")]
    binary: PathBuf,
    /// Where the data lies; what a torture found is left there
    #[arg(long, default_value = "target/torture")]
    folder: PathBuf,
    /// Where every sequence of random choices begins
    #[arg(long, env = "SEED", default_value_t = 1)]
    seed: u64,
    /// Servers to kill, and a quarter as many guests
    #[arg(long, env = "KILLS", default_value_t = 200)]
    kills: u32,
    /// Histories to check, of three kills each
    #[arg(long, env = "HISTORIES", default_value_t = 30)]
    histories: u32,
    /// How often the disk is filled and freed
    #[arg(long, env = "FILLINGS", default_value_t = 100)]
    fillings: u32,
    /// Races of each size
    #[arg(long, env = "RACES", default_value_t = 1000)]
    races: u32,
    /// Bytes of log, of which every bit is turned and every byte cut
    #[arg(long, env = "LOG_BYTES", default_value_t = 65536)]
    log_bytes: usize,
    /// Keys of the largest store
    #[arg(long, env = "KEYS", default_value_t = 10_000_000)]
    keys: u64,
    /// Loads the largest store, too
    #[arg(long, env = "TEN_MILLION", value_parser = clap::builder::FalseyValueParser::new())]
    ten_million: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Torture {
    /// Servers killed under a ledger
    Kills,
    /// Guests killed under a ledger, in a server that lives on
    Guests,
    /// Histories checked for linearizability
    Histories,
    /// Every bit turned, every byte cut
    Bits,
    /// A full disk, relieved
    Disk,
    /// Processes that race for one directory
    Races,
    /// Clocks that jump
    Clocks,
    /// Links, pipes, sockets and directories among the files
    Strangers,
    /// Files deleted, cut and changed under a running server
    Meddling,
    /// File descriptors used up
    Descriptors,
    /// One log read by two builds
    Builds,
    /// Ten million keys
    TenMillion,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let mut tortures = arguments.only.clone();
    if tortures.is_empty() {
        tortures.extend_from_slice(Torture::value_variants());
        tortures.retain(|torture| arguments.ten_million || *torture != Torture::TenMillion);
    }
    let mut found = false;
    for torture in tortures {
        let name = torture.to_possible_value();
        let name = name.as_ref().map_or("", |name| name.get_name());
        let start = Instant::now();
        match run(torture, name, &arguments) {
            Ok(summary) => println!("{name}: {summary} ({:.0} s)", start.elapsed().as_secs_f64()),
            Err(failure) => {
                found = true;
                println!("{name}: FAILED: {failure}");
                println!("  again: make torture ONLY={name} SEED={}", arguments.seed);
            }
        }
    }
    if found {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    }
}

fn run(torture: Torture, name: &str, arguments: &Arguments) -> Result<String, Failure> {
    let Arguments { binary, seed, .. } = arguments;
    let seed = *seed;
    let folder = &arguments.folder.join(name);
    Ok(match torture {
        Torture::Kills => kills::servers(binary, folder, arguments.kills, seed)?.to_string(),
        Torture::Guests => kills::guests(binary, folder, arguments.kills / 4, seed)?.to_string(),
        Torture::Histories => {
            let operations = history::run(binary, folder, arguments.histories, seed)?;
            format!("{operations} operations linearizable")
        }
        Torture::Bits => bits::run(arguments.log_bytes, None, seed)?.to_string(),
        Torture::Disk => match full_disk::run(binary, folder, arguments.fillings, seed)? {
            None => "SKIPPED".to_owned(),
            Some(acknowledged) => format!(
                "{} times full, {acknowledged} changes acknowledged",
                arguments.fillings
            ),
        },
        Torture::Races => {
            let races = races::run(binary, folder, arguments.races, seed)?;
            format!("{races} races, one winner each")
        }
        Torture::Clocks => {
            clocks::run(folder, 5000, seed)?;
            "the clock does not matter".to_owned()
        }
        Torture::Strangers => {
            let tried = strangers::run(binary, folder, 1)?;
            let permitted = strangers::permissions(binary, folder)?;
            format!("{tried} strangers, permissions tried: {permitted}")
        }
        Torture::Meddling => format!("{:?}", meddling::run(binary, folder)?),
        Torture::Descriptors => {
            let acknowledged = meddling::descriptors(binary, folder, seed)?;
            format!("{acknowledged} changes acknowledged")
        }
        Torture::Builds => {
            builds::run(binary, folder, 20, seed)?;
            "equal hashes in 20 turns".to_owned()
        }
        Torture::TenMillion => {
            ten_million::run(binary, folder, arguments.keys)?;
            format!("{} keys compared", arguments.keys)
        }
    })
}
