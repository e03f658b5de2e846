//! What requests and responses say, and what is wrong with some.

use super::frames::{self, Shape};
use super::talk::{Talk, get};
use super::*;

const GRPC: (&str, &str) = ("content-type", "application/grpc");

#[test]
fn a_call_has_its_status_and_its_messages() {
    let mut talk = Talk::new();
    let message = [0, 0, 0, 0, 3, b'a', b'b', b'c'];
    talk.post(1, &[GRPC])
        .data(Side::Client, 1, &message.repeat(2), true)
        .status(1, "200", false)
        .data(Side::Server, 1, &message, false)
        .head(Side::Server, 1, &[("grpc-status", "5")], true);
    // Without a head before the trailers.
    talk.post(3, &[GRPC])
        .data(Side::Client, 3, &message, true)
        .head(
            Side::Server,
            3,
            &[(":status", "200"), ("grpc-status", "14")],
            true,
        );
    // Not of gRPC: another content type, or none.
    talk.post(5, &[("content-type", "application/grpc-web")])
        .data(Side::Client, 5, &message, true)
        .head(
            Side::Server,
            5,
            &[(":status", "200"), ("grpc-status", "14")],
            true,
        );
    talk.shows(&[
        "POST /1 200 16/8 grpc 5 2/1",
        "POST /3 200 8/0 grpc 14 1/0",
        "POST /5 200 8/0",
    ]);
}

#[test]
fn a_response_may_come_before_the_request_is_whole() {
    let mut talk = Talk::new();
    talk.post(1, &[])
        .status(1, "413", true)
        .data(Side::Client, 1, b"late", true);
    talk.post(3, &[])
        .status(3, "413", true)
        .server(frames::reset(3, 0))
        .data(Side::Client, 3, b"nobody's", true);
    talk.post(5, &[])
        .data(Side::Client, 5, b"some", false)
        .status(5, "200", true)
        .client(frames::reset(5, 8));
    talk.shows(&["POST /1 413 4/0", "POST /3 413 0/0", "POST /5 200 4/0"]);
}

#[test]
fn interim_responses_and_trailers_are_no_responses() {
    let mut talk = Talk::new();
    talk.get(1)
        .status(1, "103", false)
        .status(1, "100", false)
        .status(1, "404", false)
        .data(Side::Server, 1, b"no", false)
        .head(Side::Server, 1, &[("x-checksum", "1")], true);
    talk.post(3, &[])
        .data(Side::Client, 3, b"abc", false)
        .head(Side::Client, 3, &[("x-checksum", "1")], true)
        .status(3, "204", true);
    talk.shows(&["GET /1 404 0/2", "POST /3 204 3/0"]);
}

#[test]
fn content_of_another_length_than_announced_is_malformed() {
    for (length, line) in [
        ("4", "POST /1 200 4/0"),
        ("5", "POST /1 200 4/0 content_length"),
        ("x", "POST /1 200 4/0 content_length"),
        ("99999999999999999999", "POST /1 200 4/0 content_length"),
    ] {
        let mut talk = Talk::new();
        talk.post(1, &[("content-length", length)])
            .data(Side::Client, 1, b"four", true)
            .status(1, "200", true);
        talk.shows(&[line]);
    }
    let mut talk = Talk::new();
    talk.post(1, &[("content-length", "4"), ("content-length", "5")])
        .data(Side::Client, 1, b"four", true)
        .status(1, "200", true);
    talk.shows(&["POST /1 200 4/0 content_length"]);
}

#[test]
fn heads_that_break_a_rule_are_malformed() {
    let twice = [get("/1"), vec![(":path", "/2")]].concat();
    let behind = [vec![("accept", "*/*")], get("/1")].concat();
    let unknown = [vec![(":status", "200")], get("/1")].concat();
    let with = |name, value| [get("/1"), vec![(name, value)]].concat();
    let head = "GET /1 200 0/0 head";
    for (fields, line) in [
        (twice, head),
        (behind, "? 200 0/0 head"),
        (unknown, head),
        (with("Accept", "*/*"), head),
        (with("", "x"), head),
        (with("a b", "x"), head),
        (with("host", "b.example"), head),
        (with("host", "a.example"), "GET /1 200 0/0"),
        (
            with("transfer-encoding", "chunked"),
            "GET /1 200 0/0 transfer_encoding",
        ),
        (get("/1")[..3].to_vec(), "GET /1 200 0/0"),
        (vec![(":method", "GET"), (":path", "/1")], head),
        (
            vec![(":method", "GET"), (":scheme", "http")],
            "? 200 0/0 head",
        ),
        (get(""), "GET  200 0/0 head"),
        (get("/a b"), "? 200 0/0 head"),
        (vec![("accept", "*/*")], "? 200 0/0 head"),
    ] {
        let mut talk = Talk::new();
        talk.head(Side::Client, 1, &fields, true)
            .status(1, "200", true);
        assert_eq!(talk.lines(), [line], "{fields:?}");
    }
}

#[test]
fn a_tunnel_names_its_other_end() {
    let mut talk = Talk::new();
    talk.head(
        Side::Client,
        1,
        &[(":method", "CONNECT"), (":authority", "b.example:443")],
        false,
    )
    .status(1, "200", false)
    .data(Side::Client, 1, b"abc", false);
    let mut fields = get("/chat");
    fields[0].1 = "CONNECT";
    fields.push((":protocol", "websocket"));
    talk.head(Side::Client, 3, &fields, false)
        .status(3, "200", false)
        .data(Side::Server, 3, b"hello", false)
        .fin(Side::Server);
    talk.shows(&["CONNECT b.example:443 200 3/0", "CONNECT /chat 200 0/5"]);
}

#[test]
fn heads_past_their_bound_are_too_long() {
    let many: Vec<(&str, &str)> = vec![("a", "b"); 200];
    let mut talk = Talk::new();
    talk.limits.head_bytes = 64 << 10;
    let fields = [get("/1"), many].concat();
    talk.head(Side::Client, 1, &fields, true)
        .status(1, "200", true)
        .get(3)
        .status(3, "200", true);
    talk.shows(&["GET /1 200 0/0 head_too_long", "GET /3 200 0/0"]);

    // What later heads refer to is known again after some that refer to nothing else.
    for fragments in [vec![], vec![1000; 4], vec![0; 500]] {
        let mut talk = Talk::new();
        let long = "x".repeat(6000);
        let block = talk.block(Side::Client, &[get("/1"), vec![("x-long", &long)]].concat());
        let shape = Shape {
            fragments,
            ..Shape::default()
        };
        talk.client(frames::headers(1, &block, true, &shape))
            .status(1, "431", true);
        talk.get(3)
            .status(3, "200", true)
            .get(5)
            .status(5, "200", true)
            .end();
        let lines = talk.lines();
        assert_eq!(lines[0], "? 431 0/0 head_too_long");
        assert!(lines[1].contains("200 0/0"), "{lines:?}");
        assert_eq!(lines[2], "GET /5 200 0/0");
    }
}
