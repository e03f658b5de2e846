//! What a decoder says, held against the RFC's examples, other people's encoders and one of our own.

mod appendix;
mod certainty;
#[path = "../../../../../tests/src/oracle/hpack/encoder.rs"]
pub mod encoder;
mod integers;
mod kept;
mod limits;
mod properties;
mod stories;
mod strings;

use super::*;

/// A name or a value that was handed out.
type Text = Option<Vec<u8>>;

/// Names and values of a block.
fn decode(decoder: &mut Decoder, block: &[u8]) -> Result<Vec<(Text, Text)>, Malformed> {
    let mut told = Vec::new();
    let outcome = decoder.decode(block, usize::MAX, |field| {
        told.push((
            field.name.map(<[u8]>::to_vec),
            field.value.map(<[u8]>::to_vec),
        ));
    })?;
    assert_eq!(outcome.fields as usize, told.len());
    assert!(!outcome.truncated);
    Ok(told)
}

/// `name: value` of each field, with `?` for what is unknown.
fn lines(decoder: &mut Decoder, block: &[u8]) -> Vec<String> {
    let fields = decode(decoder, block).unwrap();
    fields.into_iter().map(|(n, v)| line(n, v)).collect()
}

/// The table's entries, the newest first.
fn table(decoder: &Decoder) -> Vec<String> {
    let entries = decoder.table.iter();
    let mut lines: Vec<_> = entries
        .map(|(name, value, _)| line(name.map(<[u8]>::to_vec), value.map(<[u8]>::to_vec)))
        .collect();
    lines.reverse();
    lines
}

fn line(name: Text, value: Text) -> String {
    let text = |part: Text| part.map_or("?".to_owned(), |part| String::from_utf8(part).unwrap());
    format!("{}: {}", text(name), text(value))
}

fn hex(text: &str) -> Vec<u8> {
    let digits: String = text.split_whitespace().collect();
    let octets = (0..digits.len()).step_by(2);
    octets
        .map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap())
        .collect()
}

/// A literal with incremental indexing, both parts as they are.
fn inserted(name: &str, value: &str) -> Vec<u8> {
    let mut block = vec![0x40];
    encoder::string(&mut block, name.as_bytes(), false);
    encoder::string(&mut block, value.as_bytes(), false);
    block
}

/// A literal with incremental indexing whose name is that of an index.
fn named(index: u32, value: &str) -> Vec<u8> {
    let mut block = Vec::new();
    encoder::integer(&mut block, 0x40, 6, index);
    encoder::string(&mut block, value.as_bytes(), false);
    block
}

fn indexed(index: u32) -> Vec<u8> {
    let mut block = Vec::new();
    encoder::integer(&mut block, 0x80, 7, index);
    block
}

fn size(bytes: u32) -> Vec<u8> {
    let mut block = Vec::new();
    encoder::integer(&mut block, 0x20, 5, bytes);
    block
}
