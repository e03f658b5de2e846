//! Strings in the code of Huffman (RFC 7541 section 5.2).

use super::huffman;
use super::*;
use proptest::prelude::*;

fn read(string: &[u8]) -> Option<Vec<u8>> {
    let mut out = vec![0; huffman::most(string.len())];
    let length = huffman::decode(string, &mut out)?;
    out.truncate(length);
    Some(out)
}

#[test]
fn every_octet_is_read_at_every_bit() {
    // `0` has five bits: so many of them before it move an octet to any place.
    for octet in 0..=255 {
        for before in 0..8 {
            let mut text = vec![b'0'; before];
            text.extend([octet, b'a', octet]);
            assert_eq!(read(&encoder::huffman(&text)), Some(text));
        }
    }
}

#[test]
fn padding_is_less_than_an_octet_of_ones() {
    assert_eq!(read(&[]), Some(vec![]));
    // `0` is 00000.
    assert_eq!(read(&[0b0000_0111]), Some(b"0".to_vec()));
    assert_eq!(read(&[0b0000_0110]), None, "not all ones");
    assert_eq!(read(&[0b0000_0000]), None, "not ones");
    assert_eq!(read(&[0b0000_0111, 0xff]), None, "eleven bits");
    assert_eq!(read(&[0xff]), None, "eight bits");
    // `:` is 1011100, and a whole octet of padding after its one bit is too much.
    assert_eq!(read(&[0b1011_1001]), Some(b":".to_vec()));
    assert_eq!(read(&[0b1011_1001, 0xff]), None);
}

#[test]
fn the_end_of_a_string_is_not_in_it() {
    assert_eq!(read(&[0xff; 4]), None);
    assert_eq!(read(&[0xff; 5]), None);
    // After `0`, with whatever follows.
    assert_eq!(read(&[0x07, 0xff, 0xff, 0xff, 0xe0, 0x00, 0x07]), None);
    assert_eq!(read(&[0x07, 0xff, 0xff, 0xff, 0xff]), None);
}

proptest! {
    #[test]
    fn what_is_written_is_read(text: Vec<u8>) {
        prop_assert_eq!(read(&encoder::huffman(&text)), Some(text));
    }

    /// There is one way to write a string: what is read is what would have been written.
    #[test]
    fn what_is_read_would_be_written_so(string: Vec<u8>) {
        if let Some(text) = read(&string) {
            prop_assert_eq!(encoder::huffman(&text), string);
        }
    }
}
