//! Numbers in their canonical form: the exact decimal value, laid out as
//! ECMAScript lays out a double (ECMA-262, section 6.1.6.1.20).

use kv_protocol::{Code, Refusal};

/// So many digits stand before the point at most; beyond, there is an exponent.
const WHOLE_DIGITS_MAX: usize = 21;

/// An exponent may have this many digits.
const EXPONENT_DIGITS_MAX: u32 = 15;

/// Appends the canonical form of `number`, which is a valid JSON number.
pub(super) fn write_canonical_number(output: &mut String, number: &str) -> Result<(), Refusal> {
    let (negative, unsigned) = match number.strip_prefix('-') {
        Some(unsigned) => (true, unsigned),
        None => (false, number),
    };
    if write_usual(output, negative, unsigned).is_some() {
        return Ok(());
    }
    let (mantissa, exponent) = unsigned.split_once(['e', 'E']).unwrap_or((unsigned, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    let significant = digits.trim_start_matches('0');
    let leading_zeros = digits.len() - significant.len();
    let significant = significant.trim_end_matches('0');
    if significant.is_empty() {
        // Zero has one form, whatever its sign and exponent.
        output.push('0');
        return Ok(());
    }
    // The value is 0.DIGITS times ten to the power of `point`.
    let point = exponent_of(exponent)? + signed(whole.len()) - signed(leading_zeros);
    // The form must be one that is taken itself.
    if (point - 1).unsigned_abs() >= 10_u64.pow(EXPONENT_DIGITS_MAX) {
        return Err(too_long());
    }
    if negative {
        output.push('-');
    }
    lay_out(output, significant, point);
    Ok(())
}

/// The same, of a number that keeps its layout; nothing of others.
fn write_usual(output: &mut String, negative: bool, unsigned: &str) -> Option<()> {
    let is_usual = |byte: u8| byte.is_ascii_digit() || byte == b'.';
    if unsigned.starts_with('0') || !unsigned.bytes().all(is_usual) {
        return None;
    }
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    if whole.len() > WHOLE_DIGITS_MAX {
        return None;
    }
    if negative {
        output.push('-');
    }
    output.push_str(whole);
    let fraction = fraction.trim_end_matches('0');
    if !fraction.is_empty() {
        output.push('.');
        output.push_str(fraction);
    }
    Some(())
}

fn lay_out(output: &mut String, digits: &str, point: i64) {
    let count = signed(digits.len());
    if count <= point && point <= 21 {
        output.push_str(digits);
        push_zeros(output, point - count);
    } else if 0 < point && point <= 21 {
        let (whole, fraction) =
            digits.split_at(digits.len().min(usize::try_from(point).unwrap_or(0)));
        output.push_str(whole);
        output.push('.');
        output.push_str(fraction);
    } else if -6 < point && point <= 0 {
        output.push_str("0.");
        push_zeros(output, -point);
        output.push_str(digits);
    } else {
        let (first, rest) = digits.split_at(1);
        output.push_str(first);
        if !rest.is_empty() {
            output.push('.');
            output.push_str(rest);
        }
        output.push('e');
        output.push(if point > 0 { '+' } else { '-' });
        output.push_str(&(point - 1).unsigned_abs().to_string());
    }
}

fn push_zeros(output: &mut String, count: i64) {
    for _ in 0..count {
        output.push('0');
    }
}

fn exponent_of(exponent: &str) -> Result<i64, Refusal> {
    let digits = exponent
        .trim_start_matches(['+', '-'])
        .trim_start_matches('0');
    if digits.len() > EXPONENT_DIGITS_MAX as usize {
        return Err(too_long());
    }
    let value = digits
        .bytes()
        .fold(0, |value, digit| value * 10 + i64::from(digit - b'0'));
    Ok(if exponent.starts_with('-') {
        -value
    } else {
        value
    })
}

fn too_long() -> Refusal {
    Refusal::new(
        Code::InvalidEvent,
        format!(
            "`content` has a number whose exponent has more than {EXPONENT_DIGITS_MAX} digits; send it as a string"
        ),
    )
}

/// A text's length, which is far below 2^63.
fn signed(length: usize) -> i64 {
    i64::try_from(length).unwrap_or(i64::MAX)
}
