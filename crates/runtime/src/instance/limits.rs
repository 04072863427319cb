//! What one instance may take of the machine. Counted over all the modules that
//! a component is made of: a limit on each alone would be none at all.

use std::fmt;
use wasmtime::{ResourceLimiter, Result, bail};

/// How many resources (open files, directory listings) a guest may hold: fewer
/// than the open files that a server keeps free of clients.
pub(super) const RESOURCES_MAX: usize = 192;

/// How much a guest may hand over in one call: its replies and changes, or what
/// it writes to a file.
pub(super) const HANDED_OVER_BYTES_MAX: usize = 128 << 20;

/// How many elements a guest's tables may have: they hold its functions.
const TABLE_ELEMENTS_MAX: usize = 1 << 20;

/// How many instances, tables and memories a component may have. Each memory
/// takes some gigabytes of addresses, used or not.
const PARTS_MAX: usize = 256;

/// Limits, and what was taken of them.
pub(super) struct Limits {
    memory_bytes_max: u64,
    memory_bytes: u64,
    table_elements: usize,
}

/// The guest wants more memory than it may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct MemoryExceeded {
    pub(super) memory_bytes_max: u64,
}

impl fmt::Display for MemoryExceeded {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "it needs more than {} bytes of memory",
            self.memory_bytes_max
        )
    }
}

impl std::error::Error for MemoryExceeded {}

impl Limits {
    pub(super) fn new(memory_bytes_max: u64) -> Self {
        Self {
            memory_bytes_max,
            memory_bytes: 0,
            table_elements: 0,
        }
    }
}

/// Above a limit, a guest is stopped. To be refused memory is no event that
/// guests handle well, and they would have to do so the same way in every replay.
impl ResourceLimiter for Limits {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> Result<bool> {
        if maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(false);
        }
        let bytes = self.memory_bytes + (desired - current) as u64;
        if bytes > self.memory_bytes_max {
            return Err(MemoryExceeded {
                memory_bytes_max: self.memory_bytes_max,
            }
            .into());
        }
        self.memory_bytes = bytes;
        Ok(true)
    }

    fn memory_grow_failed(&mut self, error: wasmtime::Error) -> Result<()> {
        Err(error)
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> Result<bool> {
        if maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(false);
        }
        self.table_elements += desired - current;
        if self.table_elements > TABLE_ELEMENTS_MAX {
            bail!("its tables need more than {TABLE_ELEMENTS_MAX} elements");
        }
        Ok(true)
    }

    fn table_grow_failed(&mut self, error: wasmtime::Error) -> Result<()> {
        Err(error)
    }

    fn instances(&self) -> usize {
        PARTS_MAX
    }

    fn tables(&self) -> usize {
        PARTS_MAX
    }

    fn memories(&self) -> usize {
        PARTS_MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_memories_of_an_instance_are_counted_together() {
        let mut limits = Limits::new(100);
        assert!(limits.memory_growing(0, 40, None).unwrap());
        assert!(limits.memory_growing(0, 40, Some(40)).unwrap());
        assert!(limits.memory_growing(40, 60, None).unwrap());
        assert!(!limits.memory_growing(40, 41, Some(40)).unwrap());
        let error = limits.memory_growing(60, 61, None).unwrap_err();
        let exceeded = error.downcast_ref::<MemoryExceeded>().unwrap();
        assert_eq!(exceeded.memory_bytes_max, 100);
    }

    #[test]
    fn the_tables_of_an_instance_are_counted_together() {
        let mut limits = Limits::new(0);
        assert!(limits.table_growing(0, TABLE_ELEMENTS_MAX, None).unwrap());
        assert!(!limits.table_growing(0, 2, Some(1)).unwrap());
        assert!(limits.table_growing(0, 1, None).is_err());
    }
}
