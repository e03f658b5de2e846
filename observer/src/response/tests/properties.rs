//! Whatever is done in whatever order: who is allowed is never hit, everything ends, and a list says the same.

use std::net::IpAddr;
use std::sync::Arc;

use hashbrown::{HashMap, HashSet};
use ipnet::IpNet;
use proptest::prelude::*;

use super::{KEYS, NOW, book, fingerprint, fingerprinter, incident, registry, settings};
use crate::awareness::{self, Family, Rule, Severity};
use crate::response::*;

const NETWORKS: [&str; 9] = [
    "192.0.2.0/24",
    "192.0.2.0/25",
    "192.0.2.7/32",
    "192.0.0.0/16",
    "192.0.0.0/8",
    "10.0.0.0/8",
    "2001:db8::/32",
    "2001:db8:1::/48",
    "2001:db8:1::7/128",
];
const CLIENTS: [&str; 8] = [
    "192.0.2.7",
    "192.0.2.77",
    "192.0.2.200",
    "::ffff:192.0.2.7",
    "192.0.3.1",
    "10.0.0.1",
    "2001:db8:1::7",
    "2001:db8:2::1",
];
const CREDENTIALS: [&str; 6] = ["k-a1", "k-a2", "k-b1", "k-b2", "x", "y"];

#[derive(Clone, Debug)]
enum Step {
    Act(Subject, Verb, u64),
    Consider(Rule, Severity, awareness::Subject),
    Approve(usize),
    Reject(usize),
    Undo(usize),
    Configure(Settings),
    Wait(u64),
    Restart,
    Clear,
}

fn subjects() -> impl Strategy<Value = Subject> {
    prop_oneof![
        prop::sample::select(vec!["acme", "beta"]).prop_map(|id| Subject::Consumer(id.into())),
        prop::sample::select(vec!["acme-app", "beta-app"]).prop_map(|id| Subject::App(id.into())),
        prop::sample::select(KEYS.to_vec()).prop_map(|(_, id, _)| Subject::Key(id.into())),
        prop::sample::select(CREDENTIALS.to_vec())
            .prop_map(|key| Subject::Credential(fingerprint(key))),
        prop::sample::select(NETWORKS.to_vec())
            .prop_map(|text| Subject::Network(text.parse().expect("a network"))),
    ]
}

fn abouts() -> impl Strategy<Value = awareness::Subject> {
    prop_oneof![
        prop::sample::select(KEYS.to_vec())
            .prop_map(|(consumer, key, _)| awareness::Subject::key(&consumer.into(), Some(key))),
        prop::sample::select(vec!["acme", "beta", "__unkeyed__"])
            .prop_map(|consumer| awareness::Subject::key(&consumer.into(), None)),
        prop::sample::select(CREDENTIALS.to_vec()).prop_map(|key| {
            let text = fingerprint(key).to_string();
            awareness::Subject::credential(&"__unregistered__".into(), &text)
        }),
        prop::sample::select(CLIENTS.to_vec())
            .prop_map(|client| awareness::Subject::network(client.parse().expect("an address"))),
    ]
}

fn allowed() -> impl Strategy<Value = Settings> {
    let mode = prop::sample::select(vec![Mode::Observe, Mode::Propose, Mode::Act]);
    let networks = prop::sample::subsequence(NETWORKS.to_vec(), 0..3);
    let consumers = prop::sample::subsequence(vec!["acme", "beta"], 0..2);
    (mode, networks, consumers)
        .prop_map(|(mode, networks, consumers)| settings(mode, &networks, &consumers))
}

fn verbs() -> impl Strategy<Value = Verb> {
    prop::sample::select(vec!["block", "limit 10/s", "limit 600/m"])
        .prop_map(|text| text.parse().expect("a verb"))
}

/// Those that anything is done about more often than others.
fn rules() -> impl Strategy<Value = Rule> {
    let all = Rule::ALL.into_iter();
    let some: Vec<_> = all.filter(|rule| remedy(*rule).is_some()).collect();
    prop_oneof![
        4 => prop::sample::select(some),
        1 => prop::sample::select(Rule::ALL.to_vec()),
    ]
}

fn steps() -> impl Strategy<Value = Step> {
    let severities = prop::sample::select(Severity::ALL.to_vec());
    prop_oneof![
        6 => (subjects(), verbs(), 1..8_000_u64).prop_map(|(of, verb, time)| Step::Act(of, verb, time)),
        6 => (rules(), severities, abouts())
            .prop_map(|(rule, severity, about)| Step::Consider(rule, severity, about)),
        2 => (0..9_usize).prop_map(Step::Approve),
        1 => (0..9_usize).prop_map(Step::Reject),
        2 => (0..9_usize).prop_map(Step::Undo),
        2 => allowed().prop_map(Step::Configure),
        2 => (0..4_000_u64).prop_map(Step::Wait),
        1 => Just(Step::Restart),
        1 => Just(Step::Clear),
    ]
}

fn step(book: &mut Book, now: &mut u64, allow: &mut Settings, step: Step) {
    let registry = registry();
    let id = |action: Option<&Action>| action.map(|action| action.id.clone());
    match step {
        Step::Act(subject, verb, seconds) => {
            let request = Request {
                for_ns: seconds * SECOND,
                ..super::request(subject, verb)
            };
            let _ = book.act(request, &registry, *now);
        }
        Step::Consider(rule, severity, about) => {
            let found = incident(rule, severity, about);
            let mode = book.mode();
            let came = book.consider(&found, &registry, |_| Radius::default(), *now);
            if mode != Mode::Act {
                assert!(!matches!(came, Considered::Began(_)));
            }
        }
        Step::Approve(at) => {
            let found = id(book.proposed().nth(at));
            if let Some(id) = found {
                book.approve(&id, "root", *now)
                    .expect("what is proposed is not allowed");
            }
        }
        Step::Reject(at) => {
            let found = id(book.proposed().nth(at));
            if let Some(id) = found {
                book.reject(&id, "root", *now).expect("rejected");
            }
        }
        Step::Undo(at) => {
            let found = id(book.active().nth(at));
            if let Some(id) = found {
                book.undo(&Which::Id(id), "root", *now).expect("undone");
            }
        }
        Step::Configure(settings) => {
            *allow = settings.clone();
            book.configure(settings, *now);
        }
        Step::Wait(seconds) => {
            *now += seconds * SECOND;
            book.expire(*now);
            assert!(
                book.active()
                    .chain(book.proposed())
                    .all(|action| action.until > *now)
            );
            assert!(book.next_deadline().is_none_or(|deadline| deadline > *now));
        }
        Step::Restart => {
            let mut again = super::book(allow.clone());
            book.expire(*now);
            let saved = book.save();
            again.restore(saved.clone(), *now);
            again.registered(&registry, &fingerprinter(), *now);
            assert_eq!(again.save(), saved);
            *book = again;
        }
        Step::Clear => {
            book.clear("root", *now);
            assert_eq!(book.active().count() + book.proposed().count(), 0);
            assert_eq!(book.next_deadline(), None);
        }
    }
}

fn contains(networks: &[IpNet], client: IpAddr) -> bool {
    networks
        .iter()
        .any(|network| network.contains(&client.to_canonical()))
}

/// What a list of actions says, looked through one by one.
fn naive(book: &Book, allow: &Settings, who: &Who<'_>) -> Option<(u32, Verb)> {
    let open = allow.consumers.iter().any(|id| **id == *who.consumer);
    if open || contains(&allow.networks, who.client) || contains(&allow.networks, who.peer) {
        return None;
    }
    let covering = || book.active().filter(|action| action.subject.covers(who));
    let longest = covering()
        .filter_map(|action| match &action.subject {
            Subject::Network(network) => Some(network.prefix_len()),
            _ => None,
        })
        .max();
    let mut all: Vec<_> = covering()
        .filter(|action| match &action.subject {
            Subject::Network(network) => Some(network.prefix_len()) == longest,
            _ => true,
        })
        .map(|action| {
            let rank = match action.subject.kind() {
                SubjectKind::Credential => 0,
                SubjectKind::Key => 1,
                SubjectKind::App => 2,
                SubjectKind::Consumer => 3,
                SubjectKind::Network => 4,
            };
            (
                (action.verb != Verb::Block, rank),
                (action.slot, action.verb),
            )
        })
        .collect();
    all.sort();
    all.first().map(|(_, found)| *found)
}

fn check(
    book: &Book,
    allow: &Settings,
    spellings: &mut Spellings,
    known: &mut HashMap<u64, Holder>,
) {
    let registry = registry();
    for (hash, holder) in spellings.refresh(book, &registry) {
        known.insert(hash, holder.expect("nothing is forgotten"));
    }
    let mut slots = HashSet::new();
    let mut about = HashSet::new();
    for action in book.active() {
        assert!((1..16_384).contains(&action.slot) && slots.insert(action.slot));
    }
    for action in book.active().chain(book.proposed()) {
        assert!(about.insert(&action.subject), "{} twice", action.subject);
    }
    let table = book.networks();
    for client in CLIENTS {
        let client: IpAddr = client.parse().expect("an address");
        let longest = table
            .iter()
            .filter(|(network, _)| network.contains(&client.to_canonical()))
            .max_by_key(|(network, _)| network.prefix_len())
            .map(|(_, rule)| *rule);
        if contains(&allow.networks, client) {
            assert!(
                !matches!(longest, Some(NetworkRule::Slot(_))),
                "{client} is dropped"
            );
        }
        let elsewhere = ["203.0.113.1", "192.0.2.200"];
        let elsewhere = elsewhere.map(|text| text.parse().expect("an address"));
        for peer in [client].into_iter().chain(elsewhere) {
            for credential in CREDENTIALS {
                let (consumer, app, key, fingerprint, _) = super::who(credential, "::");
                for consumer in [&*consumer, "__unknown__"] {
                    let who = Who {
                        consumer,
                        app: app.as_deref(),
                        key: key.as_deref(),
                        fingerprint: Some(fingerprint),
                        client,
                        peer,
                    };
                    let found = book.verdict(&who);
                    assert_eq!(found, naive(book, allow, &who), "{who:?}");
                    if contains(&allow.networks, client)
                        || contains(&allow.networks, peer)
                        || allow.consumers.iter().any(|id| **id == *consumer)
                    {
                        assert_eq!(found, None, "{who:?}");
                    }
                }
            }
        }
    }
    for (number, credential) in CREDENTIALS.into_iter().enumerate() {
        let holder = known[&(number as u64)];
        let (consumer, ..) = super::who(credential, "::");
        let open = allow.consumers.iter().any(|id| **id == *consumer);
        assert_eq!(holder.consumer >> 31 == 1, open);
        assert!(
            !open || holder.action == 0,
            "{credential} is under {holder:?}"
        );
        // From where nothing is said of networks, a holder is what the verdict is.
        let client = "203.0.113.1";
        let found = super::verdict(book, credential, client).map_or(0, |(slot, _)| slot);
        assert_eq!(holder.action, found);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn who_is_allowed_is_never_hit_and_a_list_says_the_same(
        mut allow in allowed(),
        steps in prop::collection::vec(steps(), 1..40),
    ) {
        let mut now = NOW;
        let mut book = book(allow.clone());
        let mut spellings = Spellings::default();
        let mut known = HashMap::new();
        for (number, credential) in CREDENTIALS.into_iter().enumerate() {
            spellings.learn(number as u64, fingerprint(credential), 1_000);
        }
        for each in steps {
            let restarts = matches!(each, Step::Restart);
            step(&mut book, &mut now, &mut allow, each);
            if restarts {
                let rows = spellings.take_new();
                let mut again = Spellings::default();
                again.restore(rows.clone());
                for row in rows {
                    again.learn(row.hash, row.fingerprint, row.seconds + 3_600);
                }
                spellings = again;
            }
            check(&book, &allow, &mut spellings, &mut known);
        }
    }
}

#[test]
fn no_number_of_refused_requests_in_a_name_leads_to_anything_against_it() {
    let victim: Arc<str> = "acme".into();
    let errors = Rule::ALL.into_iter().filter(|rule| {
        let of_refusals = matches!(
            rule,
            Rule::CredentialStuffing
                | Rule::KeyGuessing
                | Rule::Scanning
                | Rule::MethodProbing
                | Rule::RateLimitEvasion
                | Rule::IgnoredRetryAfter
                | Rule::ObjectEnumeration
        );
        rule.family() == Family::Errors || of_refusals
    });
    let errors: Vec<_> = errors.collect();
    let registry = registry();
    for mode in [Mode::Propose, Mode::Act] {
        let mut book = book(settings(mode, &[], &[]));
        for number in 0..100_000_usize {
            let rule = errors[number % errors.len()];
            let about = match number % 3 {
                0 => awareness::Subject::key(&victim, Some("k-a1")),
                1 => awareness::Subject::key(&victim, None),
                _ => awareness::Subject::credential(&victim, &fingerprint("k-a1").to_string()),
            };
            let mut found = incident(rule, Severity::Critical, about);
            found.id = number.to_string().into();
            let came = book.consider(
                &found,
                &registry,
                |_| Radius::default(),
                NOW + number as u64,
            );
            assert_eq!(came, Considered::Nothing);
        }
        assert_eq!(book.active().count() + book.proposed().count(), 0);
        assert_eq!(book.take_events(), []);
    }
}
