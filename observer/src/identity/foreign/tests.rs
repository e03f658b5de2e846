use std::sync::Arc;

use proptest::prelude::*;

use super::super::extract::Scheme;
use super::super::fingerprint::Pepper;
use super::super::registry::{
    AppDraft, ClearIdentity, Handle, KeyDraft, KeyState, Owner, Registry,
};
use super::*;

const FORMATS: [Format; 6] = [
    Format::Kong,
    Format::Tyk,
    Format::Apisix,
    Format::Htpasswd,
    Format::NginxMap,
    Format::Csv,
];
const NOW: i64 = 1_800_000_000;
const KEY: &str = "sk_live_4eC39HqLyjWDarjtT1zdp7dc";

fn fingerprinter() -> Fingerprinter {
    Fingerprinter::new(&Pepper::new(&mut [7; 32]))
}

fn read(format: Format, text: &str) -> Result<Imported, ForeignError> {
    import(format, text, &fingerprinter(), "")
}

fn fingerprint(key: &str) -> String {
    fingerprinter().fingerprint(key.as_bytes()).to_string()
}

/// What was imported, a line a key.
fn lines(imported: &Imported) -> Vec<String> {
    let keys = imported.accounts.iter().flat_map(|account| {
        let plan = account.plan.as_deref().unwrap_or("-");
        account.keys().map(move |(app, key)| {
            format!(
                "{} {plan} {} {} {}",
                account.id,
                app.id,
                key.id,
                key.handle.words()
            )
        })
    });
    keys.collect()
}

#[test]
fn kong_is_read() {
    let text = format!(
        "_format_version: \"3.0\"\n_transform: true\nservices:\n- name: orders\nconsumers:\n- username: Acme Corp\n  \
         custom_id: \"42\"\n  acls:\n  - group: gold\n  keyauth_credentials:\n  - key: {KEY}\n    tags: [\"app:acme-mobile\", \"key:k-1\"]\n  \
         - key: \"{{vault://env/acme}}\"\n  basicauth_credentials:\n  - username: alice\n    password: secret\n  \
         jwt_secrets:\n  - key: idp\n- custom_id: beta\n  keyauth_credentials: null\n"
    );
    let imported = read(Format::Kong, &text).unwrap();
    assert_eq!(imported.accounts[0].name.as_deref(), Some("Acme Corp"));
    assert_eq!(&*imported.accounts[1].id, "beta");
    let lines = lines(&imported);
    assert_eq!(
        lines[0],
        format!(
            "acme-corp gold acme-mobile k-1 fingerprint {}",
            fingerprint(KEY)
        )
    );
    assert!(lines[1].ends_with("basic subject `alice`"), "{lines:?}");
    assert_eq!(imported.remarks.len(), 2);
    assert!(
        imported.remarks[0]
            .starts_with("consumers[0].keyauth_credentials[1]: the key is a reference")
    );
    let refused = read(Format::Kong, "consumers: []").unwrap_err();
    assert!(refused.to_string().contains("_format_version"));
    let refused = read(Format::Kong, "_format_version: \"3.0\"\nconsumers: 7\n").unwrap_err();
    assert_eq!(refused.line, Some(2));
}

#[test]
fn tyk_is_read_and_its_digests_are_told_of() {
    let token = "eyJvcmciOiI1ZSIsImlkIjoiYTciLCJoIjoibXVybXVyNjQifQ==";
    let text = format!(
        "{{\"{token}\": {{\"alias\": \"acme\", \"apply_policies\": [\"gold\"], \"expires\": 1893456000, \"is_inactive\": true}},\n\
          \"0123456789abcdef\": {{\"alias\": \"beta\"}}}}"
    );
    let imported = read(Format::Tyk, &text).unwrap();
    let key = &imported.accounts[0].apps[0].keys[0];
    assert_eq!(
        key.handle.words(),
        format!("fingerprint {}", fingerprint(token))
    );
    assert_eq!(key.state, KeyState::Suspended);
    assert_eq!(key.expires.unwrap().to_string(), "2030-01-01T00:00:00Z");
    assert!(imported.remarks[0].starts_with("key 2: a digest"));
    let list = format!(
        "[{{\"key\": \"{KEY}\", \"data\": {{\"org_id\": \"corp\", \"apply_policies\": null}}}}, {{\"key_hash\": \"ab\", \"alias\": \"x\"}}]"
    );
    let imported = read(Format::Tyk, &list).unwrap();
    assert_eq!(lines(&imported).len(), 1);
    assert_eq!(imported.remarks.len(), 1);
    let imported = read(Format::Tyk, "{\"keys\": [\"0a1b2c3d\", \"plain-key-1\"]}").unwrap();
    assert_eq!(imported.remarks.len(), 2);
}

#[test]
fn apisix_is_read_in_both_forms_and_references_are_not_followed() {
    let yaml = format!(
        "consumers:\n- username: jack\n  plugins:\n    key-auth:\n      key: {KEY}\n    basic-auth:\n      username: jack1\n      password: p\n\
         - username: rose\n  plugins:\n    key-auth:\n      key: $env://ROSE\n#END\n"
    );
    let json = format!(
        "{{\"total\": 1, \"list\": [{{\"value\": {{\"username\": \"jack\", \"plugins\": {{\"key-auth\": {{\"key\": \"{KEY}\"}}, \
         \"basic-auth\": {{\"username\": \"jack1\"}}}}}}}}, {{\"value\": {{\"username\": \"rose\", \"plugins\": {{\"key-auth\": {{\"key\": \"$secret://v/1\"}}}}}}}}]}}"
    );
    for text in [yaml, json] {
        let imported = read(Format::Apisix, &text).unwrap();
        assert_eq!(lines(&imported).len(), 2, "{imported:?}");
        assert_eq!(imported.remarks.len(), 1);
        assert!(imported.remarks[0].contains("reference"));
    }
}

#[test]
fn users_of_htpasswd_are_known_by_name() {
    let text = "# users\nalice:$apr1$abc$def\r\n\nBob Smith:$2y$05$x\n";
    let imported = read(Format::Htpasswd, text).unwrap();
    let subjects: Vec<_> = lines(&imported);
    assert!(subjects[0].ends_with("basic subject `alice`"));
    assert!(subjects[1].starts_with("bob-smith - bob-smith-app "));
    assert!(subjects[1].ends_with("basic subject `Bob Smith`"));
    assert_eq!(read(Format::Htpasswd, "alice\n").unwrap_err().line, Some(1));
}

#[test]
fn maps_of_nginx_are_read_as_nginx_reads_them() {
    let text = format!(
        "http {{ # {{\n  map $uri $x {{ /a b; }}\n  map $http_x_api_key $consumer {{\n    default \"\";\n    volatile;\n    \"{KEY}\" acme; # mine\n    \
         'it\\'s' \"Big Corp\";\n    ~^sk_ regex;\n    include more.map;\n    \"\" nobody;\n  }}\n  map $remote_user $c {{ alice acme; }}\n}}\n"
    );
    let imported = read(Format::NginxMap, &text).unwrap();
    assert_eq!(lines(&imported).len(), 3, "{imported:?}");
    assert!(lines(&imported)[0].ends_with(&fingerprint(KEY)));
    assert!(lines(&imported)[1].ends_with("basic subject `alice`"));
    assert!(
        lines(&imported)[2].starts_with("big-corp")
            && lines(&imported)[2].ends_with(&fingerprint("it's"))
    );
    assert_eq!(imported.remarks.len(), 2);
    for (wrong, line) in [
        ("map $http_x $y {\n a b\n}", Some(3)),
        ("map $http_x $y {\n \"a b;\n}", Some(2)),
        ("map $http_x $y {\n a b;\n", Some(1)),
        ("}", Some(1)),
        ("server { listen 80; }", None),
    ] {
        assert_eq!(
            read(Format::NginxMap, wrong).unwrap_err().line,
            line,
            "{wrong}"
        );
    }
}

#[test]
fn tables_are_read_by_the_names_of_their_columns() {
    let text = format!(
        "account,app,key_id,key,plan,valid_from,expires\nacme,mobile,k-1,{KEY},gold,2026-01-01,\nacme,mobile,k-2,sha256:00,gold,,\n\"Beta, Inc\",,,other,,,2027-01-01T00:00:00Z\n"
    );
    let imported = read(Format::Csv, &text).unwrap();
    assert_eq!(
        lines(&imported)[0],
        format!("acme gold mobile k-1 fingerprint {}", fingerprint(KEY))
    );
    assert!(lines(&imported)[1].starts_with("beta-inc - beta-inc-app beta-inc-"));
    assert_eq!(imported.remarks.len(), 1);
    for (wrong, says) in [
        (
            "acount\nx\n",
            "line 1: column 1 has no known name (did you mean `account`?)",
        ),
        ("app\nx\n", "line 1: there is no column `account`"),
        (
            "account,key\na,b\nc\n",
            "line 3: 1 columns where the first line has 2",
        ),
        (
            "account,key,expires\na,b,soon\n",
            "line 2: `expires` is no time",
        ),
        (
            "account,fp\na,sk_live_secret\n",
            "line 2: `fp` is not a fingerprint",
        ),
        (
            "account,key\na,b\nc,b\n",
            "line 3: the same key was there before, of another account",
        ),
        (
            "account,key_id,key\na,k,b\na,k,c\n",
            "line 3: key id `k` is there twice",
        ),
    ] {
        let error = read(Format::Csv, wrong).unwrap_err();
        let said = error.to_string();
        assert!(said.contains(says.split_once(": ").unwrap().1), "{said}");
        assert!(said.contains(says.split_once(": ").unwrap().0), "{said}");
        assert!(!said.contains("sk_live"));
    }
}

#[test]
fn apps_of_one_name_are_told_apart_by_their_accounts() {
    let text = "account,app,key\na,default,1\nb,default,2\na,default,3\n";
    let imported = read(Format::Csv, text).unwrap();
    let apps: Vec<_> = imported
        .accounts
        .iter()
        .flat_map(|account| account.apps.iter().map(|app| (&*app.id, app.keys.len())))
        .collect();
    assert_eq!(apps, [("default", 2), ("b-default", 1)]);
}

/// Names that cannot be ids, and share one when what cannot be in it is left out.
#[test]
fn two_names_never_share_an_id() {
    let text = "account,key\nA b,1\nA-b,2\na_b,3\na-b,4\n\u{4e2d}\u{6587},5\n\u{6587}\u{4e2d},6\n";
    let imported = read(Format::Csv, text).unwrap();
    let mut ids: Vec<_> = imported
        .accounts
        .iter()
        .map(|account| &account.id)
        .collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 6);
    let prefixed = import(Format::Csv, text, &fingerprinter(), "kong-").unwrap();
    assert!(
        prefixed
            .accounts
            .iter()
            .all(|account| account.id.starts_with("kong-"))
    );
}

/// What of drafts a format can say.
fn sayable(format: Format, accounts: &[AccountDraft]) -> Vec<AccountDraft> {
    let keeps = |key: &KeyDraft| {
        let basic = matches!(&key.handle, Handle::Identity(one) if one.scheme == Scheme::Basic);
        let fingerprint = matches!(key.handle, Handle::Fingerprint(_));
        match format {
            Format::Csv => true,
            Format::Tyk => fingerprint,
            Format::Htpasswd => basic && key.is_in_use(NOW),
            _ => (basic || fingerprint) && key.is_in_use(NOW),
        }
    };
    let said = accounts.iter().filter_map(|account| {
        let mut account = account.clone();
        for app in &mut account.apps {
            app.keys.retain(keeps);
            if format != Format::Csv {
                app.owner = None;
            }
            for key in &mut app.keys {
                match format {
                    Format::Csv => {}
                    Format::Tyk => {
                        key.valid_from = None;
                        if key.state != KeyState::Active {
                            key.state = if key.state.is_in_use() {
                                KeyState::Active
                            } else {
                                KeyState::Suspended
                            };
                        }
                    }
                    _ => (key.state, key.valid_from, key.expires) = (KeyState::Active, None, None),
                }
            }
        }
        account.apps.retain(|app| !app.keys.is_empty());
        if !matches!(format, Format::Tyk | Format::Apisix) {
            account.name = None;
        }
        if format == Format::Tyk && account.apps.is_empty() {
            return None;
        }
        Some(account)
    });
    said.collect()
}

fn id() -> impl Strategy<Value = String> {
    "[a-z0-9][a-z0-9._-]{0,20}"
}

fn moment() -> impl Strategy<Value = Option<jiff::Timestamp>> {
    proptest::option::of(
        (0_i64..4_000_000_000).prop_map(|second| jiff::Timestamp::from_second(second).unwrap()),
    )
}

fn subject() -> impl Strategy<Value = Handle> {
    let schemes = proptest::sample::select(Scheme::IN_THE_CLEAR.to_vec());
    (schemes, "[^:#\r\n\u{0}-\u{1f}\u{7f}-\u{9f}\u{85}\u{2028}\u{2029}\u{feff} ][^:\r\n\u{0}-\u{1f}\u{7f}-\u{9f}\u{85}\u{2028}\u{2029}\u{feff}]{0,12}", "[=@a-z:/']{0,8}").prop_map(|(scheme, subject, issuer)| {
        let issuer = if scheme == Scheme::Jwt { issuer } else { String::new() };
        Handle::Identity(Arc::new(ClearIdentity { scheme, issuer: issuer.into(), subject: subject.into() }))
    })
}

fn accounts() -> impl Strategy<Value = Vec<AccountDraft>> {
    let bytes = proptest::array::uniform8(any::<u8>());
    let handle = prop_oneof![
        bytes.prop_map(|bytes| Handle::Fingerprint(fingerprinter().fingerprint(&bytes))),
        subject(),
    ];
    let states = proptest::sample::select(KeyState::ALL.to_vec());
    let key =
        (handle, states, moment(), moment()).prop_map(|(handle, state, valid_from, expires)| {
            let expires = expires.filter(|end| valid_from.is_none_or(|from| from < *end));
            KeyDraft {
                state,
                valid_from,
                expires,
                ..KeyDraft::new("k", handle)
            }
        });
    let owners = proptest::sample::select(vec![Owner::Internal, Owner::Partner, Owner::Public]);
    let app = (owners, proptest::collection::vec(key, 1..4)).prop_map(|(owner, keys)| AppDraft {
        id: "".into(),
        owner: Some(owner),
        keys,
    });
    let name = proptest::option::of("[^\u{0}-\u{1f}\u{7f}-\u{9f}]{1,12}");
    let account = (
        id(),
        name,
        proptest::option::of(id()),
        proptest::collection::vec(app, 1..3),
    );
    proptest::collection::vec(account, 0..5).prop_map(|drafts| {
        let mut accounts = Vec::new();
        let (mut seen, mut number) = (std::collections::HashSet::new(), 0);
        for (id, name, plan, mut apps) in drafts {
            if !seen.insert(Handle::subject(Scheme::Gateway, &id)) {
                continue;
            }
            for app in &mut apps {
                app.id = format!("app-{number}").into();
                app.keys.retain(|key| seen.insert(key.handle.clone()));
                for key in &mut app.keys {
                    number += 1;
                    key.id = format!("k-{number}").into();
                }
            }
            apps.retain(|app| !app.keys.is_empty());
            if apps.is_empty() {
                continue;
            }
            let name = name.filter(|name| *name != id).map(Into::into);
            accounts.push(AccountDraft {
                id: id.into(),
                name,
                plan: plan.map(Into::into),
                apps,
                ..AccountDraft::default()
            });
        }
        accounts
    })
}

/// Keys with whose they are, without what a format leaves to be made up.
fn bare(accounts: &[AccountDraft]) -> Vec<(String, Handle)> {
    let mut keys: Vec<_> = accounts
        .iter()
        .flat_map(|account| {
            account
                .keys()
                .map(|(_, key)| (account.id.to_string(), key.handle.clone()))
        })
        .collect();
    keys.sort_by_key(|(account, handle)| (account.clone(), format!("{handle:?}")));
    keys
}

fn sorted(mut accounts: Vec<AccountDraft>) -> Vec<AccountDraft> {
    for account in &mut accounts {
        account.apps.sort_by(|one, two| one.id.cmp(&two.id));
        for app in &mut account.apps {
            app.keys.sort_by(|one, two| one.id.cmp(&two.id));
        }
    }
    accounts.sort_by(|one, two| one.id.cmp(&two.id));
    accounts
}

proptest! {
    /// What a format can say comes back as it was, and a second time the same.
    #[test]
    fn what_is_exported_is_imported(accounts in accounts()) {
        for format in FORMATS {
            let written = export(format, &accounts, NOW);
            if written.text.is_empty() {
                continue;
            }
            let read = read(format, &written.text).unwrap();
            prop_assert!(read.remarks.is_empty(), "{:?}: {:?}\n{}", format, read.remarks, written.text);
            match format {
                Format::Htpasswd => {
                    let users = |accounts: &[AccountDraft]| {
                        let mut users: Vec<_> = bare(accounts).into_iter().map(|(_, handle)| format!("{handle:?}")).collect();
                        users.sort();
                        users
                    };
                    prop_assert_eq!(users(&read.accounts), users(&sayable(format, &accounts)));
                }
                Format::NginxMap => {
                    prop_assert_eq!(bare(&read.accounts), bare(&sayable(format, &accounts)));
                }
                _ => {
                    prop_assert_eq!(sorted(read.accounts.clone()), sorted(sayable(format, &accounts)), "{:?}", format);
                }
            }
            if format != Format::Htpasswd {
                let again = super::tests::read(format, &export(format, &read.accounts, NOW).text).unwrap();
                prop_assert_eq!(sorted(again.accounts), sorted(read.accounts), "{:?}", format);
            }
        }
    }

    /// Whatever is read, it becomes a registry that loads, or an error; and no key is in any of it.
    #[test]
    fn any_text_is_a_registry_or_an_error(text in "\\PC{0,200}", names in proptest::collection::vec("[^,\"\r\n]{1,16}", 1..6)) {
        for format in FORMATS {
            let _ = read(format, &text);
        }
        let rows: String = names.iter().enumerate().map(|(number, name)| format!("\"{name}\",secret-canary-{number}\n")).collect();
        let imported = read(Format::Csv, &format!("account,key\n{rows}")).unwrap();
        let mut editor = super::super::registry::Editor::new(Vec::new()).unwrap();
        let into = editor.document("a.toml");
        for account in &imported.accounts {
            editor.register(account, into).unwrap();
        }
        let changed = editor.finish().unwrap();
        prop_assert!(Registry::parse(&changed).is_ok());
        let all = format!("{changed:?}{:?}", imported.remarks);
        prop_assert!(!all.contains("canary"));
    }

    /// A message never repeats a value: it may be a key.
    #[test]
    fn messages_repeat_no_key(before in "[{}\\[\\]:,\"\n a-z-]{0,40}", after in "[{}\\[\\]:,\"\n a-z-]{0,40}") {
        for format in [Format::Kong, Format::Tyk, Format::Apisix, Format::NginxMap] {
            for quoted in ["\"CANARY\\\"CANARY\"", "CANARY", "'CANARY'", "CANARY: 1"] {
                for start in ["", "_format_version: '3.0'\nconsumers: ", "consumers:\n- username: a\n  plugins: ", "{\"a\": "] {
                    if let Err(error) = read(format, &format!("{start}{before}{quoted}{after}")) {
                        prop_assert!(!error.to_string().contains("CANARY"), "{error}");
                    }
                }
            }
        }
    }
}
