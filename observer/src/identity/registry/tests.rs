use super::*;

const EXAMPLE: &str = r#"
[[account]]
id = "acme"
name = "Acme GmbH"
contact = "ops@acme.example"
terms = { version = "2026-01", accepted = 2026-01-14 }
plan = "gold"
country = "DE"
[[account.app]]
id = "acme-mobile"
owner = "internal"
[[account.app.key]]
id = "k-2026-01"
fp = "k1_4QX7M2ZC5T6JH3WA"
hint = "sk_live_…9f3c"
state = "active"
valid_from = 2026-01-01T00:00:00Z
expires = 2027-01-01
networks = ["203.0.113.0/24"]
routes = ["orders:*", "GET /v1/products/**"]
[[account.app.key]]
id = "k-idp"
scheme = "jwt"
issuer = "https://idp.example"
subject = "mobile"
[[plan]]
id = "gold"
limits = [{ meter = "requests", per = "minute", max = 600 }]
prices = [{ meter = "requests", per = 1000, amount = "0.40", currency = "EUR", tiers = [] }]
"#;

fn error(text: &str) -> String {
    Registry::parse(&[("a.toml", text)])
        .unwrap_err()
        .to_string()
}

fn key(lines: &str) -> String {
    format!(
        "[[account]]\nid = \"acme\"\n[[account.app]]\nid = \"app\"\n[[account.app.key]]\nid = \"key\"\n{lines}"
    )
}

#[test]
fn the_example_of_the_documentation_is_read() {
    let registry = Registry::parse(&[("a.toml", EXAMPLE)]).unwrap();
    let entry = registry
        .by_fingerprint(&"k1_4QX7M2ZC5T6JH3WA".parse().unwrap())
        .unwrap();
    assert_eq!(
        (&*entry.consumer, &*entry.app, &*entry.key),
        ("acme", "acme-mobile", "k-2026-01")
    );
    assert_eq!(
        (entry.state, entry.networks.len(), entry.routes.len()),
        (KeyState::Active, 1, 2)
    );
    assert_eq!(entry.expires.unwrap().to_string(), "2027-01-01T00:00:00Z");
    assert_eq!(
        &*registry
            .by_identity(Scheme::Jwt, "https://idp.example", "mobile")
            .unwrap()
            .key,
        "k-idp"
    );
    assert!(
        registry
            .by_identity(Scheme::Jwt, "https://other.example", "mobile")
            .is_none()
    );
    assert!(registry.by_identity(Scheme::Jwt, "", "mobile").is_none());
    assert!(
        registry
            .by_identity(Scheme::Basic, "https://idp.example", "mobile")
            .is_none()
    );
    assert_eq!(registry.plans()[0].prices[0].amount.nanos(), 400_000_000);
    assert_eq!(
        registry.accounts()[0]
            .terms
            .as_ref()
            .unwrap()
            .accepted
            .unwrap()
            .to_string(),
        "2026-01-14"
    );
    assert_eq!(registry.apps()[0].owner, Owner::Internal);
    assert_eq!(
        format!("{registry:?}"),
        "Registry(1 accounts, 1 apps, 2 keys, 1 plans)"
    );
}

#[test]
fn documents_are_merged_and_a_plan_may_stand_in_another_one() {
    let plan = "[[plan]]\nid = \"gold\"\n";
    let account = "[[account]]\nid = \"acme\"\nplan = \"gold\"\n";
    assert!(Registry::parse(&[("a.toml", account), ("b.toml", plan)]).is_ok());
    assert_eq!(error(account), "a.toml: line 3: unknown plan `gold`");
    let wrong = account.replace("gold", "gild");
    let error = Registry::parse(&[("a.toml", wrong.as_str()), ("b.toml", plan)]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "a.toml: line 3: unknown plan `gild` (did you mean `gold`?)"
    );
}

#[test]
fn what_is_there_twice_is_told_with_both_places() {
    let one = key("fp = \"k1_4QX7M2ZC5T6JH3WA\"");
    let mut two = one.clone();
    for (from, to, what) in [
        ("nothing", "", "account id `acme`"),
        ("\"acme\"", "\"other\"", "app id `app`"),
        ("\"app\"", "\"app2\"", "key id `key`"),
        ("\"key\"", "\"key2\"", "fingerprint k1_4QX7M2ZC5T6JH3WA"),
    ] {
        two = two.replace(from, to);
        let error = Registry::parse(&[("a.toml", &one), ("b.toml", &two)])
            .unwrap_err()
            .to_string();
        assert!(
            error.starts_with("b.toml: line ")
                && error.contains(what)
                && error.contains(" is already at a.toml: line "),
            "{error}"
        );
    }
    let basic = key("scheme = \"basic\"\nsubject = \"alice\"")
        + "\n[[account.app.key]]\nid = \"key2\"\nscheme = \"basic\"\nsubject = \"alice\"";
    assert_eq!(
        error(&basic),
        "a.toml: line 10: basic subject `alice` is already at a.toml: line 6"
    );
}

#[test]
fn every_mistake_is_told_with_its_line() {
    for (text, start) in [
        ("[[acount]]\n".to_owned(), "a.toml: line 1: unknown name `acount` (did you mean `account`?)"),
        (key("fingerprint = 1"), "a.toml: line 7: unknown name `fingerprint` in [account.app.key] (valid: `id`, `fp`"),
        (key("stat = \"active\""), "a.toml: line 7: unknown name `stat` in [account.app.key] (did you mean `state`?)"),
        (key("state = \"actve\""), "a.toml: line 7: unknown value `actve` (did you mean `active`?)"),
        (key(""), "a.toml: line 6: key `key` needs either `fp`, or `scheme` and `subject`"),
        (key("scheme = \"basic\"\nsubject = \"a\"\nissuer = \"b\""), "a.toml: line 6: key `key` needs either"),
        (key("scheme = \"bearer\"\nsubject = \"a\""), "a.toml: line 7: `scheme` of a subject is one of jwt, basic, aws-sigv4, gateway, api-key, digest, hawk, oauth1, http-signature, shared-key, google-signature, hmac, dpop, mtls"),
        (key("fp = \"k1_4QX7M2ZC5T6JH3WA\"\nvalid_from = 2026-01-02\nexpires = 2026-01-01"), "a.toml: line 6: key `key` expires (2026-01-01T00:00:00Z) before"),
        (key("fp = \"k1_4QX7M2ZC5T6JH3WA\"\nexpires = 2026-01-01T00:00:00"), "a.toml: line 8: 2026-01-01T00:00:00 is no moment"),
        (key("networks = [\"x\"]"), "a.toml: line 7: `x` is no network"),
        ("[[account]]\nid = \"__unkeyed__\"".to_owned(), "a.toml: line 2: the id `__unkeyed__` is reserved"),
        ("[[account]]\nid = \"Acme\"".to_owned(), "a.toml: line 2: `Acme` is no id"),
        (format!("[[account]]\nid = \"{}\"", "a".repeat(64)), "a.toml: line 2: `aaaa"),
        ("[[account]]\nid = \"a\"\ncountry = \"Germany\"".to_owned(), "a.toml: line 3: `Germany` is not a country"),
        ("[[plan]]\nid = \"a\"\nprices = [{ meter = \"requests\", per = 1, amount = \"1e3\", currency = \"EUR\" }]".to_owned(), "a.toml: line 3: `1e3` is not an amount"),
        ("[[plan]]\nid = \"a\"\nprices = [{ meter = \"requests\", per = 0, amount = \"1\", currency = \"EUR\" }]".to_owned(), "a.toml: line 3: invalid value"),
    ] {
        assert!(error(&text).starts_with(start), "{text}\n{}", error(&text));
    }
}

#[test]
fn a_key_pasted_in_place_of_its_fingerprint_is_not_repeated() {
    let error = error(&key("fp = \"sk_live_4eC39HqLyjWDarjtT1zdp7dc\""));
    assert!(
        error.starts_with("a.toml: line 7: `fp` is not a fingerprint") && !error.contains("4eC39"),
        "{error}"
    );
}

#[test]
fn amounts_are_exact() {
    for (text, nanos) in [
        ("0", 0),
        ("1", 1_000_000_000),
        ("0.000000001", 1),
        ("123456789012345678.9", 123_456_789_012_345_678_900_000_000),
    ] {
        let plan = format!(
            "[[plan]]\nid = \"a\"\nprices = [{{ meter = \"requests\", per = 1, amount = \"{text}\", currency = \"EUR\" }}]"
        );
        assert_eq!(
            Registry::parse(&[("a", plan)]).unwrap().plans()[0].prices[0]
                .amount
                .nanos(),
            nanos
        );
    }
}

proptest::proptest! {
    #[test]
    fn any_text_is_a_registry_or_an_error_with_a_place(text: String) {
        if let Err(error) = Registry::parse(&[("a.toml", &text)]) {
            proptest::prop_assert!(error.to_string().starts_with("a.toml: line "));
        }
    }
}

#[test]
fn use_is_agreed_from_the_day_on_which_the_terms_of_the_plan_were_accepted() {
    let agreed = |plan: &str, account: &str| {
        let text = key("fp = \"k1_4QX7M2ZC5T6JH3WA\"")
            .replace("\"acme\"", &format!("\"acme\"\n{account}"))
            + &format!("\n[[plan]]\nid = \"gold\"\n{plan}");
        Registry::parse(&[("a.toml", text)]).unwrap().keys()[0].agreed
    };
    let day = "2026-01-14T00:00:00Z".parse::<Timestamp>().ok();
    let accepted = "terms = { version = \"1\", accepted = 2026-01-14 }";
    let gold = "plan = \"gold\"";
    // Nobody asked.
    assert_eq!(agreed("", ""), None);
    assert_eq!(agreed("terms = \"1\"", ""), None);
    assert_eq!(agreed("", "terms = { version = \"1\" }"), None);
    // They did accept, and those terms that were asked for.
    assert_eq!(agreed("", accepted), day);
    assert_eq!(agreed("terms = \"1\"", &format!("{gold}\n{accepted}")), day);
    // They did not, or others.
    let never = Some(Timestamp::MAX);
    assert_eq!(agreed("terms = \"1\"", gold), never);
    assert_eq!(
        agreed("terms = \"2\"", &format!("{gold}\n{accepted}")),
        never
    );
}

/// Large documents are read in parts; nothing of that shows.
#[test]
fn a_large_document_is_read_as_a_small_one() {
    let account = |number: usize| {
        format!(
            "[[account]]\nid = \"a-{number}\"\nname = \"\"\"\nover\n[[account]]\nlines\"\"\"\n[[account.app]]\nid = \"app-{number}\"\n\
             [[account.app.key]]\nid = \"k-{number}\"\nscheme = \"basic\"\nsubject = \"{number}\"\n"
        )
    };
    let plain =
        |number: usize| account(number).replace("\"\"\"\nover\n[[account]]\nlines\"\"\"", "\"x\"");
    let mut text: String = (0..20_000).map(plain).collect();
    assert!(text.len() > 2 << 20);
    let (registry, places) = Registry::parse_with_places(&[("a.toml", &text)]).unwrap();
    assert_eq!(registry.keys().len(), 20_000);
    for number in [0, 9_999, 19_999] {
        let mark = places.key(&format!("k-{number}")).unwrap();
        let place = places.place(&[("a.toml", &text)], mark);
        assert_eq!(place.line, number * 9 + 7, "{place}");
    }
    // What is wrong in it is told with the line in the whole.
    let wrong = format!("{text}[[account]]\nid = 7\n");
    assert!(
        error(&wrong).starts_with("a.toml: line 180002: "),
        "{}",
        error(&wrong)
    );
    let twice = format!("{text}{}", plain(5));
    assert_eq!(
        error(&twice),
        "a.toml: line 180002: account id `a-5` is already at a.toml: line 47"
    );
    let mixed = format!("account = []\n{text}");
    assert!(
        error(&mixed).starts_with("a.toml: line 2: "),
        "{}",
        error(&mixed)
    );
    // Strings that hold what looks like the beginning of an account.
    text.extend((20_000..30_000).map(account));
    text.insert_str(0, &account(30_000));
    let registry = Registry::parse(&[("a.toml", &text)]).unwrap();
    assert_eq!(registry.keys().len(), 30_001);
}
