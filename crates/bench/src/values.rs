//! The keys and values that are stored: the same under a key whenever it is
//! put, so that a get can be checked to the byte.

/// The bytes of a key.
pub(crate) const KEY_BYTES: usize = 20;

/// The text of a key.
pub(crate) fn key(number: u64) -> [u8; KEY_BYTES] {
    let mut key = *b"key:0000000000000000";
    let mut rest = number;
    for digit in key.iter_mut().rev().take(16) {
        *digit = b'0' + u8::try_from(rest % 10).unwrap_or(0);
        rest /= 10;
    }
    key
}

/// Every number below `count` once, spread over the range: nobody stores keys in
/// their order.
pub(crate) fn scattered(count: u64) -> impl Iterator<Item = u64> {
    // A prime, so that it has no factor in common with a smaller count.
    const STEP: u64 = 2_654_435_761;
    (0..count).map(move |position| position * STEP % count)
}

/// Values: a JSON text in which the key stands at some places.
#[derive(Clone, Debug)]
pub(crate) struct Values {
    template: Vec<u8>,
    places: Vec<usize>,
    /// The length in decimal digits, as protocols want it.
    pub(crate) length: String,
}

impl Values {
    /// A JSON string of 200 bytes, its quotes included.
    pub(crate) fn small() -> Self {
        let places = (1..=161).step_by(KEY_BYTES).collect();
        Self::new(string(200), places)
    }

    /// A YCSB record: ten fields of 100 bytes, as a JSON object.
    pub(crate) fn record() -> Self {
        let mut template = Vec::new();
        let mut places = Vec::new();
        for field in 0..10 {
            let opening = if field == 0 { '{' } else { ',' };
            template.extend_from_slice(format!("{opening}\"field{field}\":\"").as_bytes());
            places.push(template.len());
            template.extend_from_slice(&[b'.'; 100]);
            template.push(b'"');
        }
        template.push(b'}');
        Self::new(template, places)
    }

    /// A JSON string of so many bytes, its quotes included.
    pub(crate) fn text(bytes: usize) -> Self {
        Self::new(string(bytes), vec![1])
    }

    fn new(template: Vec<u8>, places: Vec<usize>) -> Self {
        let length = template.len().to_string();
        Self {
            template,
            places,
            length,
        }
    }

    /// The bytes of a value.
    pub(crate) fn bytes(&self) -> usize {
        self.template.len()
    }

    /// Appends the value of a key.
    pub(crate) fn write(&self, output: &mut Vec<u8>, number: u64) {
        let start = output.len();
        let key = key(number);
        output.extend_from_slice(&self.template);
        for place in &self.places {
            output[start + place..][..KEY_BYTES].copy_from_slice(&key);
        }
    }

    /// Whether `input` is the value of a key, to the byte.
    pub(crate) fn is(&self, input: &[u8], number: u64) -> bool {
        let key = key(number);
        let mut end = 0;
        input.len() == self.template.len()
            && self.places.iter().all(|place| {
                let begin = std::mem::replace(&mut end, place + KEY_BYTES);
                input[begin..*place] == self.template[begin..*place] && input[*place..end] == key
            })
            && input[end..] == self.template[end..]
    }
}

fn string(bytes: usize) -> Vec<u8> {
    let mut text = vec![b'.'; bytes];
    text[0] = b'"';
    text[bytes - 1] = b'"';
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_json_of_the_stated_size_and_know_themselves() {
        assert_eq!(&key(42), b"key:0000000000000042");
        for (values, bytes) in [
            (Values::small(), 200),
            (Values::record(), 1121),
            (Values::text(1 << 20), 1 << 20),
        ] {
            let mut value = Vec::new();
            values.write(&mut value, 42);
            serde_json::from_slice::<serde_json::Value>(&value).unwrap();
            assert_eq!((values.bytes(), value.len()), (bytes, bytes));
            assert_eq!(values.length, bytes.to_string());
            assert!(values.is(&value, 42) && !values.is(&value, 43));
            for place in [0, 5, 25, bytes - 1] {
                let mut wrong = value.clone();
                wrong[place] ^= 1;
                assert!(!values.is(&wrong, 42), "{place}");
            }
        }
    }

    #[test]
    fn scattered_numbers_are_each_there_once() {
        let mut numbers: Vec<_> = scattered(1000).collect();
        assert!(!numbers.is_sorted());
        numbers.sort_unstable();
        assert!(numbers.into_iter().eq(0..1000));
    }
}
