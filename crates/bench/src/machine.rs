//! The machine: what the figures were measured on.

use std::path::Path;

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

/// The memory that a process has to itself, files that it has mapped left out.
pub(crate) fn memory_bytes(process: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("RssAnon:"))?;
    let kibibytes: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kibibytes * 1024)
}

/// What the figures were measured on, a line.
pub(crate) fn description() -> String {
    let read = |path| std::fs::read_to_string(path).unwrap_or_default();
    let (cpuinfo, meminfo) = (read("/proc/cpuinfo"), read("/proc/meminfo"));
    let model = cpuinfo
        .lines()
        .find_map(|line| line.strip_prefix("model name\t: "));
    let memory: Option<u64> = meminfo
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))
        .and_then(|line| line.split_whitespace().next()?.parse().ok());
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    format!(
        "{cores} cores, {}, {} GiB of memory in pages of {}, Linux {}",
        model.unwrap_or("unknown"),
        memory.unwrap_or(0) / (1024 * 1024),
        pages(&read("/sys/kernel/mm/transparent_hugepage/enabled")),
        read("/proc/sys/kernel/osrelease").trim()
    )
}

/// Whether the system gives out large pages to those who have not asked for them: a
/// figure can be twice as good with them.
fn pages(enabled: &str) -> &'static str {
    if enabled.contains("[always]") {
        "2 MiB"
    } else {
        "4 KiB"
    }
}

/// The file system that holds a folder.
pub(crate) fn file_system(folder: &Path) -> String {
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

/// The bytes of the files in a folder and in the folders in it.
pub(crate) fn files_bytes(folder: &Path) -> std::io::Result<u64> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        bytes += if metadata.is_dir() {
            files_bytes(&entry.path())?
        } else {
            metadata.len()
        };
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_and_its_folders_are_seen() {
        assert!(memory_bytes(std::process::id()).unwrap() > 100_000);
        assert!(memory_bytes(u32::MAX).is_none());
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("in")).unwrap();
        std::fs::write(folder.path().join("in/a"), "12345").unwrap();
        std::fs::write(folder.path().join("b"), "678").unwrap();
        assert_eq!(files_bytes(folder.path()).unwrap(), 8);
        assert_ne!(file_system(folder.path()), "unknown");
    }

    #[test]
    fn large_pages_are_told() {
        assert_eq!(pages("[always] madvise never\n"), "2 MiB");
        assert_eq!(pages("always [madvise] never\n"), "4 KiB");
        assert_eq!(pages(""), "4 KiB");
    }
}
