//! Networks that are shut off: nothing of theirs gets in, but of those who are never stopped.

use std::time::Duration;

use observer_tests::daemon::{KEYS, STRANGER, Setup};
use observer_tests::namespace::{Link, elsewhere};
use observer_tests::nginx::Nginx;
use observer_tests::process::{finish, wait_for};
use observer_tests::require::require;
use observer_tests::response::{
    Answered, act, acting, ask, hits, order, programs, undo, wait_for_hits,
};
use observer_tests::traffic::key_field;

const URL: &str = "http://10.77.0.1/v1/widgets/1";

/// Asks from an address of the client's, for a second at most.
fn ask_from(link: &Link, number: u8, key: &str) -> Answered {
    let (address, field) = (elsewhere(number), key_field(key));
    let arguments = [
        "--interface",
        &address,
        "-H",
        &field,
        "--max-time",
        "1",
        URL,
    ];
    ask(&link.client, &arguments, b"")
}

fn stops_packets(link: &Link) -> bool {
    programs(&link.server)
        .iter()
        .any(|program| program.ends_with("XDP"))
}

#[test]
fn nothing_of_a_network_gets_in() {
    if !require(&["ip", "nsenter", "nginx", "curl"]) {
        return;
    }
    let link = Link::new();
    link.spread(3);
    let nginx = Nginx::start(&link.server);
    let setup = Setup::new("", "[response]\nallow = [\"10.78.2.0/24\"]");
    let daemon = setup.start(&link.server);
    let key = KEYS[0].0;
    for number in 1..=3 {
        assert_eq!(ask_from(&link, number, key).status, 200);
    }
    assert_eq!(programs(&link.server), Vec::<String>::new());

    let action = act(&setup, &elsewhere(1), "block", 60);
    assert!(
        stops_packets(&link),
        "{:?}\n{}",
        programs(&link.server),
        daemon.log()
    );
    let served = nginx.edge().len();
    let got = ask_from(&link, 1, key);
    // Not even a connection: curl waits until its time is over.
    assert_eq!((got.code, got.status), (Some(28), 0), "{got:?}");
    assert_eq!(nginx.edge().len(), served);
    for number in [2, 3] {
        assert_eq!(ask_from(&link, number, key).status, 200, "{number}");
    }
    assert!(wait_for_hits(&setup, &action, "packets", 1) > 0);
    undo(&setup, &elsewhere(1));
    assert_eq!(ask_from(&link, 1, key).status, 200);
    assert_eq!(programs(&link.server), Vec::<String>::new());

    // One that is allowed, inside one that is not.
    let action = act(&setup, "10.78.0.0/16", "block", 60);
    assert_eq!(ask_from(&link, 1, key).status, 0);
    assert_eq!(ask_from(&link, 2, key).status, 200);
    assert_eq!(ask_from(&link, 3, key).status, 0);
    assert!(wait_for_hits(&setup, &action, "packets", 2) > 1);
    for allowed in ["10.78.2.0/24", "10.78.2.2", "10.77.0.1"] {
        let refused = order(&setup, &acting(allowed, "block", 60));
        let why = refused.expect_err("it is allowed");
        assert!(why.starts_with("failed:"), "{why}");
    }
    let all = undo(&setup, "10.78.0.0/16");
    assert_eq!(all["id"], action["id"]);
    assert_eq!(ask_from(&link, 3, key).status, 200);
    assert_eq!(programs(&link.server), Vec::<String>::new());
}

#[test]
fn over_ipv6_nothing_of_a_network_gets_in() {
    if !require(&["ip", "nsenter", "nginx", "curl"]) {
        return;
    }
    let link = Link::new();
    link.client
        .ip(&["address", "add", "fd77::3/64", "dev", "cli0", "nodad"]);
    let _nginx = Nginx::start(&link.server);
    let setup = Setup::new("", "");
    let _daemon = setup.start(&link.server);
    let field = key_field(KEYS[0].0);
    let from = |address: &str| {
        let how = ["--interface", address, "-H", &field, "--max-time", "1"];
        ask(
            &link.client,
            &[&how[..], &["http://[fd77::1]/v1/widgets/1"]].concat(),
            b"",
        )
    };
    for address in ["fd77::2", "fd77::3"] {
        assert_eq!(from(address).status, 200, "{address}");
    }
    let action = act(&setup, "fd77::3", "block", 60);
    assert_eq!(from("fd77::3").status, 0);
    assert_eq!(from("fd77::2").status, 200);
    wait_for_hits(&setup, &action, "packets", 1);
    undo(&setup, "fd77::3");
    assert_eq!(from("fd77::3").status, 200);
}

#[test]
fn a_connection_that_was_there_ends_too() {
    if !require(&["ip", "nsenter", "nginx", "curl"]) {
        return;
    }
    let link = Link::new();
    let nginx = Nginx::start(&link.server);
    let setup = Setup::new("", "");
    let daemon = setup.start(&link.server);
    let key = KEYS[0].0;
    let mut connection = observer_tests::traffic::Connection::open(&link.client, "10.77.0.1:80");
    assert_eq!(connection.get("/v1/widgets/1", key).0, 200);
    // A request that is read after the command would end its connection late.
    wait_for("the request", Duration::from_secs(5), || {
        let counted = daemon.metrics().sum("observer_http_requests_total", &[]);
        (counted >= 1.0).then_some(())
    });
    let action = act(&setup, "10.77.0.2", "block", 60);
    let served = nginx.edge().len();
    connection.send(observer_tests::traffic::request("/v1/widgets/2", key).as_bytes());
    wait_for_hits(&setup, &action, "packets", 2);
    assert_eq!(nginx.edge().len(), served);
    undo(&setup, "10.77.0.2");
    // What was sent meanwhile is sent again.
    assert_eq!(connection.head().0, 200);
    wait_for("the request", Duration::from_secs(5), || {
        (nginx.edge().len() > served).then_some(())
    });
}

#[test]
fn who_is_never_stopped_is_served_in_a_network_that_is() {
    if !require(&["ip", "nsenter", "nginx", "curl"]) {
        return;
    }
    let link = Link::new();
    link.spread(1);
    let nginx = Nginx::start(&link.server);
    let setup = Setup::new("", "[response]\nallow = [\"acme\"]");
    let daemon = setup.start(&link.server);
    let [acme, beta, corp] = [KEYS[0].0, KEYS[1].0, KEYS[2].0];
    for key in [acme, beta, corp] {
        assert_eq!(ask_from(&link, 1, key).status, 200);
    }
    let action = act(&setup, "10.78.0.0/16", "block", 60);
    assert!(!stops_packets(&link), "{:?}", programs(&link.server));
    let before = nginx.edge().len();
    for round in 0..20 {
        let got = ask_from(&link, 1, acme);
        assert_eq!(got.status, 200, "{round}: {got:?}\n{}", daemon.log());
        // With a key or without.
        for key in [beta, corp, ""] {
            let got = ask_from(&link, 1, key);
            assert!([0, 403].contains(&got.status), "{round}, {key}: {got:?}");
        }
    }
    let served = nginx.edge().split_off(before);
    let others = served.iter().filter(|line| line.key != acme).count();
    assert_eq!(others, 0, "{served:?}");
    wait_for_hits(&setup, &action, "refused", 20);
    assert_eq!(hits(&setup, &action, "packets"), 0);
    let why = order(&setup, &acting("acme", "block", 60)).expect_err("it is allowed");
    assert!(why.starts_with("failed:"), "{why}");
}

/// Whose key was not seen yet is not known to be another's.
#[test]
fn who_is_never_stopped_is_served_from_its_first_request_on() {
    if !require(&["ip", "nsenter", "nginx", "curl"]) {
        return;
    }
    let link = Link::new();
    link.spread(1);
    let _nginx = Nginx::start(&link.server);
    let setup = Setup::new("", "[response]\nallow = [\"acme\"]");
    let daemon = setup.start(&link.server);
    assert_eq!(ask_from(&link, 1, KEYS[1].0).status, 200);
    act(&setup, "10.78.0.0/16", "block", 60);
    for round in 0..5 {
        let got = ask_from(&link, 1, KEYS[0].0);
        assert_eq!(got.status, 200, "{round}: {got:?}\n{}", daemon.log());
    } // Of others the first request comes through, and ends its connection.
    let (address, field) = (elsewhere(1), key_field(STRANGER));
    let urls = format!("{URL}[1-200]");
    let mut others = link.client.command("curl");
    others.args([
        "-s",
        "-o",
        "/dev/null",
        "--rate",
        "50/s",
        "-w",
        "%{num_connects}\n",
    ]);
    others.args([
        "--max-time",
        "1",
        "--interface",
        &address,
        "-H",
        &field,
        &urls,
    ]);
    let said = finish(&mut others, b"");
    let said = String::from_utf8_lossy(&said.stdout).into_owned();
    let connections = said.lines().filter(|line| *line == "1").count();
    assert!(
        connections > 10 && connections + 1 >= said.lines().count(),
        "{said}"
    );
}
