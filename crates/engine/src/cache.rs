//! Values in memory, within a budget of bytes. CLOCK (Corbató, 1968): a hand
//! goes round the slots, spares what was used since its last visit once, and
//! evicts the rest. The cache knows no keys: an index entry holds the slot of
//! its value, and version and generation tell whether it is still that value.

/// A place in the cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot {
    place: u32,
    /// How often the place was taken: values of one batch share their version.
    generation: u32,
}

impl Slot {
    /// The place of what isn't cached.
    pub const NONE: Self = Self {
        place: u32::MAX,
        generation: 0,
    };
}

/// What a slot costs beside its value.
const SLOT_BYTES: usize = 48;

/// So many rooms of dropped values are kept, which saves an allocation where
/// values of one length follow each other; no large ones.
const ROOMS_MAX: usize = 64;
const ROOM_BYTES_MAX: usize = 4096;

#[derive(Debug)]
struct Cached {
    /// The version of the value; 0 where the slot is empty.
    version: u64,
    generation: u32,
    used: bool,
    value: String,
}

impl Cached {
    fn is(&self, slot: Slot, version: u64) -> bool {
        self.version == version && self.generation == slot.generation
    }
}

/// The cache.
#[derive(Debug)]
pub struct Cache {
    bytes_max: usize,
    bytes: usize,
    slots: Vec<Cached>,
    empty: Vec<u32>,
    /// The room of values that were dropped last, for the next ones.
    rooms: Vec<String>,
    hand: usize,
    hits: u64,
    misses: u64,
}

/// What the cache holds, and how often it helped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Statistics {
    /// The bytes held.
    pub bytes: usize,
    /// The values that were asked for and held.
    pub hits: u64,
    /// The values that were asked for and not held.
    pub misses: u64,
}

impl Cache {
    /// A cache that holds at most `bytes_max` bytes.
    #[must_use]
    pub fn new(bytes_max: usize) -> Self {
        Self {
            bytes_max,
            bytes: 0,
            slots: Vec::new(),
            empty: Vec::new(),
            rooms: Vec::new(),
            hand: 0,
            hits: 0,
            misses: 0,
        }
    }

    /// What is held, and how often it helped.
    #[must_use]
    pub fn statistics(&self) -> Statistics {
        Statistics {
            bytes: self.bytes,
            hits: self.hits,
            misses: self.misses,
        }
    }

    /// The value of this version, if it is still in `slot`.
    pub fn get(&mut self, slot: Slot, version: u64) -> Option<&str> {
        let cached = self.slots.get_mut(slot.place as usize);
        let Some(cached) = cached.filter(|cached| cached.is(slot, version)) else {
            self.misses += 1;
            return None;
        };
        self.hits += 1;
        cached.used = true;
        Some(&cached.value)
    }

    /// Has values that are about to be read or replaced in the processor's cache.
    pub fn touch(&self, slots: impl Iterator<Item = Slot>) {
        let cached = slots.filter_map(|slot| self.slots.get(slot.place as usize));
        let values: Vec<_> = cached.map(|cached| cached.value.as_bytes()).collect();
        let ends = values
            .iter()
            .flat_map(|value| [value.first(), value.last()]);
        let sum = ends
            .flatten()
            .fold(0_u8, |sum, byte| sum.wrapping_add(*byte));
        std::hint::black_box(sum);
    }

    /// Takes in a value and says where. One that would take more than an eighth
    /// of the budget isn't held: it would drive out too much else.
    pub fn insert(&mut self, version: u64, value: &str) -> Slot {
        let bytes = value.len() + SLOT_BYTES;
        if bytes > self.bytes_max / 8 {
            return Slot::NONE;
        }
        while self.bytes + bytes > self.bytes_max {
            self.evict();
        }
        self.bytes += bytes;
        let mut cached = Cached {
            version,
            generation: 0,
            used: false,
            value: self.room_for(value),
        };
        if let Some(place) = self.empty.pop() {
            let slot = &mut self.slots[place as usize];
            cached.generation = slot.generation.wrapping_add(1);
            let generation = cached.generation;
            *slot = cached;
            return Slot { place, generation };
        }
        let Ok(place) = u32::try_from(self.slots.len()) else {
            self.bytes -= bytes;
            return Slot::NONE;
        };
        self.slots.push(cached);
        Slot {
            place,
            generation: 0,
        }
    }

    /// A copy of a value, in the room of one before where that fits.
    fn room_for(&mut self, value: &str) -> String {
        let bytes = value.len();
        let fits = |room: &String| (bytes..=bytes + bytes / 8).contains(&room.capacity());
        let room = self.rooms.pop().filter(fits);
        let mut copy = room.unwrap_or_else(|| String::with_capacity(bytes));
        copy.clear();
        copy.push_str(value);
        copy
    }

    /// Drops the value of this version, if it is still in `slot`.
    pub fn remove(&mut self, slot: Slot, version: u64) {
        let place = slot.place as usize;
        let cached = self.slots.get(place);
        if cached.is_some_and(|cached| cached.is(slot, version)) {
            self.clear(place);
        }
    }

    /// Moves the hand to the next value that wasn't used, and drops it. There is
    /// one: `insert` evicts only while bytes are held.
    fn evict(&mut self) {
        loop {
            self.hand = (self.hand + 1) % self.slots.len();
            let cached = &mut self.slots[self.hand];
            if cached.version == 0 {
                continue;
            }
            if cached.used {
                cached.used = false;
                continue;
            }
            self.clear(self.hand);
            return;
        }
    }

    fn clear(&mut self, place: usize) {
        let cached = &mut self.slots[place];
        self.bytes -= cached.value.len() + SLOT_BYTES;
        cached.version = 0;
        let room = std::mem::take(&mut cached.value);
        if self.rooms.len() < ROOMS_MAX && room.capacity() <= ROOM_BYTES_MAX {
            self.rooms.push(room);
        }
        // A slot's number was made from a u32.
        self.empty.extend(u32::try_from(place));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_budget_holds_and_what_is_used_stays() {
        let mut cache = Cache::new(16 * (100 + SLOT_BYTES));
        let value = "x".repeat(100);
        let first = cache.insert(1, &value);
        let slots: Vec<_> = (2..=40)
            .map(|version| {
                assert_eq!(cache.get(first, 1), Some(&*value), "{version}");
                (version, cache.insert(version, &value))
            })
            .collect();
        assert!(cache.statistics().bytes <= 16 * (100 + SLOT_BYTES));
        let held = slots
            .iter()
            .filter(|(version, slot)| cache.get(*slot, *version).is_some());
        assert_eq!(held.count(), 15);
    }

    #[test]
    fn a_slot_answers_only_for_its_version() {
        let mut cache = Cache::new(10_000);
        let slot = cache.insert(7, "seven");
        assert_eq!(cache.get(slot, 8), None);
        cache.remove(slot, 8);
        assert_eq!(cache.get(slot, 7), Some("seven"));
        cache.remove(slot, 7);
        cache.remove(slot, 7);
        assert_eq!(cache.get(slot, 7), None);
        assert_eq!(cache.statistics().bytes, 0);
        assert_eq!(cache.get(Slot::NONE, 7), None);
    }

    #[test]
    fn a_slot_answers_only_for_its_value_where_a_batch_shares_a_version() {
        let mut cache = Cache::new(10_000);
        let first = cache.insert(7, "first");
        cache.remove(first, 7);
        let second = cache.insert(7, "second");
        assert_eq!(cache.get(first, 7), None);
        cache.remove(first, 7);
        assert_eq!(cache.get(second, 7), Some("second"));
    }

    #[test]
    fn what_is_too_large_is_not_held() {
        let mut cache = Cache::new(1000);
        assert_eq!(cache.insert(1, &"x".repeat(200)), Slot::NONE);
        assert_eq!(Cache::new(0).insert(1, ""), Slot::NONE);
    }
}
