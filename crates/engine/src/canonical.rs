//! The canonical form of JSON: RFC 8785 (JCS), except that every number keeps
//! its exact decimal value. Where a double's shortest form has that value, the
//! two are the same; where it hasn't, JCS would let two different numbers share
//! a form, and so a hash.

use kv_protocol::json::Text;
use kv_protocol::{Code, Refusal};
use memchr::memchr2;
use number::write_canonical_number;
use std::borrow::Cow;
use std::cmp::Ordering;

mod number;

/// The canonical form of `text`, which is valid compact JSON with bounded
/// nesting and no unpaired surrogate escape.
///
/// # Errors
/// `invalid_event` for two members of one name in an object, and for a number
/// whose exponent has more digits than anyone needs; `too_large` where the form
/// is longer than `bytes_max`.
pub fn canonical(text: &str, bytes_max: usize) -> Result<String, Refusal> {
    let mut writer = Writer {
        text,
        position: 0,
        output: String::with_capacity(text.len()),
        bytes_max,
    };
    writer.value()?;
    Ok(writer.output)
}

struct Writer<'a> {
    text: &'a str,
    position: usize,
    output: String,
    bytes_max: usize,
}

impl<'a> Writer<'a> {
    /// Recursion is bounded by the limit on nesting that the text has passed.
    fn value(&mut self) -> Result<(), Refusal> {
        match self.peek() {
            b'{' => self.object()?,
            b'[' => self.array()?,
            b'"' => {
                let string = self.string()?;
                write_canonical_string(&mut self.output, &string);
            }
            b't' | b'f' | b'n' => {
                let word = self.take_while(|byte| byte.is_ascii_alphabetic());
                self.output.push_str(word);
            }
            _ => {
                let number = self.take_while(|byte| !matches!(byte, b',' | b']' | b'}'));
                write_canonical_number(&mut self.output, number)?;
            }
        }
        if self.output.len() > self.bytes_max {
            return Err(Refusal::new(
                Code::TooLarge,
                format!(
                    "the canonical form of `content` has more than {} bytes",
                    self.bytes_max
                ),
            ));
        }
        Ok(())
    }

    fn array(&mut self) -> Result<(), Refusal> {
        self.copy();
        while self.peek() != b']' {
            if self.peek() == b',' {
                self.copy();
            }
            self.value()?;
        }
        self.copy();
        Ok(())
    }

    fn object(&mut self) -> Result<(), Refusal> {
        self.copy();
        let start = self.output.len();
        // Each member: its name, and where it stands in the output.
        let mut members: Vec<(Cow<'_, str>, usize, usize)> = Vec::new();
        while self.peek() != b'}' {
            if self.peek() == b',' {
                self.copy();
            }
            let from = self.output.len();
            let name = self.string()?;
            write_canonical_string(&mut self.output, &name);
            self.copy();
            self.value()?;
            members.push((name, from, self.output.len()));
        }
        self.position += 1;
        let in_order = members.is_sorted_by(|a, b| by_utf16(&a.0, &b.0) == Ordering::Less);
        if !in_order {
            members.sort_by(|a, b| by_utf16(&a.0, &b.0));
            if let Some(pair) = members.windows(2).find(|pair| pair[0].0 == pair[1].0) {
                let name: String = pair[0].0.chars().take(64).collect();
                return Err(Refusal::new(
                    Code::InvalidEvent,
                    format!("`content` has an object with two members named `{name}`; send one"),
                ));
            }
            let written = self.output.split_off(start);
            for (position, (_, from, to)) in members.iter().enumerate() {
                if position > 0 {
                    self.output.push(',');
                }
                self.output.push_str(&written[from - start..to - start]);
            }
        }
        self.output.push('}');
        Ok(())
    }

    /// Passes over a string and returns it.
    fn string(&mut self) -> Result<Cow<'a, str>, Refusal> {
        let bytes = self.text.as_bytes();
        let start = self.position;
        let mut end = start + 1;
        let mut has_escapes = false;
        let mut is_closed = false;
        while let Some(found) = bytes.get(end..).and_then(|rest| memchr2(b'"', b'\\', rest)) {
            end += found;
            if bytes[end] == b'"' {
                is_closed = true;
                break;
            }
            has_escapes = true;
            end += 2;
        }
        self.position = end + 1;
        if is_closed && !has_escapes {
            let string = self.text.get(start + 1..end).unwrap_or_default();
            return Ok(Cow::Borrowed(string));
        }
        let raw = self.text.get(start..=end).unwrap_or_default();
        serde_json::from_str::<Text<'_>>(raw)
            .map(|Text(string)| string)
            .map_err(|e| {
                Refusal::new(
                    Code::InvalidJson,
                    format!("`content` has a string that can't be read: {e}"),
                )
            })
    }

    fn take_while(&mut self, take: impl Fn(u8) -> bool) -> &'a str {
        let rest = &self.text[self.position..];
        let end = rest
            .bytes()
            .position(|byte| !take(byte))
            .unwrap_or(rest.len());
        self.position += end;
        &rest[..end]
    }

    /// The next byte; a value can't end here, since the text is valid.
    fn peek(&self) -> u8 {
        self.text
            .as_bytes()
            .get(self.position)
            .copied()
            .unwrap_or(b']')
    }

    /// Copies one byte of punctuation.
    fn copy(&mut self) {
        self.output.push(char::from(self.peek()));
        self.position += 1;
    }
}

/// RFC 8785, section 3.2.3: names are ordered by their UTF-16 code units.
fn by_utf16(a: &str, b: &str) -> Ordering {
    if a.is_ascii() && b.is_ascii() {
        return a.cmp(b);
    }
    a.encode_utf16().cmp(b.encode_utf16())
}

/// RFC 8785, section 3.2.2.2: only what must be escaped is. That is nothing in a
/// string that was written without escapes, and so is borrowed.
#[allow(clippy::ptr_arg, reason = "it counts whether it is borrowed")]
fn write_canonical_string(output: &mut String, string: &Cow<'_, str>) {
    output.push('"');
    match string {
        Cow::Borrowed(string) => output.push_str(string),
        Cow::Owned(string) => write_escaped(output, string),
    }
    output.push('"');
}

fn write_escaped(output: &mut String, string: &str) {
    for character in string.chars() {
        match character {
            '"' => output.push_str("\\\""),
            '\\' => output.push_str("\\\\"),
            '\u{8}' => output.push_str("\\b"),
            '\t' => output.push_str("\\t"),
            '\n' => output.push_str("\\n"),
            '\u{c}' => output.push_str("\\f"),
            '\r' => output.push_str("\\r"),
            '\0'..='\u{1f}' => {
                let code = u32::from(character);
                output.push_str("\\u00");
                output.push(if code >= 16 { '1' } else { '0' });
                output.extend(char::from_digit(code % 16, 16));
            }
            _ => output.push(character),
        }
    }
}

#[cfg(test)]
mod tests;
