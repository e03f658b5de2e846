//! What is lost is said to be lost, and what is reported in spite of it is true.

use std::collections::{HashMap, HashSet};
use std::thread;
use std::time::Duration;

use observer_tests::daemon::{Daemon, KEYS, Setup};
use observer_tests::namespace::Link;
use observer_tests::nginx::{DOWNLOAD, Item, Nginx};
use observer_tests::process::wait_for;
use observer_tests::require::require;
use observer_tests::traffic::{Connection, request, wrk};
use rustix::process::Signal;
use serde_json::Value;

const SERVER: &str = "10.77.0.1:80";
/// Requests of a connection joined in the middle, or that lost something, that may stay without their response: that
/// nobody pipelines has to be seen before a response is anybody's.
const PROOF: usize = 3;
/// The first item of the client that takes turns; a load does not come so far.
const WITNESSED: u64 = 900_000_000;

/// Fails where a record says of an item what never was. Returns how often each is reported with certainty.
fn certain_items(records: &[Value]) -> HashMap<u64, usize> {
    let mut certain = HashMap::new();
    for record in records {
        let Some(number) = record["target"].as_str().and_then(Item::number) else {
            continue;
        };
        let item = Item::of(number);
        let (_, consumer) = KEYS[item.key];
        let is_certain = record["complete"] == true;
        let whose = &record["consumer"];
        assert!(
            *whose == consumer || (!is_certain && *whose == "__unknown__"),
            "whose? {record}"
        );
        let status = &record["status"];
        assert!(
            *status == item.status || (!is_certain && status.is_null()),
            "of another request: {record}"
        );
        if is_certain {
            assert_eq!(record["response_body_bytes"], item.length, "{record}");
            assert_eq!(record["method"], "GET", "{record}");
            *certain.entry(number).or_default() += 1;
        }
    }
    certain
}

fn lost_events(daemon: &Daemon<'_>) -> f64 {
    daemon.metrics().sum(
        "observer_capture_lost_events_total",
        &[("reason", "ring_full")],
    )
}

/// Makes the daemon lose events under load, `depth` requests at a time on each connection, and checks what it says.
fn lose(depth: u32) {
    let link = Link::new();
    let nginx = Nginx::start(&link.server);
    let setup = Setup::new("ring_bytes = \"16KiB\"", "");
    let daemon = setup.start(&link.server);

    let lua = format!(
        r#"
        local number = 99
        function request()
          local batch = {{}}
          for place = 1, {depth} do
            number = number + 1
            local key = keys[math.floor(number / 100) % 5 + 1]
            batch[place] = wrk.format("GET", "/v1/items/" .. number, {{["X-API-Key"] = key}})
          end
          return table.concat(batch)
        end"#
    );
    let load = ["-t1", "-c16", "-d2", "http://10.77.0.1"];
    // A client that takes turns, from before the load until after it.
    let mut witness = Connection::open(&link.client, SERVER);
    let mut witnessed = WITNESSED..;
    let mut ask = |times| -> Vec<u64> {
        let numbers: Vec<u64> = witnessed.by_ref().take(times).collect();
        for number in &numbers {
            witness.item(*number);
        }
        numbers
    };
    ask(5);
    let mut load = wrk(&link.client, &setup.path("wrk.lua"), &lua, &load);
    // A daemon that gets no time, again and again.
    let mut pauses = 0;
    wait_for("wrk to end", Duration::from_secs(20), || {
        daemon.process.signal(Signal::STOP);
        thread::sleep(Duration::from_millis(30));
        ask(1);
        daemon.process.signal(Signal::CONT);
        thread::sleep(Duration::from_millis(170));
        pauses += 1;
        (!load.is_running()).then_some(())
    });

    let lost = lost_events(&daemon);
    assert!(lost > 0.0, "{pauses} pauses and nothing lost");
    let completeness = daemon
        .metrics()
        .sum("observer_capture_completeness_ratio", &[]);
    assert!(completeness < 1.0, "completeness {completeness}");

    // Once the ring has room again, a connection that lost something is read as before.
    wait_for(
        "a new connection to be read",
        Duration::from_secs(10),
        || {
            Connection::open(&link.client, SERVER).get("/v1/widgets/1", KEYS[0].0);
            let labels = [("route", "/v1/widgets/{id}")];
            let read = daemon
                .metrics()
                .sum("observer_http_requests_total", &labels);
            (read > 0.0).then_some(())
        },
    );
    // The ring is released by the books: so small a one would be full again after a few exchanges in a row.
    let mut ask_and_commit = |times| -> Vec<u64> {
        (0..times)
            .flat_map(|_| {
                let asked = ask(1);
                setup.usage("consumer");
                asked
            })
            .collect()
    };
    // The exchange that tells of the loss is none of those that prove anything.
    ask_and_commit(1 + PROOF);
    let resumed = ask_and_commit(5);

    let records = daemon.stop();
    let certain = certain_items(&records);
    for number in resumed {
        assert_eq!(
            certain.get(&number),
            Some(&1),
            "item {number} after the loss"
        );
    }
    let logged: HashSet<u64> = nginx
        .edge()
        .iter()
        .filter(|line| line.status.is_some())
        .filter_map(|line| Item::number(&line.uri))
        .collect();
    for (number, times) in &certain {
        assert!(logged.contains(number), "item {number} never was");
        assert_eq!(*times, 1, "item {number} is reported more than once");
    }
    let uncertain = records
        .iter()
        .filter(|record| record["complete"] == false)
        .count();
    let unreported = logged.len() - certain.len();
    let explained = uncertain as f64 + lost;
    eprintln!(
        "answered {}, certain {}, uncertain {uncertain}, lost events {lost}, completeness {completeness}",
        logged.len(),
        certain.len()
    );
    assert!(
        unreported as f64 <= explained,
        "{unreported} unreported, only {explained} explained"
    );
    let truth = certain.len() as f64 / logged.len() as f64;
    assert!(
        (completeness - truth).abs() < 0.2,
        "completeness {completeness}, in truth {truth}"
    );
}

#[test]
fn tiny_ring() {
    if !require(&["ip", "nsenter", "nginx", "wrk"]) {
        return;
    }
    lose(1);
}

#[test]
fn tiny_ring_with_pipelining() {
    if !require(&["ip", "nsenter", "nginx", "wrk"]) {
        return;
    }
    lose(3);
}

#[test]
fn joined_in_the_middle() {
    if !require(&["ip", "nsenter", "nginx"]) {
        return;
    }
    let link = Link::new();
    let nginx = Nginx::start(&link.server);
    let setup = Setup::new("", "");
    let open = || Connection::open(&link.client, SERVER);

    // Before the daemon: idle connections, and others in the middle of a head, a download and an upload.
    let mut idle: Vec<_> = (0..8).map(|_| open()).collect();
    for connection in &mut idle {
        connection.item(10);
    }
    let (mut in_head, mut in_download, mut in_upload) = (open(), open(), open());
    let unfinished = request("/v1/items/1100", KEYS[1].0);
    let (first, second) = unfinished.split_at(30);
    in_head.send(first.as_bytes());
    in_download.send(b"GET /v1/download HTTP/1.1\r\nHost: 10.77.0.1\r\n\r\n");
    assert_eq!(in_download.head(), (200, DOWNLOAD));
    in_upload
        .send(b"PUT /v1/uploads/1 HTTP/1.1\r\nHost: 10.77.0.1\r\nContent-Length: 200000\r\n\r\n");
    in_upload.send(&[b'x'; 100_000]);

    let daemon = setup.start(&link.server);
    in_head.send(second.as_bytes());
    in_upload.send(&[b'x'; 100_000]);
    for connection in [&mut in_head, &mut in_upload] {
        let (_, length) = connection.head();
        connection.read(length);
    }
    in_download.read(DOWNLOAD);
    let mut connections = idle;
    connections.extend([in_head, in_upload, in_download]);
    let mut sent = HashSet::new();
    for (connection, place) in connections.iter_mut().zip(1..) {
        for number in 0..20 {
            let number = 2_000 + 100 * place + number;
            connection.item(number);
            sent.insert(number);
        }
    }
    drop(connections);

    // Every request that began after the start is counted, and for whom.
    for (index, (_, consumer)) in KEYS.iter().enumerate() {
        let wanted = sent.iter().filter(|number| Item::of(**number).key == index);
        let wanted = wanted.count() as f64;
        wait_for(
            &format!("{wanted} requests of {consumer}"),
            Duration::from_secs(10),
            || {
                let labels = [("consumer", *consumer)];
                let counted = daemon
                    .metrics()
                    .sum("observer_http_requests_total", &labels);
                (counted == wanted).then_some(())
            },
        );
    }
    assert_eq!(lost_events(&daemon), 0.0);
    let certain = certain_items(&daemon.stop());
    for number in &sent {
        if number % 100 >= PROOF as u64 {
            assert_eq!(certain.get(number), Some(&1), "item {number}");
        }
    }
    // What began before is not reported as if it had been seen.
    assert!(certain.keys().all(|number| sent.contains(number)));
    assert_eq!(nginx.edge().len(), sent.len() + 8 + 3);
}
