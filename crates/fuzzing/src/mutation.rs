//! Changes of known inputs, from a seed: what `make test` tries beside the
//! corpora.

use fastrand::Rng;

/// What inputs are full of, and what breaks their readers.
const WORDS: [&str; 24] = [
    "\"",
    "\\",
    "\\ud800",
    "\\u0000",
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "\n",
    "\u{10ffff}",
    "null",
    "-0",
    "1e400",
    "9007199254740992",
    "\"type\":",
    "\"put\"",
    "\"v\":",
    "\"copy\":",
    "%",
    "%2F",
    "\"c\":\"",
    "0",
];

/// A changed copy of one of `inputs`, perhaps with parts of another.
#[must_use]
pub fn change(random: &mut Rng, inputs: &[Vec<u8>]) -> Vec<u8> {
    let mut input = random.choice(inputs).cloned().unwrap_or_default();
    for _ in 0..random.usize(1..6) {
        let place = random.usize(..=input.len());
        let end = random.usize(place..=input.len().min(place + 40));
        match random.u32(..7) {
            0 if place < input.len() => input[place] ^= 1 << random.u32(..8),
            1 => drop(input.drain(place..end)),
            2 => {
                let doubled = input[place..end].to_vec();
                input.splice(place..place, doubled);
            }
            3 => {
                let word = random.choice(WORDS).unwrap_or_default();
                input.splice(place..place, word.bytes());
            }
            4 => {
                let word = random.choice(WORDS).unwrap_or_default();
                input.splice(place..end, word.bytes());
            }
            5 => {
                let other = random.choice(inputs).cloned().unwrap_or_default();
                let from = random.usize(..=other.len());
                let to = random.usize(from..=other.len());
                input.splice(place..place, other[from..to].iter().copied());
            }
            _ => input.truncate(place),
        }
    }
    input
}
