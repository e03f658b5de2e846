//! How streams and connections end that do not run to their end.

use super::frames;
use super::talk::Talk;
use super::*;

#[test]
fn a_reset_says_who_and_why() {
    for (code, reason) in [
        (0, "no_error"),
        (1, "protocol_error"),
        (2, "internal_error"),
        (3, "flow_control_error"),
        (4, "settings_timeout"),
        (5, "stream_closed"),
        (6, "frame_size_error"),
        (7, "refused_stream"),
        (8, "cancel"),
        (9, "compression_error"),
        (10, "connect_error"),
        (11, "enhance_your_calm"),
        (12, "inadequate_security"),
        (13, "http_1_1_required"),
        (14, "other"),
        (u32::MAX, "other"),
    ] {
        let mut talk = Talk::new();
        talk.get(1).client(frames::reset(1, code));
        talk.get(3).server(frames::reset(3, code));
        talk.get(5)
            .status(5, "200", false)
            .data(Side::Server, 5, b"half", false)
            .server(frames::reset(5, code));
        talk.shows(&[
            &format!("GET /1 - 0/0 client_abort ({reason})"),
            &format!("GET /3 - 0/0 server_reset ({reason})"),
            &format!("GET /5 200 0/4 server_reset ({reason})"),
        ]);
    }
}

#[test]
fn what_the_server_will_not_look_at_has_no_response() {
    let mut talk = Talk::new();
    talk.get(1)
        .get(3)
        .get(5)
        .server(frames::goaway(3, 11))
        .status(1, "200", true)
        .status(3, "200", true);
    talk.shows(&[
        "GET /5 - 0/0 no_response (enhance_your_calm)",
        "GET /1 200 0/0",
        "GET /3 200 0/0",
    ]);
    // A client's, and one that says that there may be more to come, end nothing.
    let mut talk = Talk::new();
    talk.get(1)
        .client(frames::goaway(0, 0))
        .server(frames::goaway(u32::MAX >> 1, 0))
        .status(1, "200", true);
    talk.shows(&["GET /1 200 0/0"]);
}

#[test]
fn connections_end_in_either_order() {
    let begun = || {
        let mut talk = Talk::new();
        talk.get(1);
        talk.get(3)
            .status(3, "200", false)
            .data(Side::Server, 3, b"half", false);
        talk
    };
    let mut talk = begun();
    talk.fin(Side::Client)
        .status(1, "204", true)
        .data(Side::Server, 3, b"!", true);
    talk.fin(Side::Server)
        .shows(&["GET /1 204 0/0", "GET /3 200 0/5"]);
    let mut talk = begun();
    talk.fin(Side::Client).fin(Side::Server);
    talk.shows(&["GET /1 - 0/0 client_abort", "GET /3 200 0/4 client_abort"]);
    let mut talk = begun();
    talk.fin(Side::Server).fin(Side::Client);
    talk.shows(&["GET /1 - 0/0 no_response", "GET /3 200 0/4 server_reset"]);
    let mut talk = begun();
    talk.end();
    talk.shows(&["GET /1 - 0/0 no_response", "GET /3 200 0/4 gap"]);
    let mut talk = Talk::new();
    let block = talk.block(Side::Client, &super::talk::get("/1"));
    let head = frames::headers(1, &block, true, &frames::Shape::default());
    talk.client(&head[..head.len() - 1])
        .fin(Side::Client)
        .fin(Side::Server);
    talk.shows(&["? - 0/0 client_abort"]);
}

#[test]
fn the_server_may_speak_first() {
    let begin = Switch {
        client: 0,
        server: 0,
        prefaced: false,
    };
    let mut talk = Talk::of(Connection::new(begin));
    talk.server(frames::settings(&[(frames::TABLE_SIZE, 0)]))
        .client(&frames::PREFACE[..5])
        .client(&frames::PREFACE[5..])
        .client(frames::settings(&[]))
        .get(1)
        .status(1, "200", true);
    talk.shows(&["GET /1 200 0/0"]);
}

#[test]
fn what_is_no_http2_from_the_start_is_not_read() {
    let begin = Switch {
        client: 0,
        server: 0,
        prefaced: false,
    };
    let mut talk = Talk::of(Connection::new(begin));
    talk.client("PRI * HTTP/1.1\r\n\r\n").get(1).end();
    talk.shows(&[]);
    assert!(talk.connection.is_opaque());
}

#[test]
fn trailers_of_what_was_not_seen_are_no_request() {
    let mut talk = Talk::of(Connection::joined());
    talk.head(Side::Client, 1, &[("x-checksum", "1")], true)
        .status(1, "200", true)
        .get(3)
        .status(3, "200", true);
    talk.shows(&["? 200 0/0 joined_in_the_middle", "GET /3 200 0/0"]);
}

#[test]
fn requests_among_lost_bytes_are_told_once() {
    let mut talk = Talk::new();
    talk.get(1).status(1, "200", true);
    let unseen = frames::headers(3, &[0x82; 20], true, &frames::Shape::default());
    talk.lost(Side::Client, unseen)
        .status(3, "200", true)
        .get(7)
        .status(7, "200", true)
        .wait(61_000_000_000)
        .server(frames::settings(&[]))
        .end();
    talk.shows(&[
        "GET /1 200 0/0",
        "? 200 0/0 gap",
        "GET /7 200 0/0 header_table",
        "? - 0/0 gap",
    ]);
}
