//! What one connection may cost.

use super::*;

#[test]
fn an_idle_connection_is_small() {
    assert!(
        size_of::<Connection<Box<()>>>() <= 192,
        "{}",
        size_of::<Connection<Box<()>>>()
    );
    let mut talk = Talk::new();
    for index in 0..9 {
        talk.client(&get("/")[..index])
            .client(&get("/")[index..])
            .server(&OK[..index])
            .server(&OK[index..]);
        assert!(talk.connection.is_idle());
        assert_eq!(talk.connection.heap_bytes(), 0);
    }
}

#[test]
fn a_head_is_held_up_to_its_bound() {
    let mut talk = Talk::new();
    talk.client("GET / HTTP/1.1\r\nA: ");
    for _ in 0..10_000 {
        talk.client("xxxxxxxxxx");
        assert!(talk.connection.heap_bytes() < 4 * LIMITS.head_bytes);
    }
    talk.client("\r\n\r\n").end();
    assert_eq!(talk.lines(), ["? - 0/0 no_response head_too_long"]);
}

#[test]
fn requests_past_the_depth_are_refused_and_break_the_pairing() {
    let mut talk = Talk::new();
    talk.limits.pipeline_depth = 2;
    talk.client(["/1", "/2", "/3", "/4"].map(get).concat())
        .server(OK.repeat(4))
        .client(get("/5"))
        .server(OK)
        .end();
    talk.shows(&[
        "GET /3 - 0/0 pipeline_bound",
        "GET /4 - 0/0 pairing_broken",
        "GET /1 200 0/2",
        "GET /2 200 0/2",
        "? 200 0/2 pairing_broken",
        "? 200 0/2 pairing_broken",
        "GET /5 - 0/0 pairing_broken",
        "? 200 0/2 pairing_broken",
    ]);
}

#[test]
fn bodies_say_up_to_where_nothing_needs_to_be_copied() {
    let mut talk = Talk::new();
    assert_eq!(talk.connection.skip_until(Side::Client), None);
    let head = post("/", "Content-Length: 1000\r\n", "");
    talk.client(&head);
    assert_eq!(
        talk.connection.skip_until(Side::Client),
        Some(head.len() as u64 + 1000)
    );
    talk.lost(Side::Client, 1000);
    assert_eq!(talk.connection.skip_until(Side::Client), None);
    let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\n";
    talk.server(head);
    assert_eq!(
        talk.connection.skip_until(Side::Server),
        Some(head.len() as u64 + 255)
    );
    talk.lost(Side::Server, 255).server("\r\n0\r\n\r\n");
    talk.shows(&["POST / 200 1000/255"]);
    talk.client(get("/")).server("HTTP/1.1 200 OK\r\n\r\n");
    assert_eq!(talk.connection.skip_until(Side::Server), Some(u64::MAX));
    talk.lost(Side::Server, 1 << 40).fin(Side::Server);
    assert_eq!(talk.lines()[1], format!("GET / 200 0/{}", 1u64 << 40));
    assert_eq!(talk.seen.missing, 0);
}

#[test]
fn a_body_that_may_not_come_is_looked_at() {
    let mut talk = Talk::new();
    talk.client(post(
        "/",
        "Expect: 100-continue\r\nContent-Length: 1000\r\n",
        "",
    ));
    assert_eq!(talk.connection.skip_until(Side::Client), None);
}

#[test]
fn offsets_at_the_end_of_their_range_do_no_harm() {
    let mut connection = Connection::<String>::new(true);
    let mut seen = Seen::default();
    let moment = Moment {
        time: 0,
        acked: None,
    };
    connection.data(
        Side::Client,
        moment,
        0,
        post("/", "Content-Length: 4611686018427387903\r\n", "").as_bytes(),
        &LIMITS,
        &mut seen,
    );
    for _ in 0..3 {
        connection.hole(
            Side::Client,
            moment,
            u64::MAX - 5,
            u64::MAX,
            &LIMITS,
            &mut seen,
        );
        connection.data(
            Side::Client,
            moment,
            u64::MAX - 5,
            get("/").as_bytes(),
            &LIMITS,
            &mut seen,
        );
        connection.data(
            Side::Server,
            moment,
            u64::MAX,
            OK.as_bytes(),
            &LIMITS,
            &mut seen,
        );
    }
    connection.end(0, &LIMITS, &mut seen);
}
