//! Who is shut off or limited, as the server and the clients see it.

#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on stops with what went wrong"
)]

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use observer_tests::caller::Caller;
use observer_tests::daemon::{KEYS, Setup};
use observer_tests::namespace::Link;
use observer_tests::nginx::Nginx;
use observer_tests::process::{run, wait_for};
use observer_tests::require::require;
use observer_tests::response::{act, ask, undo, wait_for_hits};
use observer_tests::traffic::{key_field, request};
use serde_json::Value;

/// Setup in which these users have a key each; theirs are returned.
fn with_users(count: usize, more: &str) -> (Setup, Vec<String>) {
    let setup = Setup::new("", more);
    let keys: Vec<String> = (0..count)
        .map(|number| format!("sk_test_{number}_4b7c19"))
        .collect();
    for (number, key) in keys.iter().enumerate() {
        setup.register(
            &format!("user{number}"),
            &format!("fp = \"{}\"", setup.fingerprint(key)),
        );
    }
    (setup, keys)
}

fn call(link: &Link, path: &str, key: &str, pause: Duration) -> Caller {
    let field = format!("{}\r\n", key_field(key));
    Caller::start(&link.client, "10.77.0.1:80", path, &field, pause)
}

#[test]
fn a_key_that_is_shut_off_never_reaches_the_server() {
    if !require(&["ip", "nsenter", "nginx", "curl"]) {
        return;
    }
    let link = Link::new();
    let nginx = Nginx::start(&link.server);
    let (setup, keys) = with_users(20, "");
    let daemon = setup.start(&link.server);
    let callers: Vec<Caller> = keys
        .iter()
        .map(|key| call(&link, "/v1/widgets", key, Duration::from_millis(2)))
        .collect();
    wait_for("all to be served", Duration::from_secs(10), || {
        callers
            .iter()
            .all(|caller| caller.got().len() > 20)
            .then_some(())
    });
    let before = callers[7].next();
    let begin = Instant::now();
    act(&setup, "user7-key", "block", 60);
    let took = begin.elapsed();
    let from = callers[7].next();
    println!("a block is in force after {took:?}");
    assert!(took < Duration::from_secs(2), "{took:?}");
    wait_for("refusals", Duration::from_secs(10), || {
        (callers[7].next() > from + 50).then_some(())
    });
    let undoing = callers[7].next();
    undo(&setup, "user7-key");
    let until = callers[7].next();
    wait_for("service again", Duration::from_secs(10), || {
        (callers[7].next() > until + 50).then_some(())
    });
    for (number, caller) in callers.into_iter().enumerate() {
        for got in caller.finish() {
            // While a command is at work, either may be.
            let either = (before.saturating_sub(1)..from).contains(&got.number)
                || (undoing.saturating_sub(1)..until).contains(&got.number);
            if number == 7 && (either || got.is_cut_off(from)) {
                continue;
            }
            let refused = number == 7 && (from..until).contains(&got.number);
            let expected = if refused { 403 } else { 200 };
            assert_eq!(
                got.status,
                Some(expected),
                "{number}: {got:?}\n{}",
                daemon.log()
            );
            if refused {
                let content: Value = serde_json::from_str(&got.content).expect("problem details");
                assert_eq!(content["status"], 403);
            }
        }
    }
    let logged = nginx.edge();
    let served = |number: u64| {
        let uri = format!("/v1/widgets/{number}");
        logged
            .iter()
            .any(|line| line.key == keys[7] && line.uri == uri)
    };
    let passed: Vec<u64> = (from..undoing.saturating_sub(1))
        .filter(|number| served(*number))
        .collect();
    assert!(passed.is_empty(), "{passed:?} were served");
}

/// Requests of a limited subject that are served, with these keys of one consumer, four callers at full speed.
fn limited(target: &str, keys: &[&str]) {
    const RATE: f64 = 20.0;
    let link = Link::new();
    let nginx = Nginx::start(&link.server);
    let setup = Setup::new("", "");
    let entries: String = keys
        .iter()
        .enumerate()
        .map(|(number, key)| {
            let fingerprint = setup.fingerprint(key);
            format!("[[account.app.key]]\nid = \"key{number}\"\nfp = \"{fingerprint}\"\n")
        })
        .collect();
    let account = format!("[[account]]\nid = \"busy\"\n[[account.app]]\nid = \"app\"\n{entries}");
    fs::write(setup.path("registry.d/busy.toml"), account).expect("writing the registry");
    let daemon = setup.start(&link.server);
    let callers: Vec<Caller> = (0..4)
        .map(|number| {
            let key = keys[number % keys.len()];
            call(&link, &format!("/v1/widgets/{number}"), key, Duration::ZERO)
        })
        .collect();
    let other = call(
        &link,
        "/v1/widgets/other",
        KEYS[0].0,
        Duration::from_millis(2),
    );
    for caller in &callers {
        caller.wait_for(200, 10);
    }
    let before = Instant::now();
    let action = act(&setup, target, "limit 20/s", 60);
    let (from, returned) = (
        callers.iter().map(Caller::next).collect::<Vec<_>>(),
        Instant::now(),
    );
    // What is measured is a time.
    std::thread::sleep(Duration::from_secs(3));
    let until: Vec<u64> = callers.iter().map(Caller::next).collect();
    let (longest, shortest) = (before.elapsed(), returned.elapsed());
    let mut refused = 0;
    for ((caller, from), until) in callers.into_iter().zip(&from).zip(&until) {
        for got in caller.finish() {
            if (*from..*until).contains(&got.number) && got.status != Some(200) {
                assert_eq!(got.status, Some(429), "{got:?}\n{}", daemon.log());
                let head = got.head.to_ascii_lowercase();
                assert!(head.contains("\r\nretry-after: 0"), "{head}");
                assert!(
                    head.contains("content-type: application/problem+json"),
                    "{head}"
                );
                let content: Value = serde_json::from_str(&got.content).expect("problem details");
                assert_eq!(content["status"], 429);
                refused += 1;
            }
        }
    }
    let others = other.finish();
    assert!(others.len() > 100);
    for got in others {
        assert_eq!(got.status, Some(200), "{got:?}");
    }
    let mut served = BTreeMap::<usize, u64>::new();
    for line in nginx.edge() {
        let words: Vec<&str> = line.uri.split('/').collect();
        let [_, _, _, caller, number] = words[..] else {
            panic!("{line:?}")
        };
        let (Ok(caller), Ok(number)) = (caller.parse::<usize>(), number.parse::<u64>()) else {
            continue;
        };
        if (from[caller]..until[caller]).contains(&number) {
            *served.entry(caller).or_default() += 1;
        }
    }
    let all: u64 = served.values().sum();
    println!("limit {target}: {all} served in {longest:?}, {refused} refused, {served:?}");
    assert!(
        all as f64 <= RATE * longest.as_secs_f64() + RATE,
        "{all} in {longest:?}"
    );
    assert!(
        all as f64 >= 0.8 * RATE * shortest.as_secs_f64(),
        "{all} in {shortest:?}"
    );
    assert!(refused > 100, "{refused}");
    wait_for_hits(&setup, &action, "refused", refused);
}

#[test]
fn a_limited_key_gets_its_rate_and_no_more() {
    if require(&["ip", "nsenter", "nginx"]) {
        limited("key0", &["sk_test_one_4b7c19"]);
    }
}

#[test]
fn keys_of_a_limited_consumer_share_one_bucket() {
    if require(&["ip", "nsenter", "nginx"]) {
        limited("busy", &["sk_test_one_4b7c19", "sk_test_two_99ab01"]);
    }
}

#[test]
fn an_answer_is_read_over_every_link_and_protocol() {
    if !require(&["ip", "nsenter", "nginx"]) {
        return;
    }
    let link = Link::new();
    let nginx = Nginx::start(&link.server);
    let (setup, keys) = with_users(6, "");
    let _daemon = setup.start(&link.server);
    for stamps in [true, false] {
        for namespace in [&link.server, &link.client] {
            let write = format!(
                "echo {} > /proc/sys/net/ipv4/tcp_timestamps",
                u8::from(stamps)
            );
            run(namespace.command("sh").args(["-c", &write]));
        }
        let ways = [
            (&link.client, "10.77.0.1:80"),
            (&link.client, "[fd77::1]:80"),
            (&link.server, "127.0.0.1:80"),
        ];
        for (number, (namespace, address)) in ways.into_iter().enumerate() {
            let number = number + if stamps { 0 } else { 3 };
            let field = format!("{}\r\n", key_field(&keys[number]));
            let pause = Duration::from_millis(2);
            let caller = Caller::start(namespace, address, "/v1/widgets", &field, pause);
            caller.wait_for(200, 10);
            let action = act(&setup, &format!("user{number}"), "block", 60);
            let from = caller.next();
            let way = format!("{address}, stamps {stamps}");
            caller.wait_for(403, 20);
            let got = caller.finish();
            let refused: Vec<_> = got.iter().filter(|got| got.number >= from).collect();
            for got in refused.iter().filter(|got| !got.is_cut_off(from)) {
                assert_eq!(got.status, Some(403), "{way}: {got:?}");
                let content: Value = serde_json::from_str(&got.content).expect("problem details");
                assert_eq!(content["title"], "Forbidden");
                let head = got.head.to_ascii_lowercase();
                let id = action["id"].as_str().expect("an id");
                assert!(head.contains(id), "{way}: {head}");
            }
            let served = nginx.edge();
            let served = served.iter().filter(|line| {
                let number_of = line
                    .uri
                    .rsplit('/')
                    .next()
                    .and_then(|text| text.parse().ok());
                line.key == keys[number] && number_of.is_some_and(|number: u64| number >= from)
            });
            assert_eq!(served.count(), 0, "{way}");
        }
    }
}

#[test]
fn requests_of_every_shape_are_answered() {
    if !require(&["ip", "nsenter", "nginx", "curl"]) {
        return;
    }
    let link = Link::new();
    let nginx = Nginx::start(&link.server);
    let setup = Setup::new("", "");
    let daemon = setup.start(&link.server);
    let (key, url) = (KEYS[0].0, "http://10.77.0.1/v1/widgets/1");
    let field = key_field(key);
    let first = ask(&link.client, &["-H", &field, url], b"");
    assert_eq!(first.status, 200, "{first:?}");
    // What was accepted is read before the command is carried out.
    let action = act(&setup, "acme", "block", 60);
    let served = nginx.edge().len();

    let small = ask(&link.client, &["-H", &field, "-d", "a=b", url], b"");
    assert_eq!((small.code, small.status), (Some(0), 403), "{small:?}");
    let body = vec![b'x'; 1 << 20];
    for round in 0..10 {
        let large = ["-H", &field, "-H", "Expect:", "--data-binary", "@-", url];
        let large = ask(&link.client, &large, &body);
        assert_eq!(
            (large.code, large.status),
            (Some(0), 403),
            "{round}: {large:?}"
        );
        let content: Value = serde_json::from_str(&large.text).expect("problem details");
        assert_eq!(content["status"], 403);
    }
    let head = ask(&link.client, &["-I", "-H", &field, url], b"");
    assert_eq!((head.code, head.status), (Some(0), 403), "{head:?}");
    assert!(head.text.contains("content-length: "), "{head:?}");

    // A request with its content, and requests in a row, in one segment each.
    let post = format!(
        "POST /v1/widgets/2 HTTP/1.1\r\nHost: a\r\n{field}\r\nContent-Length: 9\r\n\r\n123456789"
    );
    let row: String = (3..6)
        .map(|number| request(&format!("/v1/widgets/{number}"), key))
        .collect();
    for sent in [post, row] {
        let answer = link.client.inside(|| {
            let mut stream = TcpStream::connect("10.77.0.1:80").expect("connecting");
            stream
                .set_read_timeout(Some(Duration::from_secs(5)))
                .expect("a timeout");
            stream.write_all(sent.as_bytes()).expect("sending");
            let mut answer = String::new();
            stream
                .read_to_string(&mut answer)
                .expect("an answer, and the end");
            answer
        });
        assert!(answer.starts_with("HTTP/1.1 403 "), "{answer}");
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{answer}");
    }
    wait_for_hits(&setup, &action, "refused", 14);
    let logged = nginx.edge();
    assert_eq!(
        logged.len(),
        served,
        "{:?}\n{}",
        &logged[served..],
        daemon.log()
    );
}

#[test]
fn a_reset_is_all_that_a_client_gets_where_that_is_wanted() {
    if !require(&["ip", "nsenter", "nginx"]) {
        return;
    }
    let link = Link::new();
    let nginx = Nginx::start(&link.server);
    let (setup, keys) = with_users(2, "[response]\nrefuse = \"reset\"");
    let _daemon = setup.start(&link.server);
    let pause = Duration::from_millis(2);
    let callers = [0, 1].map(|number| call(&link, "/v1/widgets", &keys[number], pause));
    for caller in &callers {
        caller.wait_for(200, 10);
    }
    let action = act(&setup, "user0", "block", 60);
    let from = callers[0].next();
    wait_for_hits(&setup, &action, "refused", 50);
    let [blocked, other] = callers.map(Caller::finish);
    for got in blocked.iter().filter(|got| got.number >= from) {
        assert_eq!(
            (got.status, got.failed),
            (None, Some(std::io::ErrorKind::ConnectionReset)),
            "{got:?}"
        );
    }
    for got in &other {
        assert_eq!(got.status, Some(200), "{got:?}");
    }
    let served = nginx.edge();
    let passed = served.iter().filter(|line| {
        let number = line
            .uri
            .rsplit('/')
            .next()
            .and_then(|text| text.parse().ok());
        line.key == keys[0] && number.is_some_and(|number: u64| number >= from)
    });
    assert_eq!(passed.count(), 0);
    let errors = fs::read_to_string(nginx.path("error.log")).expect("nginx's errors");
    let grave = ["[alert]", "[crit]", "[emerg]"];
    assert!(
        !grave.iter().any(|level| errors.contains(level)),
        "{errors}"
    );
}
