use ipnet::IpNet;
use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::response::{By, Hits, Radius, Rate, Subject, Verb};

/// 2026-11-29T17:04:11Z
pub(in super::super) const NOW: u64 = 1_795_971_851 * SECOND;

pub(in super::super) fn action(subject: Subject, verb: Verb, reason: &str) -> Action {
    Action {
        id: "r-abcdefgh".parse().unwrap(),
        slot: 1,
        subject,
        consumer: None,
        verb,
        begun: NOW,
        until: NOW + 3_600 * SECOND,
        reason: reason.to_owned(),
        by: By::User("root".to_owned()),
        state: State::Active,
        radius: Radius::default(),
        hits: Hits::default(),
        dry: 0,
    }
}

fn network(text: &str) -> Subject {
    Subject::network(crate::identity::registry::network(text).unwrap()).unwrap()
}

const ALL: [ResponseFormat; 6] = [
    ResponseFormat::NginxMap,
    ResponseFormat::HaproxyMap,
    ResponseFormat::Kong,
    ResponseFormat::Tyk,
    ResponseFormat::Apisix,
    ResponseFormat::Crowdsec,
];
/// Words of a line as a POSIX shell reads them, where only single quotes and backslashes quote. Panics at what would be
/// anything else than a word.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut word) = (Vec::new(), None::<String>);
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        match c {
            ' ' => words.extend(word.take()),
            '\'' => {
                let word = word.get_or_insert_default();
                loop {
                    match chars.next().expect("a quote that ends") {
                        '\'' => break,
                        c => word.push(c),
                    }
                }
            }
            '\\' => word.get_or_insert_default().push(chars.next().unwrap()),
            c if c.is_ascii_alphanumeric() || "_-.".contains(c) => {
                word.get_or_insert_default().push(c);
            }
            c => panic!("{c:?} is not quoted in {line}"),
        }
    }
    words.extend(word);
    words
}

/// Calls of a script, each as its words: what is neither its beginning nor a comment. A text between quotes may have line
/// ends, so that lines are not what a shell goes by.
fn calls(text: &str) -> Vec<Vec<String>> {
    // The functions before it are constants, and end so.
    let (_, calls) = text.rsplit_once("\n}\n").expect("functions");
    let (mut found, mut rest) = (Vec::new(), calls);
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix('\n') {
            rest = after;
            continue;
        }
        let comment = rest.starts_with('#');
        let (mut quoted, mut escaped) = (false, false);
        let end = rest.find(|c| {
            let ends = c == '\n' && !quoted;
            match c {
                _ if comment => {}
                _ if escaped => escaped = false,
                '\\' if !quoted => escaped = true,
                '\'' => quoted = !quoted,
                _ => {}
            }
            ends
        });
        let (line, after) = rest.split_at(end.unwrap_or(rest.len()));
        if !comment {
            found.push(words(line));
        }
        rest = after;
    }
    found
}

#[test]
fn networks_are_bans_for_as_long_as_they_have_left() {
    let mut ended = action(network("203.0.113.0/24"), Verb::Block, "");
    ended.until = NOW;
    let mut proposed = action(network("203.0.113.9"), Verb::Block, "");
    proposed.state = State::Proposed;
    let mut nearly = action(network("2001:db8::/32"), Verb::Block, "");
    nearly.until = NOW + 1;
    let actions = [
        action(network("192.0.2.7"), Verb::Block, "scans \"all\""),
        nearly,
        ended,
        proposed,
        action(Subject::Consumer("acme".into()), Verb::Block, ""),
        action(network("192.0.2.0/24"), "limit 1/s".parse().unwrap(), ""),
    ];
    let exported = render(ResponseFormat::Crowdsec, &actions, NOW);
    assert_eq!((exported.all, exported.left_out), (4, 2));
    let decisions: Value = serde_json::from_str(&exported.text).unwrap();
    assert_eq!(
        decisions,
        serde_json::json!([
            {"duration": "3600s", "origin": "observer", "reason": "scans \"all\" (r-abcdefgh)", "scope": "Ip",
             "type": "ban", "value": "192.0.2.7"},
            {"duration": "1s", "origin": "observer", "reason": "observer (r-abcdefgh)", "scope": "Range",
             "type": "ban", "value": "2001:db8::/32"},
        ])
    );
}

#[test]
fn kong_and_apisix_and_tyk_get_what_their_plugins_take() {
    let actions = [
        action(Subject::Consumer("acme".into()), Verb::Block, "leaked"),
        action(
            Subject::Consumer("beta.eu".into()),
            "limit 600/m".parse().unwrap(),
            "",
        ),
        action(Subject::Key("k-2026-01".into()), Verb::Block, ""),
        action(network("192.0.2.0/24"), Verb::Block, ""),
        action(network("198.51.100.7"), Verb::Block, ""),
    ];
    let kong = render(ResponseFormat::Kong, &actions, NOW);
    assert_eq!(kong.left_out, 1);
    let [block, limit, networks] = &calls(&kong.text)[..] else {
        panic!("{}", kong.text)
    };
    assert_eq!(block[..2], ["kong", "PUT"]);
    assert!(block[2].starts_with("/consumers/acme/plugins/"));
    let body = |call: &[String]| serde_json::from_str::<Value>(call.last().unwrap()).unwrap();
    assert_eq!(body(block)["name"], "request-termination");
    assert_eq!(body(block)["config"]["status_code"], 403);
    assert_eq!(body(limit)["name"], "rate-limiting");
    assert_eq!(body(limit)["config"]["minute"], 600);
    assert_eq!(
        body(networks)["config"]["deny"],
        serde_json::json!(["192.0.2.0/24", "198.51.100.7/32"])
    );
    let apisix = calls(&render(ResponseFormat::Apisix, &actions, NOW).text);
    assert_eq!(apisix[0][..3], ["with_plugin", "acme", "fault-injection"]);
    assert_eq!(body(&apisix[0])["abort"]["http_status"], 403);
    assert_eq!(apisix[1][..3], ["with_plugin", "beta_eu", "limit-count"]);
    assert_eq!(body(&apisix[1])["count"], 600);
    assert_eq!(body(&apisix[1])["time_window"], 60);
    assert_eq!(apisix[2][..3], ["apisix", "PUT", "global_rules/observer"]);
    let tyk = calls(&render(ResponseFormat::Tyk, &actions, NOW).text);
    assert_eq!(
        tyk,
        [
            ["tyk", "acme", ".is_inactive = true"],
            ["tyk", "beta.eu", ".rate = 600 | .per = 60"],
            ["tyk", "k-2026-01", ".is_inactive = true"],
        ]
    );
}

#[test]
fn maps_have_networks_accounts_and_rates() {
    let actions = [
        action(network("192.0.2.0/24"), Verb::Block, "scans"),
        action(Subject::Consumer("default".into()), Verb::Block, ""),
        action(
            Subject::Consumer("beta".into()),
            "limit 10/s".parse().unwrap(),
            "",
        ),
        action(
            Subject::Consumer("corp".into()),
            "limit 1000/h".parse().unwrap(),
            "",
        ),
        action(network("2001:db8::/32"), "limit 600/h".parse().unwrap(), ""),
        action(
            Subject::Credential("k1_4QX7M2ZC5T6JH3WA".parse().unwrap()),
            Verb::Block,
            "",
        ),
    ];
    let nginx = render(ResponseFormat::NginxMap, &actions, NOW);
    assert_eq!(nginx.left_out, 2);
    for line in [
        "geo $observer_blocked_network {\n    default 0;\n    192.0.2.0/24 1; # r-abcdefgh block network",
        "map $observer_consumer $observer_blocked {\n    default 0;\n    \"\\\\default\" 1; #",
        "limit_req_zone $observer_limited_consumer_10_s zone=observer_consumer_10_s:1m rate=10r/s;",
        "    2001:db8::/32 2001:db8::/32; #",
        "rate=10r/m;",
        "# left out: r-abcdefgh limit 1000/h consumer corp until",
    ] {
        assert!(nginx.text.contains(line), "{line} in {}", nginx.text);
    }
    let haproxy = render(ResponseFormat::HaproxyMap, &actions, NOW);
    assert_eq!(haproxy.left_out, 3);
    for line in ["\n192.0.2.0/24 0\n", "\ndefault 0\n", "\nbeta 600\n"] {
        assert!(haproxy.text.contains(line), "{line} in {}", haproxy.text);
    }
}

/// What people and proxies could put into an id or a reason.
fn hostile() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("'".to_owned()),
        Just("\"".to_owned()),
        Just("\n".to_owned()),
        Just("\r".to_owned()),
        Just("\\".to_owned()),
        Just("$(id)".to_owned()),
        Just("`id`".to_owned()),
        Just("${IFS}".to_owned()),
        Just("{};".to_owned()),
        Just("#".to_owned()),
        Just(" ".to_owned()),
        Just("../".to_owned()),
        Just("~^x".to_owned()),
        Just("\u{85}\u{2028}\u{202e}".to_owned()),
        "[a-z0-9._-]{1,8}",
        any::<char>().prop_map(String::from),
    ];
    proptest::collection::vec(piece, 0..8).prop_map(|pieces| pieces.concat())
}

fn verbs() -> impl Strategy<Value = Verb> {
    let rate = (1_u32.., proptest::sample::select(vec![1, 60, 3_600]));
    prop_oneof![
        Just(Verb::Block),
        rate.prop_map(|(requests, seconds)| Verb::Limit(Rate { requests, seconds })),
    ]
}

fn subjects() -> impl Strategy<Value = Subject> {
    prop_oneof![
        3 => hostile().prop_map(|id| Subject::Consumer(id.into())),
        1 => hostile().prop_map(|id| Subject::App(id.into())),
        1 => hostile().prop_map(|id| Subject::Key(id.into())),
        2 => any::<u128>().prop_map(|bits| {
            let network = IpNet::new(std::net::Ipv6Addr::from(bits).into(), 64).unwrap();
            Subject::network(network).unwrap_or(Subject::Key("k".into()))
        }),
    ]
}

/// A line of nginx without its quoted texts and its comment; what is left means something to nginx.
fn bare(line: &str) -> String {
    let (mut bare, mut quoted) = (String::new(), false);
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' if quoted => {
                let escaped = chars.next().expect("what a backslash stands before");
                assert!(matches!(escaped, '\\' | '"'), "{line}");
            }
            '"' => quoted = !quoted,
            '#' if !quoted => break,
            c if !quoted => bare.push(c),
            _ => {}
        }
    }
    assert!(!quoted, "a quote that ends in {line}");
    bare.trim().to_owned()
}

proptest! {
    /// Whatever ids and reasons hold, an export says what was decided and nothing else.
    #[test]
    fn what_is_in_a_text_stays_a_text(
        decided in proptest::collection::vec((subjects(), verbs(), hostile()), 0..6),
    ) {
        let actions: Vec<Action> = decided
            .iter()
            .map(|(subject, verb, reason)| action(subject.clone(), *verb, reason))
            .collect();
        for format in ALL {
            let exported = render(format, &actions, NOW);
            prop_assert_eq!(exported.all, actions.len());
            let steers = exported.text.chars().find(|c| c.is_control() && *c != '\n');
            prop_assert_eq!(steers, None, "{}", exported.text);
        }

        // Tyk: an argument for every account, app and key that a line can have.
        let named = actions.iter().filter(|action| !matches!(action.subject, Subject::Network(_)));
        let named: Vec<String> = named.map(|action| action.subject.id()).filter(|id| is_plain(id)).collect();
        let tyk = calls(&render(ResponseFormat::Tyk, &actions, NOW).text);
        let targets: Vec<String> = tyk.iter().map(|call| call[1].clone()).collect();
        prop_assert_eq!(targets, named);
        prop_assert!(tyk.iter().all(|call| call.len() == 3 && call[0] == "tyk"));

        // Kong and APISIX: bodies that are JSON.
        for format in [ResponseFormat::Kong, ResponseFormat::Apisix] {
            for call in calls(&render(format, &actions, NOW).text) {
                prop_assert_eq!(call.len(), 4);
                let body: Value = serde_json::from_str(call.last().unwrap()).unwrap();
                prop_assert!(body.is_object());
            }
        }

        // CrowdSec: the reason as it was.
        let crowdsec: Value = serde_json::from_str(&render(ResponseFormat::Crowdsec, &actions, NOW).text).unwrap();
        let blocked = actions.iter().filter(|action| matches!(action.subject, Subject::Network(_)) && action.verb == Verb::Block);
        for (decision, action) in crowdsec.as_array().unwrap().iter().zip(blocked) {
            let reason = decision["reason"].as_str().unwrap();
            prop_assert!(action.reason.is_empty() || reason.starts_with(&action.reason));
        }

        // nginx: every line is one that this writes.
        for line in render(ResponseFormat::NginxMap, &actions, NOW).text.lines() {
            let bare = bare(line);
            let known = bare.is_empty() || bare == "}"
                || ["geo $observer_", "map $observer_consumer $observer_", "limit_req_zone $observer_", "default", "1;", "$observer_consumer;"]
                    .iter().any(|start| bare.starts_with(start))
                || bare.split(' ').next().is_some_and(|word| word.parse::<IpNet>().is_ok());
            prop_assert!(known, "{}", line);
        }

        // HAProxy: a comment, or a key and a number; none is lost.
        let haproxy = render(ResponseFormat::HaproxyMap, &actions, NOW);
        let entries = haproxy.text.lines().filter(|line| !line.starts_with('#'));
        let entries: Vec<Vec<&str>> = entries.map(|line| line.split_whitespace().collect()).collect();
        prop_assert!(entries.iter().all(|words| words.len() == 2 && words[1].parse::<u64>().is_ok()), "{}", haproxy.text);
        prop_assert_eq!(entries.len() + haproxy.left_out, actions.len());
    }

    /// A shell reads back what was written.
    #[test]
    fn a_quoted_text_is_one_word(text in hostile()) {
        prop_assert_eq!(words(&shell::quoted(&text)), vec![text.replace('\0', "")]);
    }
}
