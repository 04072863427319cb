//! Where the first byte stands that has a meaning of its own in a JSON string: a
//! quote, a backslash, or a control character, which may not stand there.

/// The words that are looked at together once the first ones were plain.
const PIECE_WORDS: usize = 4;

/// Most strings are names and keys: these bytes are looked at by words.
const SHORT_BYTES: usize = 24;

const WORD_BYTES: usize = 8;

const ONES: u64 = u64::MAX / 255;
const HIGH_BITS: u64 = ONES << 7;

/// How many of the first bytes stand for themselves in a JSON string.
#[inline]
pub(super) fn plain_bytes(bytes: &[u8]) -> usize {
    let short = &bytes[..bytes.len().min(SHORT_BYTES)];
    let plain = in_words(short);
    if plain < SHORT_BYTES {
        plain
    } else {
        in_pieces(bytes, plain)
    }
}

fn in_pieces(bytes: &[u8], start: usize) -> usize {
    let (words, _) = bytes[start..].as_chunks::<WORD_BYTES>();
    let (pieces, _) = words.as_chunks::<PIECE_WORDS>();
    // No branches within a piece: of this, compilers make vector instructions.
    let is_plain = |piece: &&[[u8; WORD_BYTES]; PIECE_WORDS]| {
        let marks = piece.map(marks);
        marks.iter().fold(0, |all, marks| all | marks) & HIGH_BITS == 0
    };
    let count = pieces.iter().take_while(is_plain).count();
    let plain = start + count * PIECE_WORDS * WORD_BYTES;
    plain + in_words(&bytes[plain..])
}

/// The same, of a few bytes.
#[inline]
fn in_words(bytes: &[u8]) -> usize {
    let (words, rest) = bytes.as_chunks::<WORD_BYTES>();
    for (number, word) in words.iter().enumerate() {
        if let Some(place) = special_place(*word) {
            return number * WORD_BYTES + place;
        }
    }
    // What is looked at twice was found plain before.
    let place = match bytes.last_chunk() {
        Some(last) => special_place(*last).map(|place| bytes.len() - WORD_BYTES + place),
        None => rest.iter().position(|byte| is_special(*byte)),
    };
    place.unwrap_or(bytes.len())
}

/// The place of the first special byte in a word.
#[inline]
fn special_place(bytes: [u8; WORD_BYTES]) -> Option<usize> {
    let special = marks(bytes) & HIGH_BITS;
    (special != 0).then(|| special.trailing_zeros() as usize / 8)
}

fn is_special(byte: u8) -> bool {
    matches!(byte, b'"' | b'\\' | 0..0x20)
}

/// A word in which a byte's high bit says that it may be special: of the first
/// such byte it is true. Other bits say nothing.
#[inline]
fn marks(bytes: [u8; WORD_BYTES]) -> u64 {
    let word = u64::from_le_bytes(bytes);
    // This makes of a quote the first of what is no control character.
    let controls_and_quotes = word ^ (ONES * 2);
    let backslashes = word ^ (ONES * u64::from(b'\\'));
    // A high bit comes where a byte was below what is taken off. Only bytes
    // behind the first such can be marked wrongly, by what it has borrowed.
    let below = controls_and_quotes.wrapping_sub(ONES * 0x21) | backslashes.wrapping_sub(ONES);
    below & !word
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_special_byte_is_found_wherever_it_stands() {
        for length in 0..140 {
            for special in [b'"', b'\\', 0, 0x1f] {
                for place in 0..length {
                    for other in [0x20, 0x21, 0x23, 0x5b, 0x5d, 0x7f, 0xa2, 0xff] {
                        let mut bytes = vec![other; length];
                        bytes[place] = special;
                        assert_eq!(plain_bytes(&bytes), place);
                    }
                }
            }
            assert_eq!(plain_bytes(&vec![0x20; length]), length);
        }
    }

    #[test]
    fn each_byte_is_special_or_not() {
        for byte in 0..=255 {
            let expected = usize::from(!is_special(byte));
            assert_eq!(plain_bytes(&[byte]), expected, "{byte}");
            let expected = if is_special(byte) { 60 } else { 100 };
            let mut bytes = [b'a'; 100];
            bytes[60] = byte;
            assert_eq!(plain_bytes(&bytes), expected, "{byte}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20_000))]

        #[test]
        fn it_is_the_first_that_is_found(
            plain in prop::collection::vec(0x23_u8..0x5c, 0..90),
            rest in prop::collection::vec(any::<u8>(), 0..20),
        ) {
            let bytes = [plain, rest].concat();
            let expected = bytes.iter().position(|byte| is_special(*byte));
            prop_assert_eq!(plain_bytes(&bytes), expected.unwrap_or(bytes.len()));
        }
    }
}
