//! JSON in its plainest form, read fast: without whitespace, without `\u`
//! escapes, not nested deeply. What is accepted here is valid JSON, and compact;
//! of what is not, nothing is said, and a complete parser is to be asked.

use super::special::plain_bytes;

/// Reads plain JSON from the beginning of a text on. Every method that returns
/// nothing has found something else than plain JSON; the reader is void then.
#[derive(Debug)]
pub struct Plain<'a> {
    text: &'a str,
    position: usize,
}

impl<'a> Plain<'a> {
    /// A reader at the beginning of a text.
    #[must_use]
    pub fn new(text: &'a str) -> Self {
        Self { text, position: 0 }
    }

    /// How many bytes are read.
    #[must_use]
    pub fn position(&self) -> usize {
        self.position
    }

    /// Whether the text is read to its end.
    #[must_use]
    pub fn is_end(&self) -> bool {
        self.position == self.text.len()
    }

    /// Passes over what is expected, where it is there; ASCII only.
    #[inline]
    pub fn literal(&mut self, expected: &str) -> Option<()> {
        let found = self.rest().starts_with(expected.as_bytes());
        self.position += if found { expected.len() } else { 0 };
        found.then_some(())
    }

    /// Passes over spaces.
    #[inline]
    pub fn spaces(&mut self) {
        while self.next_byte() == Some(b' ') {
            self.position += 1;
        }
    }

    /// A string without escapes: what stands between its quotes.
    #[inline]
    pub fn string(&mut self) -> Option<&'a str> {
        self.literal("\"")?;
        let start = self.position;
        self.position += plain_bytes(self.rest());
        let text = self.text.get(start..self.position)?;
        self.literal("\"")?;
        Some(text)
    }

    /// A whole number of at most 19 digits.
    pub fn number(&mut self) -> Option<u64> {
        const DIGITS_MAX: usize = 19;
        let start = self.position;
        self.digits()?;
        let digits = &self.text.as_bytes()[start..self.position];
        if digits.len() > DIGITS_MAX || (digits[0] == b'0' && digits.len() > 1) {
            return None;
        }
        let number = |number, digit: &u8| number * 10 + u64::from(digit - b'0');
        Some(digits.iter().fold(0, number))
    }

    /// A value of any kind: its text.
    #[inline]
    pub fn value(&mut self) -> Option<&'a str> {
        let start = self.position;
        match self.next_byte()? {
            b'"' => self.pass_string()?,
            _ => self.pass_value()?,
        }
        self.text.get(start..self.position)
    }

    fn pass_value(&mut self) -> Option<()> {
        // What is open, innermost last: 1 an object, 0 an array; behind a 1.
        let mut open = 1_u64;
        loop {
            match self.next_byte()? {
                b'"' => self.pass_string()?,
                b'{' if self.literal("{}").is_some() => {}
                b'[' if self.literal("[]").is_some() => {}
                byte @ (b'{' | b'[') => {
                    let is_object = byte == b'{';
                    if open.leading_zeros() == 0 {
                        return None;
                    }
                    open = open << 1 | u64::from(is_object);
                    self.position += 1;
                    if is_object {
                        self.pass_name()?;
                    }
                    continue;
                }
                b't' => self.literal("true")?,
                b'f' => self.literal("false")?,
                b'n' => self.literal("null")?,
                _ => self.pass_number()?,
            }
            while open > 1 {
                let is_object = open & 1 == 1;
                let byte = self.next_byte()?;
                self.position += 1;
                match byte {
                    b',' if is_object => {
                        self.pass_name()?;
                        break;
                    }
                    b',' => break,
                    b'}' if is_object => open >>= 1,
                    b']' if !is_object => open >>= 1,
                    _ => return None,
                }
            }
            if open == 1 {
                return Some(());
            }
        }
    }

    #[inline]
    fn rest(&self) -> &'a [u8] {
        &self.text.as_bytes()[self.position..]
    }

    #[inline]
    fn next_byte(&self) -> Option<u8> {
        self.text.as_bytes().get(self.position).copied()
    }

    fn pass_name(&mut self) -> Option<()> {
        self.pass_string()?;
        self.literal(":")
    }

    fn pass_string(&mut self) -> Option<()> {
        self.literal("\"")?;
        loop {
            self.position += plain_bytes(self.rest());
            match *self.rest() {
                [b'"', ..] => {
                    self.position += 1;
                    return Some(());
                }
                [
                    b'\\',
                    b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't',
                    ..,
                ] => {
                    self.position += 2;
                }
                _ => return None,
            }
        }
    }

    fn pass_number(&mut self) -> Option<()> {
        self.position += usize::from(self.next_byte() == Some(b'-'));
        if self.next_byte() == Some(b'0') {
            self.position += 1;
        } else {
            self.digits()?;
        }
        if self.next_byte() == Some(b'.') {
            self.position += 1;
            self.digits()?;
        }
        if matches!(self.next_byte(), Some(b'e' | b'E')) {
            self.position += 1;
            self.position += usize::from(matches!(self.next_byte(), Some(b'+' | b'-')));
            self.digits()?;
        }
        Some(())
    }

    /// Passes over digits, at least one.
    fn digits(&mut self) -> Option<()> {
        let rest = self.rest();
        let end = rest.iter().position(|byte| !byte.is_ascii_digit());
        let count = end.unwrap_or(rest.len());
        self.position += count;
        (count > 0).then_some(())
    }
}

#[cfg(test)]
mod tests;
