use super::super::super::extract::Scheme;
use super::super::super::fingerprint::Pepper;
use super::*;

const NOW: u64 = 1_800_000_000;

const TEXT: &str = r#"[[account]]
id = "acme"
plan = "gold"
terms = { version = "2026-01", accepted = 2026-01-14 }
[[account.app]]
id = "acme-app"
[[account.app.key]]
id = "old"
fp = "k1_AAAAAAAAAAAAAAAA"
expires = 2026-01-01
[[account.app.key]]
id = "bound"
fp = "k1_BAAAAAAAAAAAAAAA"
networks = ["192.0.2.0/24"]
[[account.app.key]]
id = "idle"
fp = "k1_CAAAAAAAAAAAAAAA"
[[account.app.key]]
id = "gone"
fp = "k1_EAAAAAAAAAAAAAAA"
state = "revoked"
[[account]]
id = "beta"
terms = { version = "2025-01", accepted = 2025-01-14 }
plan = "gold"
[[account]]
id = "corp"
[[account.app]]
id = "corp-app"
[[plan]]
id = "gold"
terms = "2026-01"
"#;

fn fingerprinter() -> Fingerprinter {
    Fingerprinter::new(&Pepper::new(&mut [7; 32]))
}

fn found(text: &str, last: &[(&str, u64)], early: &[(&str, u64)]) -> Vec<String> {
    let documents = [("a.toml", text)];
    let (registry, places) = Registry::parse_with_places(&documents).unwrap();
    let map = |pairs: &[(&str, u64)]| {
        pairs
            .iter()
            .map(|(id, value)| (Arc::from(*id), *value))
            .collect()
    };
    let facts = Facts {
        now: NOW,
        since: Some(NOW - 100 * DAY),
        last: &map(last),
        early: &map(early),
        unused: 90 * DAY,
        fingerprinter: &fingerprinter(),
    };
    lint(&documents, &registry, &places, &facts)
        .into_iter()
        .map(|one| {
            format!(
                "{} {} {}: {}",
                one.place.line,
                one.rule.name(),
                one.subject,
                one.statement
            )
        })
        .collect()
}

#[test]
fn every_weakness_is_told_with_its_line() {
    let found = found(
        TEXT,
        &[("bound", NOW - DAY), ("idle", NOW - 95 * DAY)],
        &[("acme", 7), ("corp", 3)],
    );
    assert_eq!(
        found,
        [
            "2 early_use acme: accepted the terms of use on 2026-01-14; 7 of its requests succeeded before",
            "8 expired old: expired at 2026-01-01T00:00:00Z and is still active",
            "16 no_networks idle: may come from anywhere; other keys of `acme` have networks",
            "16 unused idle: was not used for 95 days",
            "23 old_terms beta: accepted version 2025-01 of the terms of use; its plan asks for 2026-01",
            "23 empty beta: has no app",
            "27 no_plan corp: has no plan; others have",
            "27 no_terms corp: has accepted no terms of use; 3 of its requests succeeded",
            "29 empty corp-app: app of `corp` has no key",
        ]
    );
}

#[test]
fn a_credential_that_is_there_by_fingerprint_and_by_subject_is_told() {
    let fingerprint = fingerprinter().identity(Scheme::Basic, "", "alice");
    let text = format!(
        "[[account]]\nid = \"a\"\nterms = {{ version = \"1\", accepted = 2020-01-01 }}\n[[account.app]]\nid = \"app\"\n\
         [[account.app.key]]\nid = \"adopted\"\nfp = \"{fingerprint}\"\n\
         [[account.app.key]]\nid = \"named\"\nscheme = \"basic\"\nsubject = \"alice\"\n"
    );
    let used = [("adopted", NOW), ("named", NOW)];
    let found = found(&text, &used, &[]);
    assert_eq!(
        found,
        [
            "10 duplicate named: basic subject `alice` is the credential that key `adopted` of `a` has the fingerprint of"
        ]
    );
}

#[test]
fn who_owes_the_tax_needs_a_number() {
    let text = "[[account]]\nid = \"acme\"\nvat = \"reverse-charge\"\n[[account.app]]\nid = \"app\"\n[[account.app.key]]\nid = \"key\"\nfp = \"k1_AAAAAAAAAAAAAAAA\"\n";
    let told = |text: &str| {
        let found = found(text, &[("key", NOW)], &[]);
        found.into_iter().find(|line| line.contains("no_vat_id"))
    };
    assert_eq!(
        told(text).as_deref(),
        Some("2 no_vat_id acme: owes the VAT itself (reverse charge) and has no `vat_id`")
    );
    let named = text.replace("vat =", "vat_id = \"DE123456789\"\nvat =");
    assert_eq!(told(&named), None);
    assert_eq!(told(&text.replace("reverse-charge", "exempt")), None);
}
