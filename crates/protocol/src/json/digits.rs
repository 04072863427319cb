//! Numbers as digits: eight at a time, in the bytes of one word.

const ONES: u64 = u64::MAX / 255;

/// The decimal digits of a number below 10^8, zeros before it.
#[inline]
fn decimal(number: u32) -> u64 {
    // Halves, then quarters, then digits, each split where the one before is:
    // divisions are multiplications, exact in the range they are used in.
    let number = u64::from(number);
    let halves = (number / 10_000) | ((number % 10_000) << 32);
    let hundreds = ((halves * 10_486) >> 20) & 0x0000_007F_0000_007F;
    let quarters = hundreds | ((halves - hundreds * 100) << 16);
    let tens = ((quarters * 103) >> 10) & 0x000F_000F_000F_000F;
    tens | ((quarters - tens * 10) << 8)
}

/// Appends a number in decimal.
#[inline]
pub fn write_number(output: &mut Vec<u8>, number: u64) {
    const EIGHT_DIGITS: u64 = 100_000_000;
    match u32::try_from(number) {
        Ok(small) if number < EIGHT_DIGITS => {
            let digits = decimal(small);
            // The last digit stays, even where it is a zero.
            let zeros = (digits.trailing_zeros() / 8).min(7);
            let digits = (digits | (ONES * 0x30)) >> (zeros * 8);
            // All bytes are written, since how many is known then, and some
            // taken back.
            output.extend_from_slice(&digits.to_le_bytes());
            output.truncate(output.len() - zeros as usize);
        }
        _ => write_long(output, number / EIGHT_DIGITS, number % EIGHT_DIGITS),
    }
}

fn write_long(output: &mut Vec<u8>, before: u64, last: u64) {
    write_number(output, before);
    let digits = decimal(u32::try_from(last).unwrap_or_default());
    output.extend_from_slice(&(digits | (ONES * 0x30)).to_le_bytes());
}

/// A word's eight hexadecimal digits.
#[inline]
#[must_use]
pub fn hexadecimal(word: u32) -> [u8; 8] {
    let word = u64::from(word);
    let halves = (word << 16 | word) & 0x0000_FFFF_0000_FFFF;
    let bytes = (halves << 8 | halves) & 0x00FF_00FF_00FF_00FF;
    let digits = (bytes << 4 | bytes) & (ONES * 15);
    let letters = (digits + ONES * 6) >> 4 & ONES;
    (digits + ONES * 0x30 + letters * u64::from(b'a' - b'0' - 10)).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(number: u64) {
        let mut output = b"before".to_vec();
        write_number(&mut output, number);
        assert_eq!(output, format!("before{number}").into_bytes());
    }

    #[test]
    fn numbers_of_every_length_are_written() {
        for digits in 0..20 {
            let power = 10_u64.pow(digits);
            for number in [power - 1, power, power + 1, power.saturating_mul(9)] {
                check(number);
            }
        }
        for number in (0..20_000).chain([u64::from(u32::MAX), u64::MAX]) {
            check(number);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20_000))]

        #[test]
        fn digits_are_those_of_formats(number in any::<u64>(), shift in 0..64, word in any::<u32>()) {
            check(number >> shift);
            prop_assert_eq!(hexadecimal(word).to_vec(), format!("{word:08x}").into_bytes());
        }
    }
}
