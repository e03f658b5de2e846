//! What is kept over a restart.

use super::*;

fn restarted(decoder: &Decoder) -> Decoder {
    postcard::from_bytes(&postcard::to_stdvec(decoder).unwrap()).unwrap()
}

#[test]
fn names_and_sizes_stay_and_values_that_are_no_secret() {
    let mut decoder = Decoder::new();
    let fields = [
        (":path", "/v1?key=abc"),
        ("content-type", "application/json"),
        ("x-api-key", "0123456789abcdef"),
        (":authority", "api.example.com"),
        (":authority", "user:password@example.com"),
    ];
    for (name, value) in fields {
        lines(&mut decoder, &inserted(name, value));
    }
    let again = restarted(&decoder);
    assert_eq!(
        table(&again),
        [
            ":authority: ?",
            ":authority: api.example.com",
            "x-api-key: ?",
            "content-type: application/json",
            ":path: ?"
        ]
    );
    assert_eq!(again.table.bytes(), decoder.table.bytes());
    assert_eq!(again.table.bound(), decoder.table.bound());
    assert_eq!(again.limit, decoder.limit);
    assert!(again.is_certain());
    assert_eq!(table(&restarted(&again)), table(&again));
}

#[test]
fn what_is_evicted_stays_the_same() {
    let mut decoder = Decoder::new();
    for number in 0..60 {
        let value = "s".repeat(20 + number);
        lines(&mut decoder, &inserted("x-secret", &value));
    }
    lines(&mut decoder, &named(62, &"s".repeat(90)));
    let mut again = restarted(&decoder);
    for number in 0..80 {
        let block = inserted("date", &"d".repeat(number));
        lines(&mut decoder, &block);
        lines(&mut again, &block);
        assert_eq!(again.table.len(), decoder.table.len());
        assert_eq!(again.table.bytes(), decoder.table.bytes());
    }
    assert_eq!(table(&again), table(&decoder));
}

#[test]
fn what_was_unknown_stays_unknown() {
    let mut decoder = Decoder::joined();
    lines(&mut decoder, &named(70, "secret"));
    lines(&mut decoder, &inserted("te", "trailers"));
    let mut again = restarted(&decoder);
    assert_eq!(table(&again), ["te: trailers", "?: ?"]);
    assert_eq!(again.table.bytes(), decoder.table.bytes());
    assert_eq!(lines(&mut again, &indexed(65)), ["?: ?"]);
    let certain = [size(0), indexed(62)].concat();
    assert_eq!(decode(&mut again, &certain), Err(Malformed::Index));
}

#[test]
fn a_file_that_makes_no_sense_does_no_harm() {
    // Limit, bound, whether it is complete, and an entry of four GiB: no file that we write.
    let file = r#"{"limit":0,"bound":100,"complete":true,"entries":[
        {"name":[97],"value":null,"length":1},{"name":null,"value":null,"length":4294967295},
        {"name":[98],"value":[99],"length":7}]}"#;
    let mut decoder: Decoder = serde_json::from_str(file).unwrap();
    assert_eq!(table(&decoder), ["b: c"]);
    assert_eq!(lines(&mut decoder, &indexed(62)), ["b: c"]);
}
