//! Rows of a tree in order, from either end.

use super::leaf::{Leaf, Row, TreeKey};
use super::tree::{LeafPlace, Tree};
use std::ops::{Bound, RangeBounds};
use std::vec::IntoIter;

#[derive(Debug)]
pub(super) struct Rows<'a, K> {
    tree: &'a Tree<K>,
    /// The leaf whose rows are in `front`, and the one whose rows are in `back`.
    /// Where they are one, `front` has them.
    first: LeafPlace,
    last: LeafPlace,
    front: IntoIter<&'a Row<K>>,
    back: IntoIter<&'a Row<K>>,
}

impl<'a, K: TreeKey> Rows<'a, K> {
    /// The rows in a range, which begins in the leaf `first` and ends in `last`.
    pub(super) fn new(
        tree: &'a Tree<K>,
        first: LeafPlace,
        last: LeafPlace,
        range: &(Bound<K>, Bound<K>),
    ) -> Self {
        let within = |leaf: &'a Leaf<K>| {
            let mut rows = leaf.in_order();
            rows.retain(|row| range.contains(&row.key));
            rows.into_iter()
        };
        Self {
            tree,
            first,
            last,
            front: within(tree.leaf(first)),
            back: if first < last {
                within(tree.leaf(last))
            } else {
                IntoIter::default()
            },
        }
    }
}

impl<'a, K: TreeKey> Iterator for Rows<'a, K> {
    type Item = &'a Row<K>;

    fn next(&mut self) -> Option<&'a Row<K>> {
        loop {
            if let Some(row) = self.front.next() {
                return Some(row);
            }
            if self.first >= self.last {
                return None;
            }
            self.first = self.tree.leaf_behind(self.first);
            self.front = if self.first == self.last {
                std::mem::take(&mut self.back)
            } else {
                self.tree.leaf(self.first).in_order().into_iter()
            };
        }
    }
}

impl<'a, K: TreeKey> DoubleEndedIterator for Rows<'a, K> {
    fn next_back(&mut self) -> Option<&'a Row<K>> {
        loop {
            if self.first >= self.last {
                return self.front.next_back();
            }
            if let Some(row) = self.back.next_back() {
                return Some(row);
            }
            self.last = self.tree.leaf_before(self.last);
            if self.first < self.last {
                self.back = self.tree.leaf(self.last).in_order().into_iter();
            }
        }
    }
}
