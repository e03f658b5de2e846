use std::format;
use std::hash::Hasher;
use std::string::String;
use std::vec::Vec;

use proptest::prelude::*;
use siphasher::sip::SipHasher13;

use super::*;

const KEY: [u64; 2] = [0x0706_0504_0302_0100, 0x0f0e_0d0c_0b0a_0908];

/// The hash of SipHash-1-3 over what the module says is hashed.
fn reference(name: &[u8], value: &[u8]) -> u64 {
    let padded = |bytes: &[u8]| {
        let mut bytes = bytes.to_vec();
        bytes.resize(bytes.len().next_multiple_of(8), 0);
        bytes
    };
    let mut hasher = SipHasher13::new_with_keys(KEY[0], KEY[1]);
    hasher.write(&padded(&name.to_ascii_lowercase()));
    hasher.write(&padded(value));
    let lengths = (name.len() as u64) << 32 | value.len() as u64;
    hasher.write(&lengths.to_le_bytes());
    hasher.finish()
}

/// What the kernel side finds in the first bytes of a segment: hashes of the fields at marked places.
fn found(head: &[u8], places: Places) -> Vec<u64> {
    let length = head.len().min(HEAD);
    let read = |at: u32| {
        let mut bytes = [0; 8];
        for (to, from) in bytes
            .iter_mut()
            .zip(head.get(..length).unwrap().iter().skip(at as usize))
        {
            *to = *from;
        }
        u64::from_le_bytes(bytes)
    };
    let mut scan = Scan::new(length as u32, places);
    let mut steps = 0;
    while scan.step(read(scan.at()), read) {
        steps += 1;
        assert!(
            steps < STEPS,
            "a head takes more steps than the kernel side has"
        );
    }
    let lines = (0..LINES).filter_map(|index| scan.line(index));
    let fields = lines
        .filter(|line| line.end > 0)
        .filter_map(|line| Field::of(line, read));
    fields
        .map(|field| {
            let mut state = Hash::new(KEY);
            for index in 0..field.words() {
                field.hash(&mut state, index, read);
            }
            field.finish(state)
        })
        .collect()
}

fn places(names: &[&str]) -> Places {
    let mut places = Places::default();
    for name in names {
        mark(&mut places, name.as_bytes());
    }
    places
}

#[test]
fn a_credential_is_found_wherever_it_stands() {
    let places = places(&["x-api-key", "authorization", "key"]);
    let head = b"GET / HTTP/1.1\r\nHost: a\r\nX-API-Key: \t secret-1 \t\r\nAccept: */*\r\n\
        authorization:Bearer abc\nKEY: k\r\n\r\n";
    assert_eq!(
        found(head, places),
        [
            hash(KEY, b"x-api-key", b"secret-1").unwrap(),
            hash(KEY, b"Authorization", b"Bearer abc").unwrap(),
            hash(KEY, b"key", b"k").unwrap(),
        ]
    );
}

#[test]
fn the_place_is_part_of_it() {
    assert_ne!(hash(KEY, b"x-api-key", b"a"), hash(KEY, b"x-api-kez", b"a"));
    assert_ne!(hash(KEY, b"abcdefgh", b"i"), hash(KEY, b"abcdefghi", b"i"));
    assert_ne!(hash(KEY, b"abcd", b"i"), hash(KEY, b"abcd", b"i\0"));
    assert_ne!(hash(KEY, b"abcd", b"i"), hash([1, 2], b"abcd", b"i"));
}

#[test]
fn requests_behind_one_another_are_looked_at_and_content_is_not() {
    let places = places(&["x-api-key"]);
    let get = "GET / HTTP/1.1\r\nX-Api-Key: a\r\n\r\n";
    let behind = format!("{get}GET / HTTP/1.1\r\nX-Api-Key: b\r\n\r\n");
    assert_eq!(found(behind.as_bytes(), places).len(), 2);
    for field in ["Content-Length: 100", "Transfer-Encoding: chunked"] {
        let post = format!("POST / HTTP/1.1\r\nX-Api-Key: a\r\n{field}\r\n\r\n{get}");
        assert_eq!(found(post.as_bytes(), places).len(), 1, "{field}");
    }
}

fn field() -> impl Strategy<Value = (String, String)> {
    let name = prop_oneof![
        Just("x-api-key".into()),
        Just("X-API-Key".into()),
        Just("Authorization".into()),
        "[A-Za-z][A-Za-z0-9-]{0,20}",
    ];
    (name, "[!-~]([ -~]{0,120}[!-~])?")
}

proptest! {
    #[test]
    fn the_hash_is_the_reference(name in "[a-zA-Z0-9@`{\\[-]{3,63}", value in proptest::collection::vec(any::<u8>(), 1..300)) {
        prop_assert_eq!(hash(KEY, name.as_bytes(), &value).unwrap(), reference(name.as_bytes(), &value));
    }

    #[test]
    fn every_field_at_a_marked_place_is_found(
        fields in proptest::collection::vec(field(), 0..12),
        ends in "(\r)?\n",
        white in "[ \t]{0,3}",
    ) {
        let places = places(&["x-api-key", "authorization"]);
        let mut head = format!("GET /a/path?with=query HTTP/1.1{ends}");
        for (name, value) in &fields {
            head.push_str(&format!("{name}:{white}{value}{ends}"));
        }
        head.push_str(&ends);
        let wanted: Vec<u64> = fields
            .iter()
            .filter(|(name, _)| ["x-api-key", "authorization"].contains(&name.to_ascii_lowercase().as_str()))
            .filter_map(|(name, value)| hash(KEY, name.as_bytes(), value.as_bytes()))
            .collect();
        let found = found(head.as_bytes(), places);
        // Others may begin as these do, and take room.
        let begins = |name: &str| name.len() >= 3 && is_marked(&places, u32::from_le_bytes({
            let mut start = *b"::::";
            for (to, from) in start.iter_mut().zip(name.bytes()) {
                *to = from;
            }
            start
        }));
        let likely = fields.iter().filter(|(name, _)| begins(name)).count();
        if likely <= LINES as usize {
            prop_assert!(wanted.iter().all(|hash| found.contains(hash)));
        }
        prop_assert!(found.len() <= LINES as usize);
    }

    #[test]
    fn any_bytes_are_looked_through(head in proptest::collection::vec(
        prop_oneof![Just(b'\n'), Just(b'\r'), Just(b':'), Just(b' '), Just(b'x'), any::<u8>()], 0..6000,
    )) {
        found(&head, [u64::MAX; 4]);
    }
}
