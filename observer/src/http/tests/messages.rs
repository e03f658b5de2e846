//! Message length and meaning, case by case of RFC 9112 section 6.3 and RFC 9110.

use super::*;

/// Client's bytes, server's bytes, ends of both: what is reported.
fn talk(client: &str, server: &str) -> Vec<String> {
    let mut talk = Talk::new();
    talk.client(client)
        .server(server)
        .fin(Side::Server)
        .fin(Side::Client)
        .end();
    assert!(talk.connection.is_idle());
    assert_eq!(talk.seen.missing, 0);
    talk.lines()
}

#[test]
fn the_length_of_a_response_follows_the_rfc() {
    for (method, response, expected) in [
        (
            "GET",
            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
            "200 0/2",
        ),
        (
            "GET",
            "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
            "200 0/0",
        ),
        (
            "GET",
            "HTTP/1.1 200 OK\r\ncontent-length: 2, 2\r\nContent-Length: 2\r\n\r\nok",
            "200 0/2",
        ),
        (
            "HEAD",
            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n",
            "200 0/0",
        ),
        ("GET", "HTTP/1.1 204 No Content\r\n\r\n", "204 0/0"),
        (
            "GET",
            "HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n",
            "304 0/0",
        ),
        (
            "GET",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
            "200 0/3",
        ),
        (
            "GET",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, Chunked\r\n\r\n3;a=b\r\nabc\r\n0\r\nT: x\r\n\r\n",
            "200 0/3",
        ),
        (
            "HEAD",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
            "200 0/0",
        ),
        (
            "GET",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nabcd",
            "200 0/4",
        ),
        ("GET", "HTTP/1.1 200 OK\r\n\r\nuntil the end", "200 0/13"),
        ("GET", "HTTP/1.0 200 OK\r\n\r\nuntil the end", "200 0/13"),
        (
            "GET",
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n",
            "204 0/0",
        ),
        (
            "GET",
            "HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\nHTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 404 N\r\nContent-Length: 1\r\n\r\nx",
            "404 0/1",
        ),
        (
            "GET",
            "HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nok",
            "200 0/2",
        ),
    ] {
        let expected = format!("{method} / {expected}");
        assert_eq!(
            talk(&format!("{method} / HTTP/1.1\r\nHost: a\r\n\r\n"), response),
            [expected],
            "{response}"
        );
    }
}

#[test]
fn the_length_of_a_request_follows_the_rfc() {
    for (request, expected) in [
        (
            post("/", "Content-Length: 5\r\n", "hello"),
            "POST / 200 5/2",
        ),
        (
            post(
                "/",
                "Transfer-Encoding: chunked\r\n",
                "5\r\nhello\r\n0\r\n\r\n",
            ),
            "POST / 200 5/2",
        ),
        (
            post(
                "/",
                "Transfer-Encoding: chunked\r\n",
                "1;x\r\nh\r\nA\r\n0123456789\r\n0\r\nA: b\r\n\r\n",
            ),
            "POST / 200 11/2",
        ),
        (post("/", "", ""), "POST / 200 0/2"),
        (
            "\r\n\r\nGET /a HTTP/1.1\r\n\r\n".to_owned(),
            "GET /a 200 0/2",
        ),
        ("OPTIONS * HTTP/1.1\r\n\r\n".to_owned(), "OPTIONS * 200 0/2"),
        (
            "GET http://a.example/x?y HTTP/1.1\r\n\r\n".to_owned(),
            "GET http://a.example/x?y 200 0/2",
        ),
        (
            "PROPFIND /dav HTTP/1.1\r\n\r\n".to_owned(),
            "PROPFIND /dav 200 0/2",
        ),
        (
            "M-SEARCH /ssdp HTTP/1.1\r\n\r\n".to_owned(),
            "M-SEARCH /ssdp 200 0/2",
        ),
        (
            "GET /old HTTP/1.0\r\nConnection: keep-alive\r\n\r\n".to_owned(),
            "GET /old 200 0/2",
        ),
    ] {
        assert_eq!(talk(&request, OK), [expected], "{request}");
        // The next one on the connection is read from the right place.
        let both = talk(&(request.clone() + &get("/next")), &OK.repeat(2));
        assert_eq!(both, [expected, "GET /next 200 0/2"], "{request}");
    }
}

#[test]
fn ambiguous_requests_are_reported_with_their_response_and_end_the_pairing() {
    for (request, reason) in [
        (
            post(
                "/",
                "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n",
                "0\r\n\r\n",
            ),
            "both_lengths",
        ),
        (
            post(
                "/",
                "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n",
                "0\r\n\r\n",
            ),
            "both_lengths",
        ),
        (
            post("/", "Content-Length: 3\r\nContent-Length: 4\r\n", "abc"),
            "content_length",
        ),
        (
            post("/", "Content-Length: 3, 4\r\n", "abc"),
            "content_length",
        ),
        (post("/", "Content-Length: +3\r\n", "abc"), "content_length"),
        (
            post("/", "Content-Length: 99999999999999999999\r\n", ""),
            "content_length",
        ),
        (post("/", "Content-Length: \r\n", ""), "content_length"),
        (
            post("/", "Transfer-Encoding: gzip\r\n", ""),
            "transfer_encoding",
        ),
        (
            post("/", "Transfer-Encoding: chunked, gzip\r\n", ""),
            "transfer_encoding",
        ),
        (
            post("/", "Transfer-Encoding: chunked, chunked\r\n", "0\r\n\r\n"),
            "transfer_encoding",
        ),
        (
            post("/", "Transfer-Encoding: xchunked\r\n", ""),
            "transfer_encoding",
        ),
        (
            "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n".to_owned(),
            "transfer_encoding",
        ),
        (
            "POST / HTTP/1.1\r\nHost: a\r\nA: b\r\n c\r\n\r\n".to_owned(),
            "obs_fold",
        ),
        (
            "POST / HTTP/1.1\r\nHost: a\nA: b\r\n\r\n".to_owned(),
            "bare_line_feed",
        ),
        ("POST / HTTP/1.1\nHost: a\n\n".to_owned(), "bare_line_feed"),
        (
            "POST / HTTP/1.1\r\nHost: a\r\n\n".to_owned(),
            "bare_line_feed",
        ),
        (
            post("/", "Transfer-Encoding: chunked\r\n", "z\r\n"),
            "chunk_size",
        ),
        (
            post(
                "/",
                "Transfer-Encoding: chunked\r\n",
                "fffffffffffffffff\r\n",
            ),
            "chunk_size",
        ),
    ] {
        let mut talk = Talk::new();
        talk.client(&request)
            .server(OK)
            .client(get("/next"))
            .server(OK)
            .end();
        talk.shows(&[
            &format!("POST / 200 0/2 {reason}"),
            "GET /next - 0/0 pairing_broken",
            "? 200 0/2 pairing_broken",
        ]);
    }
}

#[test]
fn a_head_that_cannot_be_read_keeps_its_response() {
    for (request, reason) in [
        ("GET / HTTP/1.1\r\nHost : a\r\n\r\n".to_owned(), "head"),
        ("GET /\r\n\r\n".to_owned(), "head"),
        ("GET / HTTP/3.1\r\n\r\n".to_owned(), "head"),
        ("GET / HTTP/1.1\r\nA\0: b\r\n\r\n".to_owned(), "head"),
        (
            format!("GET / HTTP/1.1\r\n{}\r\n", "A: b\r\n".repeat(129)),
            "head_too_long",
        ),
        (
            format!("GET / HTTP/1.1\r\nA: {}\r\n\r\n", "b".repeat(5000)),
            "head_too_long",
        ),
    ] {
        let mut talk = Talk::new();
        talk.client(get("/first")).server(OK).client(&request);
        talk.server("HTTP/1.1 400 Bad\r\nContent-Length: 0\r\n\r\n")
            .fin(Side::Server)
            .end();
        talk.shows(&["GET /first 200 0/2", &format!("? 400 0/0 {reason}")]);
    }
}

#[test]
fn ambiguous_responses_are_reported_and_end_the_pairing() {
    for (response, expected) in [
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            "200 0/0 both_lengths",
        ),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok",
            "200 0/0 content_length",
        ),
        (
            "HTTP/1.1 200 OK\nContent-Length: 2\n\nok",
            "200 0/2 bare_line_feed",
        ),
        (
            "HTTP/1.1 200 OK\r\nA: b\r\n c\r\nContent-Length: 2\r\n\r\nok",
            "200 0/2 obs_fold",
        ),
        ("HTTP/1.1 200 OK\r\nA : b\r\n\r\n", "200 0/0 head"),
        ("HTTP/1.1 2x0 OK\r\n\r\n", "- 0/0 head"),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nokay",
            "200 0/2 chunk_size",
        ),
        ("junk", "- 0/0 head"),
    ] {
        let mut talk = Talk::new();
        talk.client(get("/"))
            .server(response)
            .client(get("/next"))
            .server(OK)
            .end();
        talk.shows(&[
            &format!("GET / {expected}"),
            "GET /next - 0/0 pairing_broken",
            "? 200 0/2 pairing_broken",
        ]);
    }
}

#[test]
fn pipelined_requests_pair_in_order() {
    let mut talk = Talk::new();
    let targets: Vec<String> = (0..50).map(|index| format!("/{index}")).collect();
    talk.client(targets.iter().map(|target| get(target)).collect::<String>());
    for index in 0..50 {
        talk.server(format!(
            "HTTP/1.1 {} x\r\nContent-Length: {index}\r\n\r\n{}",
            400 + index,
            "x".repeat(index)
        ));
    }
    let expected: Vec<String> = (0..50)
        .map(|index| format!("GET /{index} {} 0/{index}", 400 + index))
        .collect();
    assert_eq!(talk.lines(), expected);
    assert_eq!(talk.connection.heap_bytes(), 0);
}

#[test]
fn tunnels_count_to_the_exchange_that_opened_them() {
    let mut talk = Talk::new();
    talk.client("CONNECT a.example:443 HTTP/1.1\r\nHost: a\r\n\r\n");
    talk.server("HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n")
        .client("\x16\x03\x01hello")
        .server("world!");
    talk.lost(Side::Server, 1 << 32)
        .client(get("/inside"))
        .fin(Side::Client)
        .fin(Side::Server);
    talk.shows(&[&format!(
        "CONNECT a.example:443 200 {}/{}",
        8 + get("/inside").len(),
        6 + (1u64 << 32)
    )]);

    let mut talk = Talk::new();
    talk.client("GET /ws HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n");
    talk.server("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\nframe")
        .client("mask")
        .end();
    talk.shows(&["GET /ws 101 4/5"]);
    assert_eq!(talk.seen.missing, 0);
}

#[test]
fn a_refused_tunnel_leaves_the_connection_as_it_was() {
    let mut talk = Talk::new();
    talk.client("CONNECT a:1 HTTP/1.1\r\n\r\n")
        .server("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n");
    talk.client("GET /h2c HTTP/1.1\r\nUpgrade: h2c\r\n\r\n")
        .server(OK)
        .client(get("/"))
        .server(OK);
    talk.shows(&["CONNECT a:1 403 0/0", "GET /h2c 200 0/2", "GET / 200 0/2"]);
}

#[test]
fn an_early_response_waits_for_the_rest_of_the_request() {
    let mut talk = Talk::new();
    talk.client(post("/", "Content-Length: 10\r\n", "01234"))
        .server(OK);
    talk.shows(&[]);
    talk.client("56789").client(get("/next")).server(OK);
    talk.shows(&["POST / 200 10/2", "GET /next 200 0/2"]);
    assert_eq!(talk.seen.exchanges[0].end, 3);
}

#[test]
fn a_body_that_was_only_announced_may_not_come() {
    let expect = post("/", "Expect: 100-continue\r\nContent-Length: 10\r\n", "");
    let refused = "HTTP/1.1 417 Expectation Failed\r\nContent-Length: 0\r\n\r\n";
    let mut talk = Talk::new();
    talk.client(&expect)
        .server(refused)
        .client(get("/next"))
        .server(OK);
    talk.shows(&["POST / 417 0/0", "GET /next 200 0/2"]);
    let mut talk = Talk::new();
    talk.client(&expect)
        .server("HTTP/1.1 100 Continue\r\n\r\n")
        .client("GET / HTTP")
        .server(OK);
    talk.client(get("/next")).server(OK);
    talk.shows(&["POST / 200 10/2", "GET /next 200 0/2"]);
    let mut talk = Talk::new();
    talk.client(&expect)
        .server(refused)
        .client("0123456789")
        .client(get("/next"))
        .server(OK);
    talk.shows(&["POST / 417 10/0", "GET /next 200 0/2"]);
    let mut talk = Talk::new();
    talk.client(&expect)
        .server(refused)
        .fin(Side::Client)
        .fin(Side::Server);
    talk.shows(&["POST / 417 0/0"]);
}

#[test]
fn sizes_and_times_of_an_exchange() {
    let mut talk = Talk::new();
    talk.client("GET / HT")
        .client("TP/1.1\r\n\r\n")
        .server("HTTP/1.1 200 OK\r\nContent-Le");
    talk.server("ngth: 2\r\n\r\no").server("k");
    let exchange = &talk.seen.exchanges[0];
    assert_eq!(
        (exchange.begin, exchange.first_byte, exchange.end),
        (1, Some(3), 5)
    );
    assert_eq!(
        (exchange.request_head_bytes, exchange.response_head_bytes),
        (18, 38)
    );
}

#[test]
fn a_proxy_header_is_no_part_of_the_first_exchange() {
    for header in [
        &b"PROXY TCP4 192.0.2.7 198.51.100.1 5000 443\r\n"[..],
        b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c\xc0\x00\x02\x07\xc6\x33\x64\x01\x13\x88\x01\xbb",
    ] {
        let whole = [header, get("/").as_bytes()].concat();
        for cut in 0..whole.len() {
            let mut talk = Talk::new();
            talk.client(&whole[..cut]).client(&whole[cut..]).server(OK);
            talk.shows(&["GET / 200 0/2"]);
            assert_eq!(talk.seen.proxied, [Some("192.0.2.7:5000".parse().unwrap())]);
            assert_eq!(
                talk.seen.exchanges[0].request_head_bytes,
                get("/").len() as u64
            );
        }
    }
}

#[test]
fn what_is_not_http_1_is_opaque() {
    for first in [
        &b"\x16\x03\x01\x02\x00\x01"[..],
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"SSH-2.0-x\r\n",
        b"\0\0",
        b"PROXY x y",
    ] {
        let mut talk = Talk::new();
        talk.client(first)
            .server("x")
            .lost(Side::Client, 5)
            .fin(Side::Client)
            .end();
        assert!(talk.connection.is_opaque(), "{first:?}");
        assert_eq!(talk.seen, Seen::default());
    }
    let mut talk = Talk::new();
    assert!(
        talk.server("220 smtp.example ESMTP\r\n")
            .connection
            .is_opaque()
    );
}
