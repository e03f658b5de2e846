//! How exchanges end that do not run to their end.

use super::*;

const HALF: &str = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf";
const OPEN: &str = "HTTP/1.1 200 OK\r\n\r\nopen";

#[test]
fn a_client_that_goes_before_the_response_is_complete_aborts() {
    for response in [
        "",
        HALF,
        OPEN,
        "HTTP/1.1 200 OK\r\nConte",
        "HTTP/1.1 100 Continue\r\n\r\n",
    ] {
        let mut talk = Talk::new();
        talk.client(get("/")).server(response).reset(Side::Client);
        assert_eq!(talk.seen.exchanges.len(), 1, "{response}");
        assert_eq!(
            talk.seen.exchanges[0].cut,
            Some(Cut::ClientAbort),
            "{response}"
        );
    }
    for response in ["", HALF] {
        let mut talk = Talk::new();
        talk.client(get("/"))
            .fin(Side::Client)
            .server(response)
            .fin(Side::Server);
        assert_eq!(
            talk.seen.exchanges[0].cut,
            Some(Cut::ClientAbort),
            "{response}"
        );
        let mut talk = Talk::new();
        talk.client(get("/"))
            .fin(Side::Client)
            .server(response)
            .end();
        assert_eq!(
            talk.seen.exchanges[0].cut,
            Some(Cut::ClientAbort),
            "{response}"
        );
    }
}

#[test]
fn a_half_close_is_no_abort() {
    let mut talk = Talk::new();
    talk.client(get("/"))
        .fin(Side::Client)
        .server(OK)
        .fin(Side::Server);
    talk.shows(&["GET / 200 0/2"]);
    let mut talk = Talk::new();
    talk.client(get("/"))
        .fin(Side::Client)
        .server(OPEN)
        .fin(Side::Server);
    talk.shows(&["GET / 200 0/4"]);
}

#[test]
fn a_server_that_goes_in_the_middle_resets() {
    for response in [
        HALF,
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhe",
        "HTTP/1.1 200 OK\r\nCo",
    ] {
        for reset in [true, false] {
            let mut talk = Talk::new();
            talk.client(get("/")).server(response);
            if reset {
                talk.reset(Side::Server)
            } else {
                talk.fin(Side::Server)
            };
            talk.end();
            assert_eq!(talk.seen.exchanges.len(), 1, "{response}");
            assert_eq!(
                talk.seen.exchanges[0].cut,
                Some(Cut::ServerReset),
                "{response}"
            );
        }
    }
    let mut talk = Talk::new();
    talk.client(get("/")).server(OPEN).reset(Side::Server);
    talk.shows(&["GET / 200 0/4 server_reset"]);
    let mut talk = Talk::new();
    talk.client(get("/")).reset(Side::Server);
    talk.shows(&["GET / - 0/0 server_reset"]);
}

#[test]
fn no_response_is_said_so() {
    let mut talk = Talk::new();
    talk.client(get("/")).fin(Side::Server).end();
    talk.shows(&["GET / - 0/0 no_response"]);
    let mut talk = Talk::new();
    talk.client(get("/1")).client(get("/2")).server(OK).end();
    talk.shows(&["GET /1 200 0/2", "GET /2 - 0/0 no_response"]);
    let mut talk = Talk::new();
    talk.client(get("/1"))
        .server(OK)
        .fin(Side::Server)
        .client(get("/late"))
        .fin(Side::Client)
        .end();
    talk.shows(&["GET /1 200 0/2", "GET /late - 0/0 no_response"]);
    let mut talk = Talk::new();
    talk.client(post("/", "Content-Length: 9\r\n", "half"))
        .fin(Side::Server)
        .client("-body")
        .end();
    talk.shows(&["POST / - 9/0 no_response"]);
}

#[test]
fn the_end_of_a_capture_is_no_cut() {
    let mut talk = Talk::new();
    talk.client(get("/")).server(OPEN).end();
    talk.shows(&["GET / 200 0/4"]);
    let mut talk = Talk::new();
    talk.client(get("/")).server(HALF).end();
    talk.shows(&["GET / 200 0/4 gap"]);
    let mut talk = Talk::new();
    talk.client("GET / HTTP/1.1\r\nHos").end();
    talk.shows(&["? - 0/0 gap"]);
}

#[test]
fn a_request_that_was_cut_keeps_its_response() {
    let mut talk = Talk::new();
    talk.client(post("/", "Content-Length: 10\r\n", "01234"))
        .fin(Side::Client);
    talk.server("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
        .fin(Side::Server);
    talk.shows(&["POST / 400 5/0"]);
    let mut talk = Talk::new();
    talk.client("GET / HTTP/1.1\r\nHo")
        .fin(Side::Client)
        .fin(Side::Server)
        .end();
    talk.shows(&["? - 0/0 client_abort"]);
    // Too little to call it a request.
    let mut talk = Talk::new();
    talk.client("G").fin(Side::Client).fin(Side::Server).end();
    talk.shows(&[]);
}

#[test]
fn a_tunnel_ends_with_its_connection() {
    for over in [Side::Client, Side::Server] {
        let mut talk = Talk::new();
        talk.client("CONNECT a:1 HTTP/1.1\r\n\r\n")
            .server("HTTP/1.1 200 OK\r\n\r\n")
            .client("abc")
            .reset(over);
        talk.shows(&["CONNECT a:1 200 3/0"]);
    }
}

#[test]
fn nothing_is_reported_twice_after_the_end() {
    let mut talk = Talk::new();
    talk.client(get("/"))
        .reset(Side::Client)
        .server(OK)
        .fin(Side::Server)
        .client(get("/"))
        .end();
    talk.shows(&["GET / - 0/0 client_abort"]);
    assert_eq!(talk.connection.heap_bytes(), 0);
}
