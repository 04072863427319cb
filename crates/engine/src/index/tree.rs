//! An ordered map of keys to entries: a B-tree of three levels, with large leaves.
//! What a search compares with on its way down lies close together; a leaf holds
//! enough that there are few, and finds a key by its tag.

use super::Entry;
use super::branch::Branch;
use super::leaf::{Leaf, ROWS_MAX, Row, TreeKey};
use super::rows::Rows;
use std::ops::Bound;

/// A group takes no more leaves. How many groups there are is not limited.
const LEAVES_MAX: usize = 32;

/// Neighbours that hold no more together are made one: not so many that they are
/// soon parted again.
const JOINED_ROWS_MAX: usize = ROWS_MAX * 3 / 4;
const JOINED_LEAVES_MAX: usize = LEAVES_MAX * 3 / 4;

/// How full a leaf is that is filled in order: what comes afterwards finds room.
const APPENDED_ROWS_MAX: usize = ROWS_MAX * 7 / 8;

type Group<K> = Branch<K, Leaf<K>>;

#[derive(Debug)]
pub(super) struct Tree<K> {
    root: Branch<K, Group<K>>,
    count: usize,
}

/// Which leaf of a tree. It holds until the tree is changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct LeafPlace {
    group: usize,
    leaf: usize,
}

/// Where a key is, or would be.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    leaf: LeafPlace,
    /// None where it is not there.
    row: Option<usize>,
}

impl<K> Default for Tree<K> {
    fn default() -> Self {
        Self {
            root: Branch::new(Branch::new(Leaf::default())),
            count: 0,
        }
    }
}

impl<K> Tree<K> {
    pub(super) fn count(&self) -> usize {
        self.count
    }

    pub(super) fn entry_mut(&mut self, place: Place) -> Option<&mut Entry> {
        let row = self.leaf_mut(place.leaf).row_mut(place.row?)?;
        Some(&mut row.entry)
    }

    pub(super) fn leaf(&self, place: LeafPlace) -> &Leaf<K> {
        self.root.child(place.group).child(place.leaf)
    }

    fn leaf_mut(&mut self, place: LeafPlace) -> &mut Leaf<K> {
        self.root.child_mut(place.group).child_mut(place.leaf)
    }

    fn first_leaf() -> LeafPlace {
        LeafPlace { group: 0, leaf: 0 }
    }

    fn last_leaf(&self) -> LeafPlace {
        let group = self.root.last();
        let leaf = self.root.child(group).last();
        LeafPlace { group, leaf }
    }

    /// The leaf behind one that is not the last.
    pub(super) fn leaf_behind(&self, place: LeafPlace) -> LeafPlace {
        let LeafPlace { group, leaf } = place;
        if leaf < self.root.child(group).last() {
            let leaf = leaf + 1;
            return LeafPlace { group, leaf };
        }
        let group = group + 1;
        LeafPlace { group, leaf: 0 }
    }

    /// The leaf before one that is not the first.
    pub(super) fn leaf_before(&self, place: LeafPlace) -> LeafPlace {
        let LeafPlace { group, leaf } = place;
        if let Some(leaf) = leaf.checked_sub(1) {
            return LeafPlace { group, leaf };
        }
        let group = group - 1;
        let leaf = self.root.child(group).last();
        LeafPlace { group, leaf }
    }
}

impl<K: TreeKey> Tree<K> {
    pub(super) fn get(&self, key: &K) -> Option<&Entry> {
        let leaf = self.leaf(self.leaf_of(key));
        let row = leaf.row(leaf.find(key)?)?;
        Some(&row.entry)
    }

    /// The entries of several keys. Level by level, so that the processor waits for
    /// many places in memory at once, where one key after the other would have it
    /// wait at each level: group prefetching (Chen et al., Improving Hash Join
    /// Performance through Prefetching, ICDE 2004), with loads that are needed anyway.
    pub(super) fn get_all(&self, keys: &[K]) -> Vec<Option<&Entry>> {
        let groups: Vec<_> = keys.iter().map(|key| self.root.place(key)).collect();
        let groups: Vec<_> = groups.iter().map(|group| self.root.child(*group)).collect();
        touch(groups.iter().map(|group| group.count()));
        let places = groups.iter().zip(keys).map(|(group, key)| group.place(key));
        let places: Vec<_> = places.collect();
        let leaves = groups
            .iter()
            .zip(&places)
            .map(|(group, leaf)| group.child(*leaf));
        let leaves: Vec<_> = leaves.collect();
        touch(leaves.iter().map(|leaf| leaf.count()));
        let rows = leaves.iter().zip(keys).map(|(leaf, key)| {
            let row = leaf.row(leaf.find(key)?)?;
            Some(&row.entry)
        });
        rows.collect()
    }

    pub(super) fn find(&self, key: &K) -> Place {
        let leaf = self.leaf_of(key);
        let row = self.leaf(leaf).find(key);
        Place { leaf, row }
    }

    /// The leaf that a key belongs into.
    fn leaf_of(&self, key: &K) -> LeafPlace {
        let group = self.root.place(key);
        let leaf = self.root.child(group).place(key);
        LeafPlace { group, leaf }
    }

    /// All rows, in order.
    pub(super) fn rows(&self) -> Rows<'_, K> {
        self.range((Bound::Unbounded, Bound::Unbounded))
    }

    /// The rows in a range, in order.
    pub(super) fn range(&self, range: (Bound<K>, Bound<K>)) -> Rows<'_, K> {
        let first = match &range.0 {
            Bound::Included(key) | Bound::Excluded(key) => self.leaf_of(key),
            Bound::Unbounded => Self::first_leaf(),
        };
        let last = match &range.1 {
            Bound::Included(key) | Bound::Excluded(key) => self.leaf_of(key),
            Bound::Unbounded => self.last_leaf(),
        };
        Rows::new(self, first, last, &range)
    }
}

impl<K: TreeKey + Clone> Tree<K> {
    /// Adds a key at the place that was found for it.
    pub(super) fn insert(&mut self, place: Place, key: K, entry: Entry) {
        self.count += 1;
        let is_last = place.leaf == self.last_leaf();
        let leaf = self.leaf_mut(place.leaf);
        let row = Row { key, entry };
        if leaf.count() < ROWS_MAX {
            leaf.insert(row);
            return;
        }
        // What is added behind all others fills leaf after leaf.
        let is_behind = is_last && leaf.ends_before(&row.key);
        let mut upper = leaf.split_off(if is_behind { ROWS_MAX } else { ROWS_MAX / 2 });
        match upper.row(0) {
            Some(first) if row.key < first.key => leaf.insert(row),
            _ => upper.insert(row),
        }
        self.add_behind(place.leaf, upper);
    }

    /// Adds a leaf, whose first row is its least, behind another.
    fn add_behind(&mut self, place: LeafPlace, leaf: Leaf<K>) {
        let is_last = place == self.last_leaf();
        let group = self.root.child_mut(place.group);
        let Some(first) = leaf.row(0) else {
            return;
        };
        group.add_behind(place.leaf, first.key.clone(), leaf);
        if group.count() > LEAVES_MAX {
            let split = if is_last { LEAVES_MAX } else { LEAVES_MAX / 2 };
            let (bound, upper) = group.split_off(split);
            self.root.add_behind(place.group, bound, upper);
        }
    }

    /// Adds a key behind all others. False, and it is not added, where it does not
    /// belong there.
    pub(super) fn append(&mut self, key: K, entry: Entry) -> bool {
        let place = self.last_leaf();
        let leaf = self.leaf_mut(place);
        if !leaf.ends_before(&key) {
            return false;
        }
        let row = Row { key, entry };
        if leaf.count() < APPENDED_ROWS_MAX {
            leaf.insert(row);
        } else {
            let mut leaf = Leaf::default();
            leaf.insert(row);
            self.add_behind(place, leaf);
        }
        self.count += 1;
        true
    }

    /// Removes the key that was found at a place.
    pub(super) fn remove(&mut self, place: Place) -> Option<Entry> {
        let row = self.leaf_mut(place.leaf).remove(place.row?);
        self.count -= 1;
        self.join_leaves(place.leaf);
        Some(row.entry)
    }

    /// Makes a leaf and a neighbour one, where they are small, and their groups.
    fn join_leaves(&mut self, place: LeafPlace) {
        let group = self.root.child_mut(place.group);
        let rows = |leaf: usize| group.child(leaf).count();
        let joins = |leaf: usize| match rows(leaf) + rows(leaf + 1) {
            rows if rows <= JOINED_ROWS_MAX => true,
            // An empty leaf is of no use.
            _ => rows(leaf) == 0 || rows(leaf + 1) == 0,
        };
        let before = place.leaf.checked_sub(1).filter(|before| joins(*before));
        let here = (place.leaf < group.last()).then_some(place.leaf);
        let Some(lower) = before.or(here.filter(|here| joins(*here))) else {
            return;
        };
        let (_, upper) = group.take_behind(lower);
        group.child_mut(lower).join(upper);
        self.join_groups(place.group);
    }

    fn join_groups(&mut self, place: usize) {
        let leaves = |group: usize| self.root.child(group).count();
        let joins = |group: usize| leaves(group) + leaves(group + 1) <= JOINED_LEAVES_MAX;
        let before = place.checked_sub(1).filter(|before| joins(*before));
        let here = (place < self.root.last()).then_some(place);
        let Some(lower) = before.or(here.filter(|here| joins(*here))) else {
            return;
        };
        let (bound, upper) = self.root.take_behind(lower);
        let group = self.root.child_mut(lower);
        let last = group.last();
        group.join(bound, upper);
        // The only leaf of a group may be empty; it is not, beside others.
        if group.child(last).count() == 0 || group.child(last + 1).count() == 0 {
            let (_, upper) = group.take_behind(last);
            group.child_mut(last).join(upper);
        }
    }
}

/// Has what the numbers are read from in the processor's cache.
fn touch(numbers: impl Iterator<Item = usize>) {
    std::hint::black_box(numbers.fold(0, usize::wrapping_add));
}

#[cfg(test)]
impl<K: TreeKey> Tree<K> {
    /// No leaf is empty beside others, and there are not many more than needed.
    pub(super) fn check_shape(&self) {
        let mut leaves = 0;
        for group in 0..self.root.count() {
            let group = self.root.child(group);
            assert!(group.count() <= LEAVES_MAX);
            let counts: Vec<_> = (0..group.count())
                .map(|leaf| group.child(leaf).count())
                .collect();
            assert!(counts.len() == 1 || !counts.contains(&0), "{counts:?}");
            leaves += counts.len();
        }
        // The worst: full and nearly empty leaves, or the last of groups.
        let needed = self.count.div_ceil(ROWS_MAX / 4) + self.root.count();
        assert!(leaves <= needed, "{leaves} leaves for {} rows", self.count);
    }
}
