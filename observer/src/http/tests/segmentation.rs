//! However two streams are cut into segments, and whether bodies are copied or not, the exchanges are the same.

use super::*;
use proptest::collection::vec;
use proptest::prelude::*;

fn request() -> impl Strategy<Value = String> {
    let body = "[ -~]{0,60}";
    prop_oneof![
        "/[a-z]{0,9}".prop_map(|target| get(&target)),
        "/[a-z]{0,9}".prop_map(|target| format!("\r\n{}", get(&target))),
        "/[a-z]{0,9}".prop_map(|target| format!("HEAD {target} HTTP/1.1\r\n\r\n")),
        body.prop_map(|body| post(
            "/length",
            &format!("Content-Length: {}\r\n", body.len()),
            &body
        )),
        body.prop_map(|body| post(
            "/chunked",
            "Transfer-Encoding: chunked\r\n",
            &chunked(&body)
        )),
    ]
}

/// The last request: what is ambiguous ends the pairing, and past that point segments do matter.
fn last() -> impl Strategy<Value = String> {
    prop_oneof![
        Just(get("/last")),
        Just("GET /fold HTTP/1.1\r\nA: b\r\n c\r\n\r\n".to_owned()),
        Just("GET /feed HTTP/1.1\nA: b\n\n".to_owned()),
        Just("GET /name HTTP/1.1\r\nA : b\r\n\r\n".to_owned()),
        Just(post(
            "/both",
            "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n",
            "0\r\n\r\n"
        )),
    ]
}

fn response() -> impl Strategy<Value = String> {
    let body = "[ -~]{0,60}";
    let last = prop_oneof![
        body.prop_map(|body| format!(
            "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )),
        body.prop_map(|body| format!(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{}",
            chunked(&body)
        )),
        Just("HTTP/1.1 304 Not Modified\r\n\r\n".to_owned()),
        Just("HTTP/1.1 204 No Content\r\n\r\n".to_owned()),
    ];
    (
        vec(Just("HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"), 0..3),
        last,
    )
        .prop_map(|(hints, last)| hints.concat() + &last)
}

/// A request with a response that fits it: to HEAD, one without a body.
fn exchange() -> impl Strategy<Value = (String, String)> {
    (request(), response()).prop_map(|(request, response)| match request.starts_with("HEAD") {
        true => (
            request,
            "HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n".to_owned(),
        ),
        false => (request, response),
    })
}

fn chunked(body: &str) -> String {
    let chunks: String = body
        .as_bytes()
        .chunks(7)
        .map(|chunk| {
            format!(
                "{:x};e=1\r\n{}\r\n",
                chunk.len(),
                String::from_utf8_lossy(chunk)
            )
        })
        .collect();
    chunks + "0\r\nTrailer: x\r\n\r\n"
}

/// Sends one message in pieces. `copied`: nothing is left out; else what need not be copied comes as holes.
fn send(talk: &mut Talk, side: Side, message: &[u8], cuts: &[usize], copied: bool) {
    let mut cuts: Vec<usize> = cuts
        .iter()
        .map(|cut| cut % (message.len() + 1))
        .chain([0, message.len()])
        .collect();
    cuts.sort_unstable();
    for pair in cuts.windows(2) {
        let mut piece = &message[pair[0]..pair[1]];
        while !piece.is_empty() {
            let offset = talk.sent[side as usize];
            let known = talk
                .connection
                .skip_until(side)
                .filter(|_| !copied)
                .map_or(0, |until| until - offset);
            let skipped = piece.len().min(known as usize);
            if skipped > 0 {
                talk.lost(side, skipped as u64);
            } else {
                talk.send(side, piece);
                piece = &[];
            }
            piece = &piece[skipped.min(piece.len())..];
        }
    }
}

fn run(
    messages: &[(String, String)],
    pipelined: bool,
    cuts: &[usize],
    copied: bool,
    last: &str,
    tail: &str,
) -> (Vec<String>, Vec<[u64; 2]>, u64) {
    let mut talk = Talk::new();
    if pipelined {
        let (requests, responses): (String, String) = messages.iter().cloned().unzip();
        send(&mut talk, Side::Client, requests.as_bytes(), cuts, copied);
        send(&mut talk, Side::Server, responses.as_bytes(), cuts, copied);
    } else {
        for (request, response) in messages {
            send(&mut talk, Side::Client, request.as_bytes(), cuts, copied);
            send(&mut talk, Side::Server, response.as_bytes(), cuts, copied);
        }
    }
    send(&mut talk, Side::Client, last.as_bytes(), cuts, copied);
    send(&mut talk, Side::Server, tail.as_bytes(), cuts, copied);
    talk.fin(Side::Server).fin(Side::Client).end();
    let heads = talk
        .seen
        .exchanges
        .iter()
        .map(|exchange| [exchange.request_head_bytes, exchange.response_head_bytes])
        .collect();
    assert_eq!(talk.connection.heap_bytes(), 0);
    (talk.lines(), heads, talk.seen.missing)
}

#[test]
fn blank_lines_before_another_protocol_are_its_own() {
    let upgrade = "GET /up HTTP/1.1\r\nUpgrade: x\r\n\r\n";
    let (switching, ok) = ("HTTP/1.1 101 Switching\r\n\r\n", OK.repeat(2));
    for (client, server, expected) in [
        (
            "\r\nGET /next HTTP/1.1\r\n\r\n",
            &*ok,
            &["GET /up 200 0/2", "GET /next 200 0/2"][..],
        ),
        ("\r\n{\x01}x", switching, &["GET /up 101 6/0"]),
        ("\x16\x03\x01\x02\x00\x01", switching, &["GET /up 101 6/0"]),
        (&"\n".repeat(50), switching, &["GET /up 101 50/0"]),
    ] {
        for length in [1, 2, 3, 100] {
            let mut talk = Talk::new();
            talk.client(upgrade);
            for piece in client.as_bytes().chunks(length) {
                talk.client(piece);
            }
            talk.server(server).fin(Side::Server).fin(Side::Client);
            talk.end();
            talk.shows(expected);
        }
    }
}

proptest! {
    #[test]
    fn any_segmentation_gives_the_same_exchanges(
        messages in vec(exchange(), 0..6),
        pipelined: bool,
        cuts in vec(any::<usize>(), 0..30),
        copied: bool,
        last in last(),
        tail in prop_oneof![Just("HTTP/1.1 200 OK\r\n\r\nuntil the close"), Just("HTTP/1.1 101 Switching\r\n\r\nxyz")],
    ) {
        let whole = run(&messages, pipelined, &[], true, &last, tail);
        prop_assert_eq!(run(&messages, pipelined, &cuts, copied, &last, tail), whole);
    }

    #[test]
    fn no_bytes_do_harm(
        events in vec((any::<bool>(), 0usize..6, vec(any::<u8>(), 0..20), 0usize..80), 0..60),
        from_start: bool,
    ) {
        let samples = [
            get("/"), OK.to_owned(), post("/", "Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n", "5\r\nhello\r\n"),
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n".to_owned(),
            "CONNECT a:1 HTTP/1.1\r\n\r\n".to_owned(), "HTTP/1.1 100 Continue\r\n\r\n".to_owned(),
        ];
        let mut talk = if from_start { Talk::new() } else { Talk::joined() };
        talk.limits = Limits { head_bytes: 200, pipeline_depth: 4 };
        for (client, kind, bytes, length) in events {
            let side = if client { Side::Client } else { Side::Server };
            let sample = samples[length % samples.len()].as_bytes();
            match kind {
                0 => { talk.send(side, &bytes); }
                1 => { talk.send(side, &sample[..length.min(sample.len())]); }
                2 | 3 => { talk.send(side, sample); }
                4 => { talk.lost(side, length as u64); }
                _ => match length {
                    0..5 => { talk.fin(side); }
                    5 => { talk.reset(side); }
                    6..12 => talk.connection.conflict(side),
                    _ => { talk.send(side, &[sample, &bytes].concat()); }
                },
            }
            prop_assert!(talk.connection.heap_bytes() < 16 * 1024);
        }
        talk.end();
        prop_assert!(talk.connection.is_idle() || talk.connection.is_opaque());
    }
}
