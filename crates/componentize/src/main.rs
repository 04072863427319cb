//! `kv-componentize MODULE COMPONENT`: makes a component out of a core module
//! that carries its WIT, and refuses one that is not valid, asks for an interface
//! that is not allowed, or doesn't offer what it should.

use clap::Parser;
use kv_componentize::{componentize, inspect};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Makes a validated component out of a core module.
#[derive(Parser)]
struct Arguments {
    /// The core module, as the compiler has left it.
    module: PathBuf,
    /// Where the component goes.
    component: PathBuf,
    /// An interface whose functions the component may import.
    #[arg(long = "import", value_name = "INTERFACE")]
    imports: Vec<String>,
    /// An interface of which the component may import types, no functions.
    #[arg(long = "types", value_name = "INTERFACE")]
    types: Vec<String>,
    /// An interface that the component must export; it may export no others.
    #[arg(long = "export", value_name = "INTERFACE")]
    exports: Vec<String>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(&arguments) {
        Ok(bytes) => {
            println!("{}: {bytes} bytes", arguments.component.display());
            ExitCode::SUCCESS
        }
        Err(message) => {
            eprintln!("kv-componentize: {message}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<usize, String> {
    let Arguments {
        module: source,
        component: target,
        imports,
        types,
        exports,
    } = arguments;
    let module = fs::read(source).map_err(|e| format!("{}: {e}", source.display()))?;
    let refused = |e| format!("{}: {e}", source.display());
    let component = componentize(&module).map_err(refused)?;
    inspect(&component)
        .and_then(|interfaces| interfaces.check(imports, types, exports))
        .map_err(refused)?;
    write(target, &component).map_err(|e| format!("{}: {e}", target.display()))?;
    Ok(component.len())
}

/// Writes all or nothing. A file that is as it should be keeps its time, so that
/// nothing is built again for it.
fn write(target: &Path, bytes: &[u8]) -> io::Result<()> {
    if fs::read(target).is_ok_and(|present| present == bytes) {
        return Ok(());
    }
    let unfinished = target.with_extension("unfinished");
    fs::write(&unfinished, bytes)?;
    fs::rename(&unfinished, target)
}
