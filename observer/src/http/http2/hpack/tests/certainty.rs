//! What is known of a table that was not seen from its beginning, and when it is known whole again.

use super::*;

const UNKNOWN: [&str; 1] = ["?: ?"];

#[test]
fn an_index_is_unknown_only_behind_what_was_inserted_since() {
    let mut decoder = Decoder::joined();
    assert_eq!(lines(&mut decoder, &indexed(62)), UNKNOWN);
    lines(&mut decoder, &inserted("a", "1"));
    lines(&mut decoder, &inserted("b", "2"));
    assert_eq!(lines(&mut decoder, &indexed(62)), ["b: 2"]);
    assert_eq!(lines(&mut decoder, &indexed(63)), ["a: 1"]);
    assert_eq!(lines(&mut decoder, &indexed(64)), UNKNOWN);
    assert_eq!(lines(&mut decoder, &indexed(2)), [":method: GET"]);
    assert!(!decoder.is_certain());
    decoder.forget();
    assert_eq!(lines(&mut decoder, &indexed(62)), UNKNOWN);
}

#[test]
fn an_unknown_name_goes_into_the_table() {
    let mut decoder = Decoder::joined();
    assert_eq!(lines(&mut decoder, &named(70, "secret")), ["?: secret"]);
    assert_eq!(lines(&mut decoder, &indexed(62)), ["?: secret"]);
    // The name of that entry is as unknown.
    assert_eq!(lines(&mut decoder, &named(62, "other")), ["?: other"]);
    assert_eq!(table(&decoder), ["?: other", "?: secret"]);
    assert_eq!(decoder.table.bytes(), 38 + 37);
}

#[test]
fn before_a_loss_an_index_beyond_the_table_is_malformed() {
    for index in [62, 63, u32::MAX] {
        let mut decoder = Decoder::new();
        assert_eq!(decode(&mut decoder, &indexed(index)), Err(Malformed::Index));
        // After that nothing is sure.
        assert_eq!(lines(&mut decoder, &indexed(62)), UNKNOWN);
    }
    for mut decoder in [Decoder::new(), Decoder::joined()] {
        assert_eq!(decode(&mut decoder, &indexed(0)), Err(Malformed::Index));
    }
}

#[test]
fn no_table_has_more_entries_than_fit_in() {
    let mut decoder = Decoder::new();
    decoder.forget();
    // An entry has 32 bytes at least: 128 of them.
    assert_eq!(lines(&mut decoder, &indexed(61 + 128)), UNKNOWN);
    let beyond = decode(&mut decoder, &indexed(61 + 129));
    assert_eq!(beyond, Err(Malformed::Index));
    lines(&mut decoder, &inserted("a", &"1".repeat(4096 - 33 - 64)));
    assert_eq!(lines(&mut decoder, &indexed(61 + 3)), UNKNOWN);
    let beyond = decode(&mut decoder, &indexed(61 + 4));
    assert_eq!(beyond, Err(Malformed::Index));
}

#[test]
fn a_size_of_zero_makes_the_table_known() {
    let mut decoder = Decoder::joined();
    lines(&mut decoder, &inserted("a", "1"));
    let block = [size(0), size(200), inserted("b", "2"), indexed(62)].concat();
    assert_eq!(lines(&mut decoder, &block), ["b: 2", "b: 2"]);
    assert!(decoder.is_certain());
    assert_eq!(decoder.table.bound(), 200);
    assert_eq!(decode(&mut decoder, &indexed(63)), Err(Malformed::Index));
}

#[test]
fn what_does_not_fit_is_gone_and_with_it_all_that_is_older() {
    // 34 bytes each.
    let insertions = [inserted("a", "1"), inserted("b", "2"), inserted("c", "3")].concat();
    // (size, entries that are left, certain)
    let cases = [
        (69, 2, true),
        (68, 2, true),
        (34, 1, true),
        (101, 2, true),
        (102, 3, true),
    ];
    // Room for one more of 32 bytes: there may be one.
    for (bytes, left, certain) in cases.into_iter().chain([(133, 3, true), (134, 3, false)]) {
        let mut decoder = Decoder::joined();
        lines(&mut decoder, &insertions);
        lines(&mut decoder, &size(bytes));
        assert_eq!(table(&decoder).len(), left, "{bytes}");
        assert_eq!(decoder.is_certain(), certain, "{bytes}");
    }
}

#[test]
fn as_many_insertions_as_fit_make_the_table_known() {
    let mut decoder = Decoder::new();
    lines(&mut decoder, &inserted("old", "0"));
    decoder.forget();
    for number in 0..127 {
        assert!(!decoder.is_certain(), "{number}");
        lines(&mut decoder, &inserted("", ""));
    }
    assert!(!decoder.is_certain());
    lines(&mut decoder, &inserted("", ""));
    assert!(decoder.is_certain());
    assert_eq!(table(&decoder).len(), 128);
}

#[test]
fn an_unknown_name_counts_nothing_until_it_is_gone() {
    let mut decoder = Decoder::joined();
    // At least 132 bytes, and 34.
    lines(&mut decoder, &named(99, &"x".repeat(100)));
    lines(&mut decoder, &inserted("b", "2"));
    lines(&mut decoder, &size(200));
    assert!(!decoder.is_certain(), "34 bytes may be another's");
    lines(&mut decoder, &inserted("c", "3"));
    assert!(decoder.is_certain());
    // Nobody refers to the first where its name was longer; where it was not, it is there.
    assert_eq!(
        lines(&mut decoder, &indexed(64)),
        [format!("?: {}", "x".repeat(100))]
    );
    lines(&mut decoder, &inserted("d", "4"));
    assert_eq!(table(&decoder), ["d: 4", "c: 3", "b: 2"]);
    assert_eq!(decoder.table.bytes(), 102);
}

#[test]
fn an_entry_that_is_too_large_empties_the_table() {
    let mut decoder = Decoder::new();
    lines(&mut decoder, &inserted("a", "1"));
    let large = inserted("b", &"2".repeat(4096 - 32));
    assert_eq!(lines(&mut decoder, &large).len(), 1);
    assert!(table(&decoder).is_empty());
    assert!(decoder.is_certain());
    let most = inserted("b", &"2".repeat(4096 - 33));
    lines(&mut decoder, &most);
    assert_eq!(decoder.table.bytes(), 4096);
    // An entry gives its name to the one that evicts it.
    assert_eq!(lines(&mut decoder, &named(62, "3")), ["b: 3"]);
    assert_eq!(table(&decoder), ["b: 3"]);
}

#[test]
fn a_size_is_set_only_before_fields_and_within_the_limit() {
    let mut decoder = Decoder::new();
    let late = [indexed(2), size(0)].concat();
    assert_eq!(decode(&mut decoder, &late), Err(Malformed::LateSize));
    let (size_, limit) = (4097, 4096);
    let refused = Err(Malformed::Size { size: size_, limit });
    assert_eq!(decode(&mut decoder, &size(size_)), refused);
    decoder.set_limit(4097);
    assert!(decode(&mut decoder, &size(size_)).is_ok());
    assert!(decode(&mut Decoder::joined(), &size(u32::MAX)).is_ok());
}

#[test]
fn a_block_that_ends_too_early_is_malformed() {
    let block = [inserted("name", "value"), named(62, "other")].concat();
    for end in 0..block.len() {
        let whole = [0, inserted("name", "value").len()].contains(&end);
        let read = decode(&mut Decoder::new(), &block[..end]);
        assert_eq!(read.is_ok(), whole, "{end}");
        assert!(whole || read == Err(Malformed::Truncated));
    }
}
