//! Subjects and actions as text.

use super::*;

#[test]
fn a_text_means_what_it_can_only_mean() {
    let registry = registry();
    let resolve = |text: &str, kind| Subject::resolve(text, kind, &registry);
    let written = |text: &str| resolve(text, None).map(|subject| subject.to_string());
    for (text, meant) in [
        ("beta", "consumer beta"),
        ("beta-app", "app beta-app"),
        ("k-b2", "key k-b2"),
        ("k1_4QX7M2ZC5T6JH3WA", "credential k1_4QX7M2ZC5T6JH3WA"),
        ("192.0.2.77/24", "network 192.0.2.0/24"),
        ("::ffff:192.0.2.77", "network 192.0.2.77/32"),
        ("::ffff:192.0.2.77/120", "network 192.0.2.0/24"),
        ("2001:db8::1", "network 2001:db8::1/128"),
    ] {
        assert_eq!(written(text), Ok(meant.to_owned()));
        let json = serde_json::to_string(&subject(text)).expect("json");
        assert_eq!(
            serde_json::from_str::<Subject>(&json).expect("again"),
            subject(text)
        );
    }
    let ambiguous = resolve("acme", None).expect_err("two things");
    assert_eq!(
        ambiguous.to_string(),
        "`acme` may be consumer or app: say which with --kind"
    );
    assert_eq!(
        resolve("acme", Some(SubjectKind::App)),
        Ok(Subject::App("acme".into()))
    );
    for wide in [
        "1.0.0.0/7",
        "2000::/15",
        "0.0.0.0/0",
        "::/0",
        "::/64",
        "::ffff:0:0/97",
    ] {
        assert!(
            matches!(resolve(wide, None), Err(Unresolved::TooWide(_))),
            "{wide}"
        );
    }
    assert!(matches!(
        resolve("nobody", None),
        Err(Unresolved::Unknown(_))
    ));
    let not = resolve("acme", Some(SubjectKind::Key)).expect_err("no key");
    assert_eq!(not.to_string(), "`acme` is no key");
    let pasted = resolve("sk_live_7d1f0a9c55e2", None).expect_err("no subject");
    assert!(!pasted.to_string().contains("7d1f"), "{pasted}");
}

#[test]
fn an_action_is_written_and_read() {
    let mut book = book(settings(Mode::Propose, &[], &[]));
    act(&mut book, "k-a1", limit("10/s")).expect("begun");
    act(&mut book, "2001:db8::/32", Verb::Block).expect("begun");
    act(&mut book, &fingerprint("x").to_string(), Verb::Block).expect("begun");
    let saved = book.save();
    let json = serde_json::to_string(&saved).expect("json");
    assert!(
        json.contains(r#""subject":{"kind":"network","id":"2001:db8::/32"},"#),
        "{json}"
    );
    assert_eq!(
        serde_json::from_str::<Vec<Action>>(&json).expect("again"),
        saved
    );
    let bytes = postcard::to_allocvec(&saved).expect("bytes");
    assert_eq!(
        postcard::from_bytes::<Vec<Action>>(&bytes).expect("again"),
        saved
    );
    // What a file says is checked: a slot given twice, one that cannot be, times of another clock.
    let mut wrong = saved.clone();
    for action in &mut wrong {
        (action.slot, action.until) = (7, NOW + 1_000 * HOUR);
    }
    let mut other = super::book(settings(Mode::Propose, &["2001:db8::/32"], &[]));
    other.restore(wrong, NOW);
    let mut kept: Vec<_> = other
        .active()
        .map(|action| (action.slot, action.until))
        .collect();
    kept.sort_unstable();
    assert_eq!(kept, [(7, NOW + 24 * HOUR), (8, NOW + 24 * HOUR)]);
    let ends: Vec<_> = other.ended().map(|action| action.state.name()).collect();
    assert_eq!(ends, ["allowed"]);
    other.restore(saved, NOW + HOUR);
    assert_eq!(other.active().count(), 2, "known ones are not taken twice");
}

#[test]
fn a_deed_has_one_name() {
    let deeds = [
        Deed::Proposed,
        Deed::Began,
        Deed::Replaced,
        Deed::Approved,
        Deed::Rejected,
        Deed::Undone,
        Deed::Expired,
        Deed::Allowed,
        Deed::Refused,
        Deed::Ended,
    ];
    for deed in deeds {
        let written = serde_json::to_value(deed).expect("written");
        assert_eq!(written.as_str(), Some(deed.name()));
    }
}
