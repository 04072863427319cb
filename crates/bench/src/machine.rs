//! The machine: what it is, and whether anything else is busy on it.

use std::time::{Duration, Instant};

/// The share of all cores that others may use before a run.
const BUSY_SHARE_MAX: f64 = 0.05;

/// How long it is watched, and how long it is waited for.
const WATCHED: Duration = Duration::from_millis(300);
const WAITED_MAX: Duration = Duration::from_secs(20);

/// Waits until the machine is quiet; false where it did not become so.
pub(crate) fn wait_until_quiet() -> bool {
    let given_up = Instant::now() + WAITED_MAX;
    loop {
        let (busy, total) = ticks();
        std::thread::sleep(WATCHED);
        let (busy_then, total_then) = ticks();
        if share(busy_then - busy, total_then - total) <= BUSY_SHARE_MAX {
            return true;
        }
        if Instant::now() > given_up {
            return false;
        }
    }
}

#[allow(clippy::cast_precision_loss, reason = "a share needs no more digits")]
fn share(busy: u64, total: u64) -> f64 {
    busy as f64 / total.max(1) as f64
}

/// Busy and all clock ticks of all cores; 0 where the kernel doesn't tell.
fn ticks() -> (u64, u64) {
    let stat = std::fs::read_to_string("/proc/stat").unwrap_or_default();
    let ticks = stat
        .lines()
        .next()
        .unwrap_or_default()
        .split_whitespace()
        .skip(1);
    let ticks: Vec<u64> = ticks.filter_map(|number| number.parse().ok()).collect();
    // proc(5): the 4th and 5th are idle time; behind the 8th, guests count twice.
    let total: u64 = ticks.iter().take(8).sum();
    let idle: u64 = ticks.iter().skip(3).take(2).sum();
    (total - idle, total)
}

/// The processor time that this process has used.
pub(crate) fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // Behind the name, which may hold spaces: the 12th and 13th are user and
    // system time, in hundredths of a second (proc(5), on Linux everywhere).
    let behind = stat.rsplit(") ").next().unwrap_or_default();
    let ticks = behind.split(' ').skip(11).take(2);
    ticks
        .filter_map(|number| number.parse::<f64>().ok())
        .sum::<f64>()
        / 100.0
}

/// What the figures were measured on, a line.
pub(crate) fn description() -> String {
    let read = |path| std::fs::read_to_string(path).unwrap_or_default();
    let cpuinfo = read("/proc/cpuinfo");
    let model = cpuinfo
        .lines()
        .find_map(|line| line.strip_prefix("model name\t: "));
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let kernel = read("/proc/sys/kernel/osrelease");
    format!(
        "{cores} cores, {}, Linux {}",
        model.unwrap_or("unknown"),
        kernel.trim()
    )
}

/// The file system that holds a folder.
pub(crate) fn file_system(folder: &std::path::Path) -> String {
    let folder = std::fs::canonicalize(folder).unwrap_or_default();
    let mounts = std::fs::read_to_string("/proc/mounts").unwrap_or_default();
    let mount = mounts
        .lines()
        .filter_map(|line| {
            let mut parts = line.split(' ').skip(1);
            Some((parts.next()?, parts.next()?))
        })
        .filter(|(place, _)| folder.starts_with(place))
        .max_by_key(|(place, _)| place.len());
    mount.map_or("unknown", |(_, kind)| kind).to_owned()
}
