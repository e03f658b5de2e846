//! Pairing under loss, case by case.

use super::*;

/// A connection that has had two whole exchanges in turns.
fn warm() -> Talk {
    let mut talk = Talk::new();
    talk.client(get("/a"))
        .server(OK)
        .client(get("/b"))
        .server(OK);
    talk.seen.exchanges.clear();
    talk
}

fn length(text: &str) -> u64 {
    text.len() as u64
}

#[test]
fn a_hole_in_a_body_of_known_length_is_harmless() {
    let mut talk = Talk::new();
    talk.client(post("/", "Content-Length: 5000000000\r\n", "x"))
        .lost(Side::Client, 4_999_999_999);
    talk.server("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n")
        .lost(Side::Server, 40)
        .server("x".repeat(60));
    talk.client(get("/next")).server(OK);
    talk.shows(&["POST / 200 5000000000/100", "GET /next 200 0/2"]);
    assert_eq!(talk.seen.missing, 0);
}

#[test]
fn a_hole_past_the_end_of_a_body_is_a_gap() {
    let mut talk = Talk::new();
    talk.client(get("/1"))
        .server("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n");
    talk.lost(Side::Server, 15).server("xyz").end();
    talk.shows(&["GET /1 200 0/10"]);
    assert_eq!(talk.seen.missing, 5);
}

#[test]
fn a_lost_response_costs_one_exchange() {
    let mut talk = warm();
    talk.client(get("/c"))
        .lost(Side::Server, 100)
        .client(get("/d"))
        .server(OK)
        .client(get("/e"))
        .server(OK);
    talk.shows(&["GET /c - 0/0 gap", "GET /d 200 0/2", "GET /e 200 0/2"]);
    assert_eq!(talk.seen.missing, 100);
}

#[test]
fn a_loss_of_unknown_length_ends_even_a_body_and_has_to_be_proven_away() {
    let mut talk = warm();
    talk.client(get("/c"))
        .server("HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\nbegin")
        .lost_count(Side::Server, 1_000)
        .server("content");
    for target in ["/1", "/2", "/3", "/4", "/5"] {
        talk.client(get(target)).server(OK);
    }
    assert_eq!(talk.lines().first().unwrap(), "GET /c 200 0/5 gap");
    // Three in turns, as after lost requests: what was lost may have been no response at all.
    assert_eq!(
        talk.lines().get(7..).unwrap(),
        ["GET /4 200 0/2", "GET /5 200 0/2"]
    );

    let mut tunnel = warm();
    tunnel
        .client("CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n")
        .server("HTTP/1.1 200 OK\r\n\r\n")
        .lost_count(Side::Client, 10)
        .server("more")
        .fin(Side::Server)
        .fin(Side::Client);
    tunnel.shows(&["CONNECT a:1 200 0/4 gap"]);
}

#[test]
fn a_lost_response_that_shows_only_with_the_next_costs_one_exchange() {
    let mut talk = warm();
    talk.client(get("/c"));
    // The client's next request says that the response was received, but the hole is told later.
    talk.sent[1] += 100;
    talk.client(get("/d"))
        .server(OK)
        .client(get("/e"))
        .server(OK);
    talk.shows(&["GET /c - 0/0 gap", "GET /d 200 0/2", "GET /e 200 0/2"]);
    assert_eq!(talk.seen.missing, 100);
}

#[test]
fn a_response_without_its_head_costs_one_exchange() {
    let mut talk = warm();
    talk.client(get("/c"))
        .lost(Side::Server, 20)
        .server("gth: 17\r\n\r\nHTTP/1.1 200 OK\r\n")
        .client(get("/d"))
        .server(OK);
    talk.shows(&["GET /c - 0/0 gap", "GET /d 200 0/2"]);
}

#[test]
fn a_lost_request_costs_one_exchange() {
    let mut talk = warm();
    talk.lost(Side::Client, length(&get("/c")))
        .server(OK)
        .client(get("/d"))
        .server(OK);
    talk.shows(&["? 200 0/2 pairing_broken", "GET /d 200 0/2"]);
    let mut talk = warm();
    talk.sent[0] += length(&get("/c"));
    talk.server(OK).client(get("/d")).server(OK);
    talk.shows(&["? 200 0/2 pairing_broken", "GET /d 200 0/2"]);
}

#[test]
fn several_lost_requests_in_turns_are_counted_by_their_acknowledgements() {
    let mut talk = warm();
    for _ in 0..3 {
        talk.sent[0] += length(&get("/c"));
        talk.server(OK);
    }
    talk.client(get("/d")).server(OK);
    assert_eq!(talk.lines().last().unwrap(), "GET /d 200 0/2");
}

#[test]
fn where_two_requests_may_be_lost_exchanges_in_turns_are_waited_for() {
    let mut talk = warm();
    talk.lost(Side::Client, 2 * length(&get("/c"))).server(OK);
    for target in ["/d", "/e", "/f", "/g"] {
        talk.client(get(target)).server(OK);
    }
    let on_trial = |target: &str| {
        [
            format!("GET {target} - 0/0 pairing_broken"),
            "? 200 0/2 pairing_broken".to_owned(),
        ]
    };
    let expected = [
        vec!["? 200 0/2 pairing_broken".to_owned()],
        ["/d", "/e", "/f"].map(on_trial).concat(),
        vec!["GET /g 200 0/2".to_owned()],
    ];
    assert_eq!(talk.lines(), expected.concat());
}

#[test]
fn requests_before_a_gap_keep_their_responses() {
    let mut talk = warm();
    talk.client(get("/c") + &get("/d"))
        .lost(Side::Client, 50)
        .server(OK.repeat(3));
    talk.client(get("/f"))
        .server(OK)
        .client(get("/g"))
        .server(OK);
    assert_eq!(
        talk.lines()[..3],
        [
            "GET /c 200 0/2",
            "GET /d 200 0/2",
            "? 200 0/2 pairing_broken"
        ]
    );
    // The client was seen to pipeline: nothing is certain any more.
    assert!(
        talk.seen.exchanges[3..]
            .iter()
            .all(|exchange| exchange.uncertain.is_some())
    );
}

#[test]
fn a_gap_among_pipelined_responses_breaks_all_that_wait() {
    let mut talk = warm();
    talk.client(["/c", "/d", "/e"].map(get).concat())
        .server(OK)
        .lost(Side::Server, length(OK))
        .server(OK);
    talk.client(get("/f")).server(OK).end();
    talk.shows(&[
        "GET /c 200 0/2",
        "GET /d - 0/0 gap",
        "GET /e - 0/0 pairing_broken",
        "? 200 0/2 pairing_broken",
        "GET /f - 0/0 pairing_broken",
        "? 200 0/2 pairing_broken",
    ]);
}

#[test]
fn a_request_without_the_end_of_its_head_is_a_fragment() {
    let mut talk = warm();
    talk.client("GET /c HTTP/1.1\r\n")
        .lost(Side::Client, 12)
        .server(OK)
        .client(get("/d"))
        .server(OK);
    talk.shows(&["? - 0/0 gap", "? 200 0/2 pairing_broken", "GET /d 200 0/2"]);
}

#[test]
fn lost_chunk_framing_leaves_the_pair() {
    let mut talk = warm();
    talk.client(post("/c", "Transfer-Encoding: chunked\r\n", "5\r\nhel"))
        .lost(Side::Client, 9)
        .server(OK);
    talk.shows(&["POST /c 200 5/2 gap"]);
    let mut talk = warm();
    talk.client(get("/c"))
        .server("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhe")
        .lost(Side::Server, 10);
    talk.client(get("/d")).server(OK);
    talk.shows(&["GET /c 200 0/5 gap", "GET /d 200 0/2"]);
}

#[test]
fn a_connection_joined_in_the_middle_pairs_after_exchanges_in_turns() {
    let mut talk = Talk::joined();
    talk.client("rest of a body").server("GET / HTTP/1.1");
    for target in ["/a", "/b", "/c", "/d"] {
        talk.client(get(target)).server(OK);
    }
    let lines = talk.lines();
    assert_eq!(
        lines[..2],
        [
            "GET /a - 0/0 joined_in_the_middle",
            "? 200 0/2 joined_in_the_middle"
        ]
    );
    assert_eq!(lines.len(), 7);
    assert_eq!(lines[6], "GET /d 200 0/2");
    assert_eq!(talk.seen.missing, 0);
    let mut talk = Talk::joined();
    talk.server(OK).client(get("/a")).server(OK).end();
    talk.shows(&[
        "? 200 0/2 joined_in_the_middle",
        "GET /a - 0/0 joined_in_the_middle",
        "? 200 0/2 joined_in_the_middle",
    ]);
}

#[test]
fn a_request_that_nobody_waited_for_shows_that_the_client_pipelines() {
    // The lost request was not answered when the next one was sent.
    let mut talk = warm();
    talk.lost(Side::Client, length(&get("/c")))
        .client(get("/d"))
        .server(OK)
        .server(OK);
    for _ in 0..9 {
        talk.client(get("/e")).server(OK);
    }
    assert!(
        talk.seen
            .exchanges
            .iter()
            .all(|exchange| exchange.uncertain.is_some()),
        "{:?}",
        talk.lines()
    );
}

#[test]
fn a_batch_joined_in_its_middle_never_pairs() {
    let mut talk = Talk::joined();
    talk.client(get("/2"))
        .server(OK)
        .server(OK)
        .client(get("/3"))
        .client(get("/4"))
        .server(OK)
        .server(OK)
        .end();
    assert!(
        talk.seen
            .exchanges
            .iter()
            .all(|exchange| exchange.uncertain.is_some()),
        "{:?}",
        talk.lines()
    );
}

#[test]
fn without_acknowledgements_pairing_does_not_start_again() {
    let mut connection = Connection::new(false);
    let (mut seen, moment) = (
        Seen::default(),
        Moment {
            time: 1,
            acked: None,
        },
    );
    let (mut client, mut server) = (0, 0);
    for _ in 0..5 {
        connection.data(
            Side::Client,
            moment,
            client,
            get("/").as_bytes(),
            &LIMITS,
            &mut seen,
        );
        connection.data(
            Side::Server,
            moment,
            server,
            OK.as_bytes(),
            &LIMITS,
            &mut seen,
        );
        (client, server) = (client + length(&get("/")), server + length(OK));
    }
    assert_eq!(seen.exchanges.len(), 10);
    assert!(
        seen.exchanges
            .iter()
            .all(|exchange| exchange.uncertain.is_some())
    );
}

#[test]
fn an_answer_to_nothing_pairs_with_nothing() {
    let timeout = "HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n";
    let mut talk = warm();
    talk.server(timeout)
        .fin(Side::Server)
        .client(get("/c"))
        .end();
    talk.shows(&["? 408 0/0 pairing_broken", "GET /c - 0/0 pairing_broken"]);
    // The request was already on its way, and the server did not have it.
    let mut talk = warm();
    let (offset, acked) = (talk.sent[1], talk.sent[0]);
    talk.client(get("/c"));
    let moment = Moment {
        time: 9,
        acked: Some(acked),
    };
    talk.connection.data(
        Side::Server,
        moment,
        offset,
        timeout.as_bytes(),
        &LIMITS,
        &mut talk.seen,
    );
    talk.end();
    talk.shows(&["GET /c - 0/0 pairing_broken", "? 408 0/0 pairing_broken"]);
}

#[test]
fn an_orphaned_response_may_be_to_a_head() {
    let mut talk = warm();
    let head = "HEAD /c HTTP/1.1\r\nHost: a\r\n\r\n";
    talk.lost(Side::Client, length(head))
        .server("HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n");
    talk.client(get("/d"))
        .server(OK)
        .client(get("/e"))
        .server(OK);
    talk.client(get("/f")).server(OK);
    for _ in 0..3 {
        talk.client(get("/f")).server(OK);
    }
    assert_eq!(
        talk.lines()[..2],
        ["GET /d - 0/0 pairing_broken", "? 200 0/0 pairing_broken"]
    );
    assert_eq!(
        talk.lines().last().unwrap(),
        "GET /f 200 0/2",
        "{:?}",
        talk.lines()
    );
}

#[test]
fn conflicting_bytes_make_what_is_pending_uncertain() {
    let mut talk = warm();
    talk.client(get("/c"));
    talk.connection.conflict(Side::Client);
    talk.server(OK).client(get("/d")).server(OK);
    talk.shows(&[
        "GET /c 200 0/2 conflict",
        "GET /d - 0/0 pairing_broken",
        "? 200 0/2 pairing_broken",
    ]);
    let mut talk = warm();
    talk.connection.conflict(Side::Client);
    talk.client(get("/c")).server(OK);
    talk.shows(&["GET /c 200 0/2"]);
}
