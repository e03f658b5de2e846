use proptest::prelude::*;

use super::super::super::extract::Scheme;
use super::*;

const BEFORE: &str = r#"# Who may call.

[[account]] # the first
id = "acme"   # never change it
name = 'Acme'
[[account.app]]
id = "acme-mobile"
[[account.app.key]]
id = "k-1"
fp = "k1_4QX7M2ZC5T6JH3WA"
state = "active" # since May
[[account.app.key]]
id = "k-2"
fp = "k1_4QX7M2ZC5T6JH3WB"

# Others.
[[account]]
id = "beta"
app = [{ id = "beta-app", key = [{ id = "k-3", fp = "k1_4QX7M2ZC5T6JH3WC" }] }]
[[plan]]
id = "gold" # best
"#;

fn editor(documents: &[(&str, &str)]) -> Editor {
    let documents = documents
        .iter()
        .map(|(name, text)| ((*name).to_owned(), (*text).to_owned()));
    Editor::new(documents.collect()).unwrap()
}

fn draft(account: &str, app: &str, key: &str, fingerprint: &str) -> AccountDraft {
    AccountDraft {
        id: account.into(),
        apps: vec![AppDraft {
            id: app.into(),
            owner: None,
            keys: vec![KeyDraft::new(
                key,
                Handle::Fingerprint(fingerprint.parse().unwrap()),
            )],
        }],
        ..AccountDraft::default()
    }
}

fn register(editor: &mut Editor, draft: &AccountDraft) -> Result<Added, EditError> {
    let into = editor.document("new.toml");
    editor.register(draft, into)
}

/// The only document that changed.
fn changed(editor: Editor) -> String {
    let mut changed = editor.finish().unwrap();
    assert_eq!(changed.len(), 1);
    changed.remove(0).1
}

#[test]
fn a_state_is_set_and_nothing_else_changes() {
    for (key, from, to) in [
        ("k-1", "state = \"active\" #", "state = \"revoked\" #"),
        ("k-2", "3WB\"\n", "3WB\"\nstate = \"revoked\"\n"),
        ("k-3", "3WC\" }", "3WC\" , state = \"revoked\" }"),
    ] {
        let mut editor = editor(&[("a.toml", BEFORE)]);
        assert!(editor.set_state(key, KeyState::Revoked).unwrap());
        let after = changed(editor);
        let squeezed = |text: &str| text.replace(' ', "");
        assert_eq!(
            squeezed(&after),
            squeezed(&BEFORE.replace(from, to)),
            "{key}"
        );
    }
    let mut editor = editor(&[("a.toml", BEFORE)]);
    assert!(!editor.set_state("k-1", KeyState::Active).unwrap());
    let missing = editor.set_state("k-9", KeyState::Revoked).unwrap_err();
    assert!(
        missing
            .to_string()
            .contains("no key `k-9` (did you mean `k-")
    );
    assert!(editor.finish().unwrap().is_empty());
}

#[test]
fn what_is_new_stands_where_it_belongs_and_comments_stay() {
    let mut editor = editor(&[("a.toml", BEFORE)]);
    let added = register(
        &mut editor,
        &draft("acme", "acme-web", "k-4", "k1_AAAAAAAAAAAAAAAA"),
    );
    assert_eq!((added.clone().unwrap().apps, added.unwrap().keys), (1, 1));
    register(
        &mut editor,
        &draft("acme", "acme-mobile", "k-5", "k1_BAAAAAAAAAAAAAAA"),
    )
    .unwrap();
    register(
        &mut editor,
        &draft("beta", "beta-app", "k-6", "k1_CAAAAAAAAAAAAAAA"),
    )
    .unwrap();
    let after = changed(editor);
    for line in BEFORE.lines().filter(|line| !line.starts_with("app = ")) {
        assert!(after.contains(line), "{line} is gone:\n{after}");
    }
    let registry = Registry::parse(&[("a.toml", &after)]).unwrap();
    let owners: Vec<_> = registry
        .keys()
        .iter()
        .map(|key| format!("{}/{}/{}", key.consumer, key.app, key.key))
        .collect();
    assert_eq!(
        owners,
        [
            "acme/acme-mobile/k-1",
            "acme/acme-mobile/k-2",
            "acme/acme-mobile/k-5",
            "acme/acme-web/k-4",
            "beta/beta-app/k-3",
            "beta/beta-app/k-6",
        ]
    );
}

#[test]
fn a_new_account_goes_into_its_own_document_in_the_usual_form() {
    let mut editor = editor(&[("a.toml", BEFORE)]);
    let mut new = draft("corp", "corp-app", "k-7", "k1_DAAAAAAAAAAAAAAA");
    new.name = Some("Corp \"quoted\" \u{1b}[2J".into());
    new.terms = Some(("2026-01".into(), "2026-01-14".parse().ok()));
    new.plan = Some("gold".into());
    if let Some(key) = new.apps[0].keys.first_mut() {
        key.expires = "2027-01-01T00:00:00Z".parse().ok();
        key.networks = vec!["203.0.113.0/24".to_owned()];
    }
    let added = register(&mut editor, &new).unwrap();
    assert_eq!((added.accounts, added.apps, added.keys), (1, 1, 1));
    let after = changed(editor);
    assert_eq!(
        after,
        "[[account]]\nid = \"corp\"\nname = \"Corp \\\"quoted\\\" \\u001B[2J\"\nterms = { version = \"2026-01\", accepted = 2026-01-14 }\n\
         plan = \"gold\"\n[[account.app]]\nid = \"corp-app\"\n[[account.app.key]]\nid = \"k-7\"\nfp = \"k1_DAAAAAAAAAAAAAAA\"\n\
         expires = 2027-01-01T00:00:00Z\nnetworks = [\"203.0.113.0/24\"]\n"
    );
}

#[test]
fn what_contradicts_the_registry_is_refused_with_its_place() {
    for (draft, says) in [
        (
            draft("corp", "acme-mobile", "k-8", "k1_AAAAAAAAAAAAAAAA"),
            "a.toml: line 7: app id `acme-mobile` is one of account `acme`",
        ),
        (
            draft("corp", "corp-app", "k-1", "k1_AAAAAAAAAAAAAAAA"),
            "a.toml: line 9: key id `k-1` is already there",
        ),
        (
            draft("corp", "corp-app", "k-8", "k1_4QX7M2ZC5T6JH3WA"),
            "a.toml: line 9: fingerprint k1_4QX7M2ZC5T6JH3WA is key `k-1` of account `acme` already",
        ),
    ] {
        let error = register(&mut editor(&[("a.toml", BEFORE)]), &draft).unwrap_err();
        assert!(error.to_string().starts_with(says), "{error}");
    }
    // What is there already is known.
    let again = draft("acme", "acme-mobile", "other", "k1_4QX7M2ZC5T6JH3WA");
    let mut editor = editor(&[("a.toml", BEFORE)]);
    let added = register(&mut editor, &again).unwrap();
    assert!(added.is_empty() && added.known == 1);
    assert!(editor.finish().unwrap().is_empty());
}

#[test]
fn line_ends_and_the_mark_at_the_beginning_stay() {
    let before = format!("\u{feff}{}", BEFORE.replace('\n', "\r\n"));
    let mut editor = editor(&[("a.toml", &before)]);
    editor.set_state("k-2", KeyState::Revoked).unwrap();
    let after = changed(editor);
    let expected = before.replace("3WB\"\r\n", "3WB\"\r\nstate = \"revoked\"\r\n");
    assert_eq!(after, expected);
}

#[test]
fn a_subject_is_written_as_it_is_read() {
    let mut editor = editor(&[]);
    let mut new = draft("corp", "corp-app", "k", "k1_DAAAAAAAAAAAAAAA");
    if let Some(key) = new.apps[0].keys.first_mut() {
        key.handle = Handle::subject(Scheme::Basic, "o\"brien\\\n");
    }
    register(&mut editor, &new).unwrap();
    let after = changed(editor);
    let registry = Registry::parse(&[("new.toml", &after)]).unwrap();
    assert_eq!(registry.drafts()[0].apps[0].keys, new.apps[0].keys);
}

proptest! {
    /// Names and hints may hold anything: what is written is read as the same, beside whatever stood there.
    #[test]
    fn what_is_written_is_read(name: String, hint: String, version: String) {
        let mut editor = editor(&[("a.toml", BEFORE)]);
        let mut new = draft("corp", "corp-app", "k-7", "k1_DAAAAAAAAAAAAAAA");
        new.name = Some(name.as_str().into());
        new.terms = Some((version.as_str().into(), None));
        if let Some(key) = new.apps[0].keys.first_mut() {
            key.hint = Some(hint.as_str().into());
        }
        let into = editor.document("a.toml");
        editor.register(&new, into).unwrap();
        let after = changed(editor);
        let registry = Registry::parse(&[("a.toml", &after)]).unwrap();
        new.apps[0].owner = Some(super::super::Owner::Public);
        let drafts = registry.drafts();
        prop_assert_eq!(drafts.last(), Some(&new));
    }
}
