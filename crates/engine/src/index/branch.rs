//! An inner level of a tree: children, and the keys that part them.

/// What lies below a level is in order, and parted by keys: all in a child are
/// before the bound behind it, and none behind is.
#[derive(Debug)]
pub(super) struct Branch<K, C> {
    /// One less than children. They lie side by side, so that a search touches
    /// few cache lines.
    bounds: Vec<K>,
    children: Vec<C>,
}

impl<K, C> Branch<K, C> {
    pub(super) fn new(child: C) -> Self {
        Self {
            bounds: Vec::new(),
            children: vec![child],
        }
    }

    /// How many children there are, at least one.
    pub(super) fn count(&self) -> usize {
        self.children.len()
    }

    pub(super) fn last(&self) -> usize {
        self.children.len() - 1
    }

    pub(super) fn child(&self, place: usize) -> &C {
        &self.children[place]
    }

    pub(super) fn child_mut(&mut self, place: usize) -> &mut C {
        &mut self.children[place]
    }

    /// The child that a key belongs into.
    pub(super) fn place(&self, key: &K) -> usize
    where
        K: Ord,
    {
        self.bounds.partition_point(|bound| bound <= key)
    }

    /// Adds a child behind one, with the key that parts them.
    pub(super) fn add_behind(&mut self, place: usize, bound: K, child: C) {
        self.bounds.insert(place, bound);
        self.children.insert(place + 1, child);
    }

    /// Takes out the child behind one, with the key that parts them.
    pub(super) fn take_behind(&mut self, place: usize) -> (K, C) {
        (self.bounds.remove(place), self.children.remove(place + 1))
    }

    /// Takes off the children from a place on, with the key that parts them from
    /// those that stay. There must be some of both.
    pub(super) fn split_off(&mut self, place: usize) -> (K, Self) {
        let upper = Self {
            bounds: self.bounds.split_off(place),
            children: self.children.split_off(place),
        };
        (self.bounds.remove(place - 1), upper)
    }

    /// Takes in the children of another.
    pub(super) fn join(&mut self, bound: K, upper: Self) {
        self.bounds.push(bound);
        self.bounds.extend(upper.bounds);
        self.children.extend(upper.children);
    }
}
