//! What incidents lead to.

use super::*;

#[test]
fn what_was_accepted_is_acted_upon_and_what_may_be_forged_is_proposed() {
    let mut book = book(settings(Mode::Act, &[], &[]));
    let leaked = incident(Rule::LeakedKey, Severity::Critical, about("acme", "k-a1"));
    assert!(matches!(consider(&mut book, &leaked), Considered::Began(_)));
    assert_eq!(consider(&mut book, &leaked), Considered::Known);
    // Anybody can say that he is somebody, where no key is asked for.
    let name = incident(Rule::LeakedKey, Severity::Critical, about("beta", "k-b2"));
    let Considered::Proposed(id) = consider(&mut book, &name) else {
        panic!("not proposed");
    };
    let proposal = book.get(&id).expect("there");
    assert_eq!((proposal.slot, &*proposal.reason), (0, "it[2J happened"));
    let expired = incident(
        Rule::ExpiredKeyAccepted,
        Severity::High,
        about("beta", "k-b1"),
    );
    assert!(matches!(
        consider(&mut book, &expired),
        Considered::Proposed(_)
    ));
    let guesses = awareness::Subject::network("203.0.113.9".parse().expect("an address"));
    let guessing = incident(Rule::KeyGuessing, Severity::Medium, guesses);
    assert!(matches!(
        consider(&mut book, &guessing),
        Considered::Proposed(_)
    ));
    let names: Vec<_> = book
        .proposed()
        .map(|action| action.subject.to_string())
        .collect();
    assert_eq!(names, ["key k-b2", "key k-b1", "network 203.0.113.0/24"]);
    // All that have no key are no account.
    let nobody = awareness::Subject::key(&"__unkeyed__".into(), None);
    let nobody = incident(Rule::ResourceConsumption, Severity::High, nobody);
    assert_eq!(consider(&mut book, &nobody), Considered::Nothing);
}

#[test]
fn what_somebody_did_not_want_does_not_come_again() {
    let mut book = book(settings(Mode::Propose, &[], &[]));
    let leaked = incident(Rule::LeakedKey, Severity::Critical, about("acme", "k-a1"));
    let Considered::Proposed(id) = consider(&mut book, &leaked) else {
        panic!("not proposed");
    };
    let (consumer, app, key, fingerprint, client) = who("k-a1", "192.0.2.7");
    book.note(&Who {
        consumer: &consumer,
        app: app.as_deref(),
        key: key.as_deref(),
        fingerprint: Some(fingerprint),
        client,
        peer: client,
    });
    assert_eq!(book.get(&id).map(|proposal| proposal.dry), Some(1));
    let approved = book.approve(&id, "root", NOW + HOUR / 2).expect("approved");
    assert_eq!((approved.until, approved.slot), (NOW + HOUR / 2 + HOUR, 1));
    book.undo(&Which::Id(id.clone()), "root", NOW)
        .expect("undone");
    assert_eq!(consider(&mut book, &leaked), Considered::Nothing);
    assert_eq!(book.approve(&id, "root", NOW), Err(Refused::NotFound));
    // Another incident is another matter.
    let other = incident(
        Rule::RevokedKeyAccepted,
        Severity::Critical,
        about("acme", "k-a1"),
    );
    let Considered::Proposed(id) = consider(&mut book, &other) else {
        panic!("not proposed");
    };
    book.reject(&id, "root", NOW).expect("rejected");
    assert_eq!(consider(&mut book, &other), Considered::Nothing);
    book.configure(settings(Mode::Observe, &[], &[]), NOW);
    let third = incident(Rule::KeySharing, Severity::Critical, about("acme", "k-a1"));
    assert_eq!(consider(&mut book, &third), Considered::Nothing);
}

#[test]
fn what_an_allowlist_covers_later_ends() {
    let mut book = book(settings(Mode::Propose, &[], &[]));
    let mut ids = Vec::new();
    for text in ["k-b1", "beta-app", "192.0.2.128/25"] {
        ids.push(act(&mut book, text, Verb::Block).expect("begun"));
    }
    let name = incident(Rule::LeakedKey, Severity::Critical, about("beta", "k-b2"));
    assert!(matches!(
        consider(&mut book, &name),
        Considered::Proposed(_)
    ));
    book.configure(settings(Mode::Propose, &["192.0.2.0/24"], &["beta"]), NOW);
    assert_eq!(book.active().count() + book.proposed().count(), 0);
    for id in ids {
        let state = book.get(&id).map(|action| action.state.clone());
        assert_eq!(state, Some(State::Ended(End::Allowed)));
    }
    assert!(matches!(consider(&mut book, &name), Considered::Refused(_)));
}

#[test]
fn kinds_that_are_nobody_and_rules_of_refusals_name_no_bearer() {
    for rule in Rule::ALL {
        let mut book = book(settings(Mode::Act, &[], &[]));
        for kind in [Kind::Route, Kind::Listener, Kind::Location, Kind::Host] {
            let about = awareness::Subject::named(kind, "acme/k-a1");
            let found = incident(rule, Severity::Critical, about);
            assert_eq!(consider(&mut book, &found), Considered::Nothing);
        }
        let network = awareness::Subject::network("192.0.2.7".parse().expect("an address"));
        let of_network = consider(&mut book, &incident(rule, Severity::Critical, network));
        let of_key = consider(
            &mut book,
            &incident(rule, Severity::Critical, about("acme", "k-a1")),
        );
        assert!(
            of_network == Considered::Nothing || of_key == Considered::Nothing,
            "{rule:?} names both"
        );
    }
}
