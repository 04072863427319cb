//! Lines out of a stream that comes in pieces, against splitting all of it.

use kv_server::framing::{Frame, Framing};

/// Feeds `data` behind its first byte in pieces of that many bytes.
pub fn run(data: &[u8]) {
    let Some((piece, text)) = data.split_first() else {
        return;
    };
    let mut framing = Framing::default();
    let mut found: Vec<Vec<u8>> = Vec::new();
    let mut take = |framing: &mut Framing| {
        while let Some(frame) = framing.next_frame() {
            match frame {
                Frame::Line(range) => found.push(framing.line(range).to_vec()),
                Frame::TooLong => panic!("no line is that long"),
            }
        }
    };
    for bytes in text.chunks(usize::from(*piece) + 1) {
        framing.feed(bytes);
        take(&mut framing);
    }
    framing.end();
    take(&mut framing);
    let mut lines: Vec<&[u8]> = text.split(|byte| *byte == b'\n').collect();
    lines.retain(|line| !line.trim_ascii().is_empty());
    assert_eq!(found, lines);
}
