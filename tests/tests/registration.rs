//! The commands for the registry: who is registered, with which keys, and what was seen of them. Without a kernel.

#![expect(clippy::expect_used, reason = "a test that cannot go on stops")]

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::process::Output;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use observer::awareness::Awareness;
use observer::identity::Registry;
use observer::identity::traits::Traits;
use observer::store::{self, Retention, Writer};
use observer::usage::batch::Batch;
use observer::usage::{Call, Credential, Fingerprint, Outcome, Vantage, Visibility};
use observer_tests::daemon::{KEYS, STRANGER, Setup};
use observer_tests::process::{finish, run};
use serde_json::Value;

const CANARY: &str = "sk_live_cAnAry_51aa0e7d2b";

fn say(setup: &Setup, words: &[&str], input: &str) -> Output {
    finish(&mut setup.command(words), input.as_bytes())
}

/// What a command answers that succeeds.
fn ask(setup: &Setup, words: &[&str], input: &str) -> String {
    let output = say(setup, words, input);
    assert!(output.status.success(), "{words:?}: {output:?}");
    String::from_utf8(output.stdout).expect("text")
}

fn rows(setup: &Setup, words: &[&str]) -> Vec<Value> {
    let mut words = words.to_vec();
    words.extend(["--format", "json"]);
    let output = say(setup, &words, "");
    let answer: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    answer["rows"].as_array().expect("rows").clone()
}

/// Fails unless the command is refused in one line that says all of this, and the registry stays as it is.
fn refuses(setup: &Setup, words: &[&str], input: &str, says: &[&str]) {
    let before = registry(setup);
    let output = say(setup, words, input);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{words:?}: {output:?}");
    assert!(said.starts_with("observer: "), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
    for part in says {
        assert!(said.contains(part), "no `{part}` in: {said}");
    }
    assert!(!said.contains("cAnAry"), "{said}");
    assert_eq!(before, registry(setup));
}

/// Every file of the registry with its text.
fn registry(setup: &Setup) -> Vec<(String, String)> {
    let folder = fs::read_dir(setup.path("registry.d")).expect("the folder");
    let mut files: Vec<_> = folder
        .flatten()
        .map(|entry| {
            let text = fs::read_to_string(entry.path()).expect("a text");
            (entry.file_name().to_string_lossy().into_owned(), text)
        })
        .collect();
    files.sort();
    files
}

fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.expect("a clock").as_nanos() as u64
}

fn call(setup: &Setup, number: u64, key: Option<&str>, status: u16) -> Call {
    let address = |text: &str| text.parse().expect("an address");
    let secret = if key.is_some() { KEYS[0].0 } else { STRANGER };
    Call {
        begin: now() - 3_600_000_000_000 + number * 1_000_000_000,
        duration: 1_000_000,
        first_byte: Some(500_000),
        client: address("192.0.2.2:40000"),
        peer: address("192.0.2.2:40000"),
        server: address("192.0.2.1:8080"),
        interface: "eth0".into(),
        vantage: Vantage::Edge,
        visibility: Visibility::Plaintext,
        tls: None,
        protocol: "HTTP/1.1",
        method: Some("GET".into()),
        api: "orders".into(),
        host: None,
        target: None,
        route: "/v1/widgets/{id}".into(),
        public: false,
        status: Some(status),
        outcome: Outcome::of(Some(status), None, None, true),
        request_head_bytes: 200,
        request_body_bytes: 0,
        response_head_bytes: 100,
        response_body_bytes: 10,
        credential: Some(Credential {
            scheme: "api-key",
            location: "header:x-api-key".into(),
            fingerprint: Fingerprint::new(setup.fingerprint(secret)),
            accepted: true,
            spelling: None,
            known_by: setup.fingerprint(secret).parse().expect("a fingerprint"),
        }),
        consumer: if key.is_some() {
            "acme"
        } else {
            "__unregistered__"
        }
        .into(),
        app: key.map(|_| "acme-app".into()),
        key: key.map(Arc::from),
        reset: None,
        rpc: None,
        socket: None,
        uncertain: None,
        malformed: None,
        traits: Traits::default(),
        refused: None,
    }
}

/// A ledger as a daemon leaves it: the first registered key and one that is not were used.
fn observe(setup: &Setup) {
    let (mut batch, mut awareness) = (Batch::default(), Awareness::new(&Registry::default()));
    for number in 0..40 {
        let status = if number % 4 == 3 { 404 } else { 200 };
        for call in [
            call(setup, number, Some("acme-key"), 200),
            call(setup, number, None, status),
        ] {
            batch.add(&call);
            awareness.observe(&call);
        }
    }
    awareness.tick(now() / 1_000_000_000, 1.0);
    awareness.begin_saving();
    batch.baselines(awareness.save(usize::MAX));
    let path = setup.path("ledger.sqlite");
    let ledger = store::open(&path, None).expect("making a ledger");
    let retention = Retention {
        minutes: 86_400,
        quarters: 86_400,
        days: 86_400 * 400,
        max_bytes: 1 << 30,
    };
    let writer = Writer::start(&path, Some(ledger), retention).expect("a thread");
    writer.write(1, Arc::new(batch.rows()));
    writer.finish();
}

#[test]
fn an_account_is_added_shown_and_its_key_revoked() {
    let setup = Setup::new("", "");
    let file = setup.path("registry.d/keys.toml");
    let text = fs::read_to_string(&file).expect("reading");
    let text = format!(
        "# Whose keys these are.\n{text}\n[[plan]]\nid = \"gold\" # the best\nterms = \"2026-01\"\n"
    );
    fs::write(&file, &text).expect("writing");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).expect("closing");

    let add = [
        "consumers",
        "add",
        "newcorp",
        "--name",
        "New \u{1b}[2JCorp",
        "--plan",
        "gold",
        "--terms",
        "2026-01",
        "--accepted",
        "2026-01-14",
        "--app",
        "newcorp-web",
        "--owner",
        "partner",
        "--key-file",
        "-",
        "--key-id",
        "k-1",
        "--network",
        "203.0.113.0/24",
        "--expires",
        "2099-01-01",
        "--hint",
        "sk_live_...2b",
    ];
    let answer = ask(&setup, &add, &format!("{CANARY}\n"));
    assert!(
        answer.starts_with("added 1 account, 1 app, 1 key (k-1 of newcorp-web"),
        "{answer}"
    );
    let fingerprint = setup.fingerprint(CANARY);
    let written = fs::read_to_string(setup.path("registry.d/newcorp.toml")).expect("its file");
    assert!(
        written.contains(&fingerprint) && !written.contains("cAnAry"),
        "{written}"
    );

    // A second time, with another key, a hint that says too much, a plan that is none, a key that is somebody's.
    refuses(
        &setup,
        &add,
        CANARY,
        &["newcorp.toml: line 2", "is there already"],
    );
    let key = [
        "consumers",
        "add",
        "newcorp",
        "--app",
        "newcorp-web",
        "--key-file",
        "-",
    ];
    refuses(&setup, &key, CANARY, &["all of this is registered"]);
    let with = |more: &[&'static str]| [&key[..], more].concat();
    refuses(
        &setup,
        &with(&["--hint", CANARY]),
        CANARY,
        &["--hint", "too much"],
    );
    refuses(
        &setup,
        &with(&["--key-id", "Bad"]),
        CANARY,
        &["--key-id", "no id"],
    );
    refuses(
        &setup,
        &with(&["--expires", "soon"]),
        CANARY,
        &["--expires", "`soon`"],
    );
    refuses(
        &setup,
        &key,
        KEYS[0].0,
        &["keys.toml", "key `acme-key` of account `acme`"],
    );
    refuses(&setup, &key, "", &["expected one key"]);
    refuses(
        &setup,
        &["consumers", "add", "x", "--plan", "gild"],
        "",
        &["did you mean `gold`"],
    );
    refuses(
        &setup,
        &["consumers", "add", "x", "--into", "/etc/x.toml"],
        "",
        &["--into"],
    );

    // Nothing of a hostile name steers a terminal, in any format.
    for format in ["table", "json", "csv"] {
        for words in [
            ["consumers", "list", "--format", format],
            ["keys", "list", "--format", format],
        ] {
            let answer = ask(&setup, &words, "");
            assert!(!answer.contains('\u{1b}'), "{words:?}: {answer}");
        }
        let show = ["consumers", "show", "newcorp", "--format", format];
        assert!(!ask(&setup, &show, "").contains('\u{1b}'));
    }
    let listed = rows(&setup, &["consumers", "list"]);
    let new = listed
        .iter()
        .find(|row| row["consumer"] == "newcorp")
        .expect("the account");
    assert_eq!(
        (&new["plan"], &new["accepted"]),
        (&"gold".into(), &"2026-01-14".into())
    );
    assert_eq!((&new["apps"], &new["keys"]), (&1.into(), &1.into()));
    refuses(
        &setup,
        &["consumers", "show", "newcrop"],
        "",
        &["did you mean `newcorp`"],
    );

    // Revoked in place: one line more, everything else as it was, owner and mode included.
    let answer = ask(
        &setup,
        &["keys", "revoke", "acme-key", "--consumer", "acme"],
        "",
    );
    assert!(answer.contains("keys.toml"), "{answer}");
    let after = fs::read_to_string(&file).expect("reading");
    let fp = format!("fp = \"{}\"\n", setup.fingerprint(KEYS[0].0));
    assert_eq!(
        after,
        text.replace(&fp, &format!("{fp}state = \"revoked\"\n"))
    );
    assert_eq!(
        fs::metadata(&file).expect("its mode").mode() & 0o7777,
        0o640
    );
    assert!(ask(&setup, &["keys", "revoke", "acme-key"], "").contains("before"));
    refuses(
        &setup,
        &["keys", "revoke", "k-1", "--consumer", "acme"],
        "",
        &["`newcorp`, not of `acme`"],
    );
    refuses(&setup, &["keys", "revoke", "k-2"], "", &["no key `k-2`"]);
    let states = rows(&setup, &["keys", "list", "--consumer", "acme"]);
    assert_eq!(states[0]["state"], "revoked");
}

#[test]
fn strangers_are_adopted_and_orphans_told_of() {
    let setup = Setup::new("", "");
    refuses(&setup, &["consumers", "strangers"], "", &["ledger.sqlite"]);
    observe(&setup);
    let fingerprint = setup.fingerprint(STRANGER);
    let strangers = rows(&setup, &["consumers", "strangers"]);
    assert_eq!(strangers.len(), 1, "{strangers:?}");
    assert_eq!(strangers[0]["fingerprint"], *fingerprint);
    assert_eq!(strangers[0]["requests"], 40);
    let success = strangers[0]["success"].as_f64().expect("a share");
    assert!((success - 0.75).abs() < 0.05, "{success}");
    assert!(strangers[0]["first_seen"].as_str() <= strangers[0]["last_seen"].as_str());
    let orphans = rows(&setup, &["consumers", "orphans"]);
    assert_eq!(orphans.len(), KEYS.len() - 1, "{orphans:?}");
    assert!(orphans.iter().all(|row| row["key"] != "acme-key"));

    refuses(
        &setup,
        &["consumers", "adopt", CANARY, "--account", "acme"],
        "",
        &["is not a fingerprint"],
    );
    let adopt = [
        "consumers",
        "adopt",
        &*fingerprint,
        "--account",
        "acme",
        "--key-id",
        "found",
    ];
    let answer = ask(&setup, &adopt, "");
    assert!(
        answer.contains("found of acme-app") && !answer.contains("note"),
        "{answer}"
    );
    refuses(
        &setup,
        &adopt,
        "",
        &["is key `found` of account `acme` already"],
    );
    assert!(rows(&setup, &["consumers", "strangers"]).is_empty());
    let own = registry(&setup);
    let keys = own
        .iter()
        .find(|(name, _)| name == "keys.toml")
        .expect("the file");
    assert!(keys.1.contains(&fingerprint), "{}", keys.1);
    let list = rows(&setup, &["keys", "list"]);
    let used = list
        .iter()
        .find(|row| row["key"] == "acme-key")
        .expect("the key");
    assert_ne!(used["last_seen"], "");
}

#[test]
fn what_is_weak_is_told_with_file_and_line() {
    let setup = Setup::new("", "");
    observe(&setup);
    let except = ["consumers", "lint", "--except", "no_terms"];
    let clean = say(&setup, &except, "");
    assert_eq!(clean.status.code(), Some(0), "{clean:?}");
    // The ledger knows of 40 requests that succeeded; the terms came later.
    setup.register("late", "fp = \"k1_AAAAAAAAAAAAAAAA\"\nexpires = 2026-01-01");
    let file = setup.path("registry.d/keys.toml");
    let text = fs::read_to_string(&file).expect("reading");
    let terms = "id = \"acme\"\nterms = { version = \"1\", accepted = 2999-01-01 }\n";
    fs::write(&file, text.replacen("id = \"acme\"\n", terms, 1)).expect("writing");
    let found = rows(&setup, &["consumers", "lint"]);
    let find = |rule: &str| {
        let row = found.iter().find(|row| row["rule"] == rule);
        row.unwrap_or_else(|| std::panic::panic_any(format!("no {rule} in {found:?}")))
    };
    let early = find("early_use");
    assert_eq!(
        (&early["subject"], &early["line"]),
        (&"acme".into(), &2.into())
    );
    let words = early["statement"].as_str().expect("words");
    assert!(words.contains("40 of its requests"), "{words}");
    let expired = find("expired");
    assert!(
        expired["file"]
            .as_str()
            .expect("a file")
            .ends_with("late.toml")
    );
    assert_eq!(expired["line"], 6);
    assert_eq!(find("no_terms")["subject"], "beta");
    let output = say(&setup, &["consumers", "lint", "--format", "csv"], "");
    assert_eq!(output.status.code(), Some(1));
    refuses(
        &setup,
        &["consumers", "lint", "--except", "expird"],
        "",
        &["did you mean `expired`"],
    );

    // What contradicts itself does not load: both places are named, and nothing is written.
    setup.register(
        "twice",
        &format!("fp = \"{}\"", setup.fingerprint(KEYS[1].0)),
    );
    for words in [
        &["consumers", "lint"][..],
        &["consumers", "list"],
        &["consumers", "add", "x"],
        &["keys", "revoke", "beta-key"],
    ] {
        refuses(
            &setup,
            words,
            "",
            &["twice.toml: line", "is already at", "keys.toml: line"],
        );
    }
}

#[test]
fn imports_come_back_as_they_were_and_keep_no_key() {
    let kong = format!(
        "_format_version: \"3.0\"\nconsumers:\n- username: Shop One\n  acls: [{{group: gold}}]\n  keyauth_credentials:\n  - key: {CANARY}\n  \
         - key: $env://OTHER\n  basicauth_credentials:\n  - username: alice\n    password: {CANARY}\n"
    );
    let csv = format!(
        "account,app,key_id,key,plan,valid_from,expires\nshop,shop-web,k-1,{CANARY},gold,,2099-01-01\n"
    );
    let tyk = format!("{{\"{CANARY}\": {{\"alias\": \"shop\", \"apply_policies\": [\"gold\"]}}}}");
    let apisix = format!(
        "consumers:\n- username: shop\n  plugins:\n    key-auth:\n      key: {CANARY}\n#END\n"
    );
    let nginx =
        format!("map $http_x_api_key $consumer {{\n  default \"\";\n  {CANARY} shop;\n}}\n");
    let htpasswd = format!("alice:{CANARY}\n");
    for (format, text) in [
        ("kong", &kong),
        ("csv", &csv),
        ("tyk", &tyk),
        ("apisix", &apisix),
        ("nginx-map", &nginx),
        ("htpasswd", &htpasswd),
    ] {
        let setup = Setup::new("", "");
        fs::remove_file(setup.path("registry.d/keys.toml")).expect("removing");
        let source = setup.path("source");
        fs::write(&source, text).expect("writing");
        let source = source.display().to_string();
        let import = [
            "consumers",
            "import",
            format,
            &*source,
            "--into",
            "from.toml",
        ];
        let dry = ask(&setup, &[&import[..], &["--dry-run"]].concat(), "");
        assert!(
            dry.contains("nothing was written") && registry(&setup).is_empty(),
            "{dry}"
        );
        let answer = ask(&setup, &import, "");
        assert!(
            answer.contains("added 1 account, 1 app, "),
            "{format}: {answer}"
        );
        let first = registry(&setup);
        assert!(
            !format!("{answer}{first:?}").contains("cAnAry"),
            "{format}: {first:?}"
        );
        if format != "htpasswd" {
            assert!(first[0].1.contains(&setup.fingerprint(CANARY)), "{first:?}");
        }
        // Again: everything is known.
        let again = ask(&setup, &import, "");
        assert!(again.contains("added nothing"), "{again}");
        assert_eq!(registry(&setup), first);
        // Out, and in again elsewhere: the same keys of the same accounts.
        let keys = rows(&setup, &["keys", "list"]);
        let exported = ask(&setup, &["consumers", "export", "--format-of", format], "");
        assert!(!exported.contains("cAnAry"));
        fs::remove_file(setup.path("registry.d/from.toml")).expect("removing");
        ask(&setup, &["consumers", "import", format, "-"], &exported);
        assert_eq!(
            rows(&setup, &["keys", "list"]),
            keys,
            "{format}: {exported}"
        );
        // And as it is written here.
        let whole = ask(&setup, &["consumers", "export", "--format-of", "toml"], "");
        assert_eq!(whole.matches("[[account]]").count(), 1, "{whole}");
    }
}

#[test]
fn what_cannot_be_imported_is_refused_with_its_line() {
    let setup = Setup::new("", "");
    for (format, text, says) in [
        ("kong", "consumers: [\n", "line"),
        (
            "kong",
            "_format_version: '3.0'\nconsumers:\n- 7\n",
            "line 3",
        ),
        ("tyk", "{\n\"a\": 7}", "line 2"),
        (
            "apisix",
            "consumers:\n- plugins: {key-auth: cAnAry}\n",
            "line 2",
        ),
        ("htpasswd", "alice:x\ncAnAry\n", "line 2"),
        ("nginx-map", "map $http_a $b {\n \"cAnAry", "line 2"),
        ("csv", "account,key\na,cAnAry,more\n", "line 2"),
        ("csv", "account,key\na,cAnAry\nb,cAnAry\n", "line 3"),
        (
            "csv",
            &format!("account,key\nother,{}\n", KEYS[0].0),
            "key `acme-key`",
        ),
    ] {
        refuses(&setup, &["consumers", "import", format, "-"], text, &[says]);
    }
    let deep = "[".repeat(100_000);
    for format in ["kong", "tyk", "apisix"] {
        refuses(
            &setup,
            &["consumers", "import", format, "-"],
            &deep,
            &["nothing was written"],
        );
    }
    refuses(
        &setup,
        &["consumers", "import", "csv", "/nowhere"],
        "",
        &["/nowhere"],
    );
    let prefix = [
        "consumers",
        "import",
        "csv",
        "-",
        "--account-prefix",
        "Big ",
    ];
    refuses(&setup, &prefix, "account\n", &["--account-prefix"]);
}

/// Two that change the registry at the same time wait for each other.
#[test]
fn changes_at_the_same_time_are_all_there() {
    let setup = Setup::new("", "");
    std::thread::scope(|scope| {
        for number in 0..8 {
            let setup = &setup;
            scope.spawn(move || {
                let id = format!("corp-{number}");
                run(&mut setup.command(&["consumers", "add", &id, "--into", "corps.toml"]));
            });
        }
    });
    assert_eq!(rows(&setup, &["consumers", "list"]).len(), KEYS.len() + 8);
    let left = registry(&setup)
        .into_iter()
        .filter(|(name, _)| name.starts_with('.'));
    assert_eq!(left.count(), 0);
}
