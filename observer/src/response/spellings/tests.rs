use std::time::Instant;

use super::super::tests::{
    KEYS, NOW, book, fingerprint, fingerprinter, registry, request, settings, subject,
};
use super::super::{Mode, Verb, Which};
use super::*;

/// What somebody knows who took every change.
fn take(known: &mut HashMap<u64, Holder>, changes: Vec<(u64, Option<Holder>)>) {
    for (hash, holder) in changes {
        match holder {
            Some(holder) => drop(known.insert(hash, holder)),
            None => drop(known.remove(&hash)),
        }
    }
}

#[test]
fn holders_follow_actions_and_allowlists() {
    let registry = registry();
    let mut book = book(settings(Mode::Observe, &[], &[]));
    let mut spellings = Spellings::default();
    let mut known = HashMap::new();
    for (number, (_, key, _)) in KEYS.into_iter().enumerate() {
        spellings.learn(number as u64, fingerprint(key), 1_000);
    }
    spellings.learn(10, fingerprint("x"), 1_000);
    spellings.learn(11, fingerprint("y"), 1_000);
    take(&mut known, spellings.refresh(&book, &registry));
    assert_eq!(known[&0].consumer, known[&1].consumer);
    assert_eq!(
        known[&2].consumer, known[&3].consumer,
        "a clear identity is the account's as well"
    );
    let all: HashSet<_> = known.values().map(|holder| holder.consumer).collect();
    assert_eq!((all.len(), all.contains(&0)), (3, false));
    assert_eq!(known[&10], known[&11], "strangers are nobody of their own");
    assert_eq!(spellings.refresh(&book, &registry), []);

    for text in ["beta", "k-a1", &fingerprint("x").to_string()] {
        book.act(request(subject(text), Verb::Block), &registry, NOW)
            .expect("begun");
    }
    take(&mut known, spellings.refresh(&book, &registry));
    let slots = |known: &HashMap<u64, Holder>| {
        [0, 1, 2, 3, 10, 11].map(|hash| known.get(&hash).map_or(0, |holder| holder.action))
    };
    assert_eq!(slots(&known), [2, 0, 1, 1, 3, 0]);
    assert_ne!(known[&10].consumer, known[&11].consumer);
    // One that is learned later is under the action at once.
    spellings.learn(20, fingerprint("k-b1"), 1_000);
    let changes = spellings.refresh(&book, &registry);
    assert_eq!(
        (changes.len(), changes[0].1.map(|holder| holder.action)),
        (1, Some(1))
    );

    book.configure(settings(Mode::Observe, &[], &["beta"]), NOW);
    take(&mut known, spellings.refresh(&book, &registry));
    assert_eq!(slots(&known), [2, 0, 0, 0, 3, 0]);
    let allowed = |hash: u64| known[&hash].consumer & ALLOWED != 0;
    assert!(allowed(2) && allowed(3) && !allowed(0) && !allowed(10));
    book.undo(&Which::Subject(subject("k-a1")), "root", NOW)
        .expect("undone");
    let changes = spellings.refresh(&book, &registry);
    assert_eq!(changes.len(), 1);
    // What is adopted becomes one of the account's.
    let text = format!(
        "[[account]]\nid = \"acme\"\n[[account.app]]\nid = \"a\"\n[[account.app.key]]\nid = \"k\"\nfp = \"{}\"\n[[account.app.key]]\nid = \"l\"\nfp = \"{}\"\n",
        fingerprint("y"),
        fingerprint("k-a1")
    );
    let adopted = Registry::parse(&[("a.toml", text)]).expect("valid");
    book.registered(&adopted, &fingerprinter(), NOW);
    take(&mut known, spellings.refresh(&book, &adopted));
    assert_eq!(known[&11].consumer, known[&0].consumer);
}

#[test]
fn the_one_not_seen_for_longest_makes_room() {
    let book = book(settings(Mode::Observe, &[], &[]));
    let registry = registry();
    let mut spellings = Spellings::default();
    let one = fingerprint("x");
    for hash in 0..16 {
        assert_eq!(
            spellings.learn(hash, one, 1_000 + hash),
            [Change::Learned(hash)]
        );
    }
    assert_eq!(spellings.refresh(&book, &registry).len(), 16);
    // The first is seen again: the second makes room.
    assert_eq!(spellings.learn(0, one, 10_000), []);
    assert_eq!(
        spellings.learn(99, one, 10_000),
        [Change::Forgotten(1), Change::Learned(99)]
    );
    let changes = spellings.refresh(&book, &registry);
    assert_eq!((changes.len(), changes[0]), (2, (1, None)));
    assert_eq!((spellings.of(&one).count(), spellings.forgotten()), (16, 1));
    let mut rows = spellings.take_new();
    rows.sort_by_key(|row| row.hash);
    assert_eq!(
        (rows.len(), rows[0].seconds, spellings.take_new()),
        (16, 10_000, vec![])
    );
    let mut again = Spellings::default();
    again.restore(rows);
    let mut hashes: Vec<_> = again.of(&one).collect();
    hashes.sort_unstable();
    assert!(
        hashes
            .into_iter()
            .eq([0].into_iter().chain(2..16).chain([99]))
    );
    assert_eq!(again.take_new(), []);
    // A hash belongs to one credential.
    again.learn(99, fingerprint("y"), 10_001);
    assert_eq!(
        (again.of(&one).count(), again.of(&fingerprint("y")).count()),
        (15, 1)
    );
}

#[test]
fn there_are_so_many_at_most_and_all_are_worked_out_in_no_time() {
    let mut book = book(settings(Mode::Observe, &[], &[]));
    let registry = registry();
    let mut spellings = Spellings::default();
    for number in 0..MOST as u64 + 10 {
        spellings.learn(
            number,
            fingerprint(&number.to_string()),
            1_000 + number / 100,
        );
    }
    assert_eq!((spellings.len(), spellings.forgotten()), (MOST, 10));
    assert_eq!(spellings.of(&fingerprint("9")).count(), 0);
    assert_eq!(spellings.refresh(&book, &registry).len(), MOST);
    let text = fingerprint("77").to_string();
    book.act(request(subject(&text), Verb::Block), &registry, NOW)
        .expect("begun");
    let begun = Instant::now();
    let changes = spellings.refresh(&book, &registry);
    let took = begun.elapsed();
    assert_eq!(changes.len(), 1);
    println!("{MOST} spellings worked out in {took:?}");
}

#[test]
fn a_registry_that_the_book_was_not_told_of_opens_nobody_who_is_allowed() {
    let mut book = book(settings(Mode::Observe, &[], &["beta"]));
    let text = fingerprint("y").to_string();
    let request = request(subject(&text), Verb::Block);
    book.act(request, &registry(), NOW).expect("begun");
    let text = format!(
        "[[account]]\nid = \"beta\"\n[[account.app]]\nid = \"a\"\n[[account.app.key]]\nid = \"k\"\nfp = \"{text}\"\n"
    );
    let adopted = Registry::parse(&[("a.toml", text)]).expect("valid");
    let mut spellings = Spellings::default();
    spellings.learn(1, fingerprint("y"), 1_000);
    let changes = spellings.refresh(&book, &adopted);
    let holder = changes.first().and_then(|(_, holder)| *holder);
    assert!(holder.is_some_and(|holder| holder.action == 0 && holder.consumer & ALLOWED != 0));
    book.registered(&adopted, &fingerprinter(), NOW);
    assert_eq!(book.active().count(), 0);
}
