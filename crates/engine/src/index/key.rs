//! A key as the index holds it. A short one lies in the tree itself and as
//! numbers: a search follows no pointer, and compares words, not bytes.

use super::leaf::TreeKey;
use std::borrow::Cow;
use std::cmp::Ordering;

const WORDS: usize = 3;

/// A short key's longest text; its length takes the last byte.
const SHORT_BYTES_MAX: usize = WORDS * 8 - 1;

/// A key.
#[derive(Clone, Debug)]
pub(super) enum Key<'a> {
    /// The text, zeros behind it, and its length, as big-endian numbers. They
    /// are in the order of the texts: where only zeros make the difference, the
    /// length does.
    Short([u64; WORDS]),
    /// The text.
    Long(Cow<'a, str>),
}

impl<'a> Key<'a> {
    /// The key with a text.
    pub(super) fn new(text: &'a str) -> Self {
        match words(text) {
            Some(words) => Self::Short(words),
            None => Self::Long(Cow::Borrowed(text)),
        }
    }

    /// The same, to be kept.
    pub(super) fn into_owned(self) -> Key<'static> {
        match self {
            Self::Short(words) => Key::Short(words),
            Self::Long(text) => Key::Long(Cow::Owned(text.into_owned())),
        }
    }

    /// Its text.
    pub(super) fn text(&self) -> Cow<'_, str> {
        match self {
            Self::Short(words) => {
                let bytes = bytes(words);
                let text = bytes[..length(&bytes)].to_vec();
                Cow::Owned(String::from_utf8(text).unwrap_or_default())
            }
            Self::Long(text) => Cow::Borrowed(text),
        }
    }
}

impl TreeKey for Key<'_> {
    fn tag(&self) -> u8 {
        match self {
            Self::Short(words) => tag(*words),
            // What differs among long keys that lie side by side is mostly at
            // their ends.
            Self::Long(text) => {
                let bytes = text.as_bytes();
                let (_, end) = bytes.as_rchunks::<8>();
                let mut words = [0; WORDS];
                for (word, bytes) in words.iter_mut().zip(end.iter().rev()) {
                    *word = u64::from_be_bytes(*bytes);
                }
                tag(words)
            }
        }
    }
}

/// A hash: every bit of the words counts.
fn tag(words: [u64; WORDS]) -> u8 {
    /// 2^64 divided by the golden ratio (Knuth).
    const FACTOR: u64 = 0x9E37_79B9_7F4A_7C15;
    let mix = |hash: u64, word: u64| (hash.rotate_left(32) ^ word).wrapping_mul(FACTOR);
    words.into_iter().fold(0, mix).to_be_bytes()[0]
}

/// How two keys stand that are not both short. Apart, so that what compares short
/// ones is small enough to become part of a search.
#[inline(never)]
fn cmp_long(one: &Key<'_>, other: &Key<'_>) -> Ordering {
    match (one, other) {
        (Key::Long(one), Key::Long(other)) => one.cmp(other),
        _ => one.text().as_bytes().cmp(other.text().as_bytes()),
    }
}

impl Ord for Key<'_> {
    #[inline]
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            // Word by word: what compares arrays is a loop that is called.
            (Self::Short(one), Self::Short(other)) => {
                (one[0], one[1], one[2]).cmp(&(other[0], other[1], other[2]))
            }
            _ => cmp_long(self, other),
        }
    }
}

impl PartialOrd for Key<'_> {
    #[inline]
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Key<'_> {
    #[inline]
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Short(one), Self::Short(other)) => {
                (one[0], one[1], one[2]) == (other[0], other[1], other[2])
            }
            (Self::Long(one), Self::Long(other)) => one == other,
            _ => false,
        }
    }
}

impl Eq for Key<'_> {}

fn words(text: &str) -> Option<[u64; WORDS]> {
    let mut bytes = [0; WORDS * 8];
    bytes
        .get_mut(..text.len())?
        .copy_from_slice(text.as_bytes());
    bytes[SHORT_BYTES_MAX] = u8::try_from(text.len()).ok()?;
    if text.len() > SHORT_BYTES_MAX {
        return None;
    }
    let mut words = [0; WORDS];
    for (word, bytes) in words.iter_mut().zip(bytes.as_chunks().0) {
        *word = u64::from_be_bytes(*bytes);
    }
    Some(words)
}

fn bytes(words: &[u64; WORDS]) -> [u8; WORDS * 8] {
    let mut bytes = [0; WORDS * 8];
    for (bytes, word) in bytes.as_chunks_mut().0.iter_mut().zip(words) {
        *bytes = word.to_be_bytes();
    }
    bytes
}

fn length(bytes: &[u8; WORDS * 8]) -> usize {
    usize::from(bytes[SHORT_BYTES_MAX])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text() -> impl Strategy<Value = String> {
        prop_oneof!["[a\0]{0,26}", "(abcdefgh){2}[a-c\0é]{0,8}"]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20_000))]

        #[test]
        fn keys_are_in_the_order_of_their_texts(one in text(), other in text()) {
            let key = Key::new(&one);
            prop_assert_eq!(key.cmp(&Key::new(&other)), one.as_bytes().cmp(other.as_bytes()));
            prop_assert_eq!(key.text(), one.as_str());
            prop_assert_eq!(key.into_owned(), Key::new(&one));
        }
    }
}
