//! Integers (RFC 7541 section 5.1 and appendix C.1).

use super::prefix::Input;
use super::*;

fn read(octets: &[u8], bits: u32) -> Result<u32, Malformed> {
    let mut input = Input::new(octets);
    let first = input.octet().unwrap();
    input.integer(first, bits)
}

#[test]
fn c_1_examples() {
    assert_eq!(read(&hex("0a"), 5), Ok(10));
    assert_eq!(read(&hex("ea"), 5), Ok(10));
    assert_eq!(read(&hex("1f9a0a"), 5), Ok(1337));
    assert_eq!(read(&hex("2a"), 8), Ok(42));
}

#[test]
fn what_is_written_is_read() {
    for bits in 4..=7 {
        let ends = [
            0,
            14,
            15,
            16,
            126,
            127,
            128,
            254,
            255,
            16_383,
            16_384,
            1 << 28,
            u32::MAX,
        ];
        for value in ends {
            let mut octets = Vec::new();
            encoder::integer(&mut octets, 0, bits, value);
            assert_eq!(read(&octets, bits), Ok(value));
            octets.pop();
            if !octets.is_empty() {
                assert_eq!(read(&octets, bits), Err(Malformed::Truncated));
            }
        }
    }
}

#[test]
fn integers_are_bounded_in_value_and_octets() {
    assert_eq!(read(&hex("7f ffffffff 0f"), 7), Err(Malformed::Integer));
    assert_eq!(read(&hex("7f 80ffffff 0f"), 7), Ok(u32::MAX));
    assert_eq!(read(&hex("7f ffffffff ff00"), 7), Err(Malformed::Integer));
    // Zeros at the end change nothing, up to the same bound.
    assert_eq!(read(&hex("7f 8080808000"), 7), Ok(127));
    assert_eq!(read(&hex("7f 808080808000"), 7), Err(Malformed::Integer));
}
