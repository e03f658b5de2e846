//! A TLS server's first flight: cut anywhere it says the same, and one that was built to say something says that.

use arbitrary::{Result, Unstructured};
use observer::tls::{Alpn, Hello, Hellos, Outcome, Side, Version};
use observer_ebpf::track::HELLO;

use crate::hello::server_hello;

/// Reads flights in one piece and in many.
///
/// # Panics
/// When they say different things, or not what was built into them, or memory grows past its bound.
pub fn check(data: &[u8]) {
    let mut input = Unstructured::new(data);
    let Ok((flight, told)) = case(&mut input) else {
        return;
    };
    let whole = Hellos::default().push(Side::Server, &flight);
    if let Some(hello) = told {
        assert_eq!(whole, Some(Outcome::Agreed(hello)));
    }
    let mut reading = Hellos::default();
    let mut said = None;
    let mut rest = flight.as_slice();
    while !rest.is_empty() && said.is_none() {
        let most = input.int_in_range(1..=64).unwrap_or(1);
        let (piece, after) = rest.split_at(most.min(rest.len()));
        said = reading.push(Side::Server, piece);
        rest = after;
        assert!(reading.heap_bytes() <= 2 * HELLO as usize);
    }
    assert_eq!(said, whole);
}

/// Any bytes, or those of a flight with what it says.
fn case(input: &mut Unstructured<'_>) -> Result<(Vec<u8>, Option<Hello>)> {
    if input.ratio(1, 2)? {
        let length = input.arbitrary_len::<u8>()?;
        return Ok((input.bytes(length)?.to_vec(), None));
    }
    let version = *input.choose(&Version::ALL)?;
    let hello = Hello {
        version,
        cipher: input.arbitrary()?,
        // Since TLS 1.3 it stands where it is encrypted.
        alpn: if version == Version::Tls13 {
            Alpn::Unknown
        } else {
            Alpn::None
        },
    };
    let mut flight = Vec::new();
    if input.arbitrary()? {
        // SHA-256 of "HelloRetryRequest" (RFC 8446 section 4.1.3).
        let retry = [
            0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65,
            0xb8, 0x91, 0xc2, 0xa2, 0x11, 0x16, 0x7a, 0xbb, 0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2,
            0xc8, 0xa8, 0x33, 0x9c,
        ];
        records(&server_hello(&hello, retry, 0), input, &mut flight)?;
    }
    if input.arbitrary()? {
        flight.extend([20, 3, 3, 0, 1, 1]);
    }
    let session = input.int_in_range(0..=32)?;
    let random = [input.arbitrary::<u8>()? & 0x7f; 32];
    records(&server_hello(&hello, random, session), input, &mut flight)?;
    let told = (flight.len() <= HELLO as usize).then_some(hello);
    Ok((flight, told))
}

/// Puts a message in records of any length.
fn records(mut message: &[u8], input: &mut Unstructured<'_>, flight: &mut Vec<u8>) -> Result<()> {
    while !message.is_empty() {
        let (fragment, rest) = message.split_at(input.int_in_range(1..=message.len())?);
        flight.extend([22, 3, 1]);
        flight.extend((fragment.len() as u16).to_be_bytes());
        flight.extend(fragment);
        message = rest;
    }
    Ok(())
}
