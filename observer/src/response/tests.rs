use std::net::IpAddr;
use std::sync::LazyLock;

use super::*;
use crate::awareness::{self, Evidence, Incident, Kind, Rule, Severity};
use crate::identity::{Fingerprint, Fingerprinter, Pepper, Registry, Scheme};

mod incidents;
mod properties;
mod writing;

/// Some time of day.
pub const NOW: u64 = 1_795_000_000 * SECOND;
const HOUR: u64 = 3_600 * SECOND;
/// Keys of the registry, with their accounts, and whether they are secrets.
pub const KEYS: [(&str, &str, bool); 4] = [
    ("acme", "k-a1", true),
    ("acme", "k-a2", true),
    ("beta", "k-b1", true),
    ("beta", "k-b2", false),
];

static FINGERPRINTER: LazyLock<Fingerprinter> =
    LazyLock::new(|| Fingerprinter::new(&Pepper::new(&mut [7; 32])));
static REGISTRY: LazyLock<Registry> = LazyLock::new(read_registry);

pub fn fingerprinter() -> Fingerprinter {
    FINGERPRINTER.clone()
}

pub fn registry() -> Registry {
    REGISTRY.clone()
}

/// Of a key in the registry, or of anything else.
pub fn fingerprint(key: &str) -> Fingerprint {
    if key == "k-b2" {
        FINGERPRINTER.identity(Scheme::Basic, "", "somebody")
    } else {
        FINGERPRINTER.fingerprint(key.as_bytes())
    }
}

fn read_registry() -> Registry {
    let mut text = String::new();
    for account in ["acme", "beta"] {
        text += &format!("[[account]]\nid = \"{account}\"\n");
        text += &format!("[[account.app]]\nid = \"{account}-app\"\n");
        for (_, key, secret) in KEYS.into_iter().filter(|(of, ..)| *of == account) {
            let handle = if secret {
                format!("fp = \"{}\"", fingerprint(key))
            } else {
                "scheme = \"basic\"\nsubject = \"somebody\"".to_owned()
            };
            text += &format!("[[account.app.key]]\nid = \"{key}\"\n{handle}\n");
        }
    }
    // An app that is called like an account.
    text += "[[account]]\nid = \"both\"\n[[account.app]]\nid = \"acme\"\n";
    Registry::parse(&[("a.toml", text)]).expect("valid")
}

/// A book that knows the registry.
pub fn book(settings: Settings) -> Book {
    let mut book = Book::new(settings);
    book.registered(&registry(), &fingerprinter(), NOW);
    book
}

pub fn settings(mode: Mode, networks: &[&str], consumers: &[&str]) -> Settings {
    let networks = networks.iter();
    Settings {
        mode,
        networks: networks
            .map(|text| text.parse().expect("a network"))
            .collect(),
        consumers: consumers.iter().map(|id| (*id).into()).collect(),
        own: vec!["10.0.0.1".parse().expect("an address")],
    }
}

pub fn subject(text: &str) -> Subject {
    Subject::resolve(text, None, &registry()).expect("a subject")
}

pub fn request(subject: Subject, verb: Verb) -> Request {
    Request {
        subject,
        verb,
        for_ns: HOUR,
        reason: "because".to_owned(),
        by: By::User("root".to_owned()),
        radius: Radius::default(),
    }
}

/// A request of a registered key, or with another credential.
pub fn who(
    key: &str,
    client: &str,
) -> (String, Option<String>, Option<String>, Fingerprint, IpAddr) {
    let known = KEYS.iter().find(|(_, id, _)| *id == key);
    let consumer = known.map_or("__unregistered__", |(consumer, ..)| consumer);
    (
        consumer.to_owned(),
        known.map(|(consumer, ..)| format!("{consumer}-app")),
        known.map(|_| key.to_owned()),
        fingerprint(key),
        client.parse().expect("an address"),
    )
}

pub fn verdict(book: &Book, key: &str, client: &str) -> Option<(u32, Verb)> {
    let (consumer, app, key, fingerprint, client) = who(key, client);
    book.verdict(&Who {
        consumer: &consumer,
        app: app.as_deref(),
        key: key.as_deref(),
        fingerprint: Some(fingerprint),
        client,
        peer: client,
    })
}

pub fn incident(rule: Rule, severity: Severity, about: awareness::Subject) -> Incident {
    Incident {
        id: format!("{}{}", rule.name(), about.id).into(),
        rule,
        severity,
        subject: about,
        state: awareness::State::Open,
        first_seen: NOW,
        detected_at: NOW,
        last_seen: NOW,
        statement: "it\u{1b}[2J happened".to_owned(),
        evidence: Evidence::default(),
        confidence: 1.0,
        completeness: 1.0,
        suppressed_until: 0,
    }
}

fn about(consumer: &str, key: &str) -> awareness::Subject {
    awareness::Subject::key(&consumer.into(), Some(key))
}

fn act(book: &mut Book, text: &str, verb: Verb) -> Result<ActionId, Refused> {
    let action = book.act(request(subject(text), verb), &registry(), NOW)?;
    Ok(action.id.clone())
}

fn limit(text: &str) -> Verb {
    Verb::Limit(text.parse().expect("a rate"))
}

fn consider(book: &mut Book, incident: &Incident) -> Considered {
    book.consider(incident, &registry(), |_| Radius::default(), NOW)
}

#[test]
fn a_block_comes_before_limits_and_then_the_most_specific() {
    let mut book = book(settings(Mode::Observe, &[], &[]));
    let get = |book: &Book| verdict(book, "k-a1", "192.0.2.7").map(|(_, verb)| verb);
    assert_eq!(get(&book), None);
    let wide = limit("1/h");
    book.act(
        request(Subject::Consumer("acme".into()), wide),
        &registry(),
        NOW,
    )
    .expect("begun");
    assert_eq!(get(&book), Some(wide));
    act(&mut book, "k-a1", limit("10/s")).expect("begun");
    assert_eq!(get(&book), Some(limit("10/s")));
    assert_eq!(
        verdict(&book, "k-a2", "192.0.2.7").map(|(_, verb)| verb),
        Some(wide)
    );
    act(&mut book, "192.0.2.0/24", Verb::Block).expect("begun");
    assert_eq!(get(&book), Some(Verb::Block));
    // The longer network decides among networks.
    act(&mut book, "192.0.2.0/25", limit("2/s")).expect("begun");
    assert_eq!(get(&book), Some(limit("10/s")));
    assert_eq!(
        verdict(&book, "k-b1", "::ffff:192.0.2.7").map(|(_, verb)| verb),
        Some(limit("2/s"))
    );
    assert_eq!(
        verdict(&book, "k-b1", "192.0.2.200").map(|(_, verb)| verb),
        Some(Verb::Block)
    );
}

#[test]
fn a_request_of_nobody_knows_whom_is_only_hit_by_its_network() {
    let mut book = book(settings(Mode::Observe, &[], &[]));
    act(&mut book, "k-a1", Verb::Block).expect("begun");
    let client = "192.0.2.7".parse().expect("an address");
    let unknown = Who {
        consumer: "__unknown__",
        app: Some("acme-app"),
        key: Some("k-a1"),
        fingerprint: Some(fingerprint("k-a1")),
        client,
        peer: client,
    };
    assert_eq!(book.verdict(&unknown), None);
    act(&mut book, "192.0.2.7", Verb::Block).expect("begun");
    assert!(book.verdict(&unknown).is_some());
}

#[test]
fn who_is_allowed_is_refused_with_the_reason() {
    let mut book = book(settings(Mode::Observe, &["198.51.100.0/24"], &["beta"]));
    for (text, why) in [
        (
            "198.51.100.7",
            "the network 198.51.100.0/24 is never acted against ([response] allow)",
        ),
        ("10.0.0.0/8", "10.0.0.1 is an address of this host"),
        ("127.0.0.0/8", "127.0.0.1 is an address of this host"),
        (
            "beta",
            "the consumer beta is never acted against ([response] allow)",
        ),
        (
            "beta-app",
            "the consumer beta is never acted against ([response] allow)",
        ),
        (
            "k-b1",
            "the consumer beta is never acted against ([response] allow)",
        ),
    ] {
        assert_eq!(
            act(&mut book, text, Verb::Block)
                .expect_err(text)
                .to_string(),
            why
        );
    }
    // A clear identity is told by its fingerprint as well.
    for key in ["k-b1", "k-b2"] {
        let refused = act(&mut book, &fingerprint(key).to_string(), Verb::Block);
        assert_eq!(refused, Err(Refused::AllowedConsumer("beta".into())));
    }
    // What holds an allowed network may be shut off around it.
    act(&mut book, "198.0.0.0/8", Verb::Block).expect("begun");
    assert!(verdict(&book, "k-a1", "198.51.101.7").is_some());
    assert!(verdict(&book, "k-a1", "198.51.100.7").is_none());
    assert!(verdict(&book, "k-b1", "198.51.101.7").is_none());
    assert!(book.carries_allowed());
    let refusals = book
        .take_events()
        .into_iter()
        .filter(|event| event.deed == Deed::Refused);
    assert_eq!((refusals.count(), book.refused()), (8, 8));
    let mut short = request(subject("k-a1"), Verb::Block);
    for for_ns in [0, SECOND - 1, 24 * HOUR + 1, u64::MAX] {
        short.for_ns = for_ns;
        assert_eq!(
            book.act(short.clone(), &registry(), NOW),
            Err(Refused::Duration)
        );
    }
    let gone = request(Subject::Key("k-gone".into()), Verb::Block);
    assert!(matches!(
        book.act(gone, &registry(), NOW),
        Err(Refused::Unknown(_))
    ));
}

#[test]
fn an_action_about_the_same_replaces_the_one_before_in_its_slot() {
    let mut book = book(settings(Mode::Observe, &[], &[]));
    let first = act(&mut book, "k-a1", Verb::Block).expect("begun");
    let slot = book.get(&first).expect("there").slot;
    let hits = Hits {
        refused: 3,
        ..Hits::default()
    };
    assert!(book.record(slot, hits) && book.record(slot, Hits::default()));
    let second = act(&mut book, "k-a1", limit("10/s")).expect("begun");
    let old = book.get(&first).expect("still shown");
    assert_eq!((&old.state, old.hits), (&State::Ended(End::Replaced), hits));
    let new = book.get(&second).expect("there");
    assert_eq!(
        (new.slot, new.hits, book.active().count()),
        (slot, Hits::default(), 1)
    );
    // A slot that is free again is the last to be given out.
    let which = Which::Subject(subject("k-a1"));
    let undone = book.undo(&which, "root\n", NOW + 1).expect("undone");
    assert_eq!(
        undone.state,
        State::Ended(End::Undone {
            by: "root".to_owned()
        })
    );
    assert_eq!(book.undo(&which, "root", NOW + 2), Err(Refused::NotFound));
    let third = act(&mut book, "k-a2", Verb::Block).expect("begun");
    assert_ne!(book.get(&third).expect("there").slot, slot);
    let deeds: Vec<_> = book
        .take_events()
        .into_iter()
        .map(|event| event.deed)
        .collect();
    let expected = [
        Deed::Began,
        Deed::Replaced,
        Deed::Began,
        Deed::Undone,
        Deed::Began,
    ];
    assert_eq!(deeds, expected);
}

#[test]
fn every_action_ends_by_itself() {
    let mut book = book(settings(Mode::Observe, &[], &[]));
    act(&mut book, "k-a1", Verb::Block).expect("begun");
    assert_eq!(book.next_deadline(), Some(NOW + HOUR));
    assert_eq!(book.expire(NOW + HOUR - 1), 0);
    assert_eq!((book.expire(NOW + HOUR), book.next_deadline()), (1, None));
    assert_eq!(verdict(&book, "k-a1", "192.0.2.7"), None);
}

#[test]
fn tables_are_bounded_and_what_does_not_fit_is_refused() {
    let mut book = book(settings(Mode::Propose, &[], &[]));
    let network = |number: u32| {
        let address = IpAddr::V4((0x0b00_0000 + number).into());
        request(Subject::Network(address.into()), Verb::Block)
    };
    for number in 0..16_383 {
        book.act(network(number), &registry(), NOW).expect("begun");
    }
    assert_eq!(
        book.act(network(20_000), &registry(), NOW),
        Err(Refused::Full)
    );
    book.act(network(0), &registry(), NOW + 1)
        .expect("replaced");
    let last = Which::Subject(network(16_382).subject);
    book.undo(&last, "root", NOW).expect("undone");
    book.act(network(20_000), &registry(), NOW)
        .expect("there is room again");
    let mut slots: Vec<_> = book.active().map(|action| action.slot).collect();
    slots.sort_unstable();
    assert!(slots.into_iter().eq(1..=16_383));
    assert_eq!(book.take_events().len(), 4_096);
    assert!(book.events_dropped() > 12_000);
    assert_eq!(book.clear("root", NOW), 16_383);
    assert_eq!(book.ended().count(), 1_000);
    for number in 0..300_u32 {
        let network = awareness::Subject::network(IpAddr::V4((number << 8 | 0x0b00_0000).into()));
        let scan = incident(Rule::Scanning, Severity::Medium, network);
        assert!(matches!(
            consider(&mut book, &scan),
            Considered::Proposed(_)
        ));
    }
    assert_eq!(book.proposed().count(), 256);
}
