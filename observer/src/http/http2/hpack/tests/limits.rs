//! What a decoder may cost, and what it hands out.

use super::*;

#[test]
fn a_decoder_that_read_nothing_owns_no_heap() {
    for mut decoder in [Decoder::new(), Decoder::joined()] {
        assert_eq!(decoder.heap_bytes(), 0);
        assert_eq!(lines(&mut decoder, &hex("828684")).len(), 3);
        assert_eq!(decoder.heap_bytes(), 0);
    }
    assert!(size_of::<Decoder>() <= 96, "{}", size_of::<Decoder>());
}

#[test]
fn a_list_is_handed_out_up_to_its_bound_and_the_table_kept() {
    let block = [
        inserted("a", "1"),
        inserted("b", "2"),
        inserted("c", "3"),
        indexed(2),
    ]
    .concat();
    for (most, expected) in [
        (0, 0),
        (33, 0),
        (34, 1),
        (101, 2),
        (102, 3),
        (143, 3),
        (144, 4),
    ] {
        let (mut decoder, mut handed) = (Decoder::new(), 0);
        let outcome = decoder.decode(&block, most, |_| handed += 1).unwrap();
        assert_eq!(handed, expected, "{most}");
        assert_eq!(outcome.fields, 4);
        assert_eq!(outcome.truncated, expected < 4);
        assert_eq!(table(&decoder), ["c: 3", "b: 2", "a: 1"]);
    }
}

#[test]
fn past_what_is_kept_a_large_table_is_unsure() {
    let mut decoder = Decoder::new();
    decoder.set_limit(1 << 20);
    lines(&mut decoder, &size(1 << 20));
    let (mut heap, mut entries) = (0, 0);
    for number in 0..4000 {
        lines(
            &mut decoder,
            &inserted(&format!("name-{number}"), &"v".repeat(50)),
        );
        heap = decoder.heap_bytes().max(heap);
        entries = decoder.table.len().max(entries);
    }
    assert!(decoder.table.bytes() <= 64 << 10);
    assert!((650..=750).contains(&entries), "{entries}");
    assert!(heap <= 256 << 10, "{heap}");
    assert!(!decoder.is_certain());
    let name = |decoder: &mut Decoder, index| lines(decoder, &indexed(index)).concat();
    assert!(name(&mut decoder, 62).starts_with("name-3999: v"));
    assert!(name(&mut decoder, 62 + 600).starts_with("name-3399: v"));
    assert_eq!(name(&mut decoder, 62 + 800), "?: ?");
    // One that is larger than what is kept is in the encoder's table, and not in ours.
    lines(&mut decoder, &inserted("large", &"v".repeat(64 << 10)));
    assert_eq!(name(&mut decoder, 62), "?: ?");
    lines(&mut decoder, &inserted("small", "v"));
    assert_eq!(name(&mut decoder, 62), "small: v");
    assert_eq!(name(&mut decoder, 63), "?: ?");
    assert!(
        decoder.heap_bytes() <= 512 << 10,
        "{}",
        decoder.heap_bytes()
    );
}

#[test]
fn memory_stays_bounded_whatever_is_inserted() {
    for length in [0, 1, 30, 1000, 4000, 30_000, 65_000] {
        let mut decoder = Decoder::joined();
        let mut block = vec![0x40];
        encoder::string(&mut block, b"n", true);
        encoder::string(&mut block, &vec![b'a'; length], true);
        for _ in 0..20_000_000 / (length + 400) / 10 {
            decode(&mut decoder, &block).unwrap();
            let heap = decoder.heap_bytes();
            assert!(heap <= (512 << 10) + 5 * block.len(), "{heap} for {length}");
        }
        assert!(decoder.table.bytes() <= 64 << 10);
    }
}

#[test]
fn what_is_evicted_is_wiped() {
    let mut decoder = Decoder::new();
    let secret = "Bearer 0123456789abcdef";
    lines(&mut decoder, &inserted("authorization", secret));
    lines(&mut decoder, &inserted("x", "y"));
    assert!(decoder.table.shows(secret.as_bytes()));
    // There is room for the second only.
    lines(&mut decoder, &size(40));
    assert_eq!(table(&decoder), ["x: y"]);
    assert!(!decoder.table.shows(secret.as_bytes()));
    // Nor does a literal stay that was only read.
    let mut block = vec![0x10];
    encoder::string(&mut block, b"authorization", true);
    encoder::string(&mut block, secret.as_bytes(), true);
    assert_eq!(
        lines(&mut decoder, &block),
        [format!("authorization: {secret}")]
    );
    assert!(!decoder.table.shows(b"Bearer"));
}

#[test]
fn nothing_is_shown_for_debugging() {
    let mut decoder = Decoder::new();
    lines(&mut decoder, &inserted("x-api-key", "0123456789abcdef"));
    let shown = format!("{decoder:?}");
    assert!(shown.contains("entries: 1"), "{shown}");
    assert!(
        !shown.contains("x-api") && !shown.contains("01234"),
        "{shown}"
    );
}
