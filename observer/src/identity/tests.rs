use super::*;
use crate::http::Version;
use crate::http::tests as request;
use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use httparse::Header;

fn fingerprinter() -> Fingerprinter {
    Fingerprinter::new(&Pepper::new(&mut [7; 32]))
}

fn registry() -> Registry {
    let fp = |key: &str| fingerprinter().fingerprint(key.as_bytes());
    let adopted = fingerprinter().identity(Scheme::Gateway, "", "adopted");
    let text = format!(
        r#"
        [[account]]
        id = "acme"
        [[account.app]]
        id = "mobile"
        key = [
            {{ id = "k-1", fp = "{}" }},
            {{ id = "k-2", scheme = "jwt", issuer = "https://idp", subject = "acme" }},
            {{ id = "k-3", scheme = "basic", subject = "alice", state = "revoked" }},
            {{ id = "k-4", scheme = "aws-sigv4", subject = "AKIAIOSFODNN7EXAMPLE" }},
            {{ id = "k-5", scheme = "gateway", subject = "acme" }},
            {{ id = "k-6", fp = "{}" }},
            {{ id = "k-7", fp = "{adopted}" }},
            {{ id = "k-8", scheme = "hawk", subject = "dh37fgj492je" }},
            {{ id = "k-9", scheme = "mtls", subject = "spiffe://cluster/ns/x/sa/y" }},
        ]
        "#,
        fp("sk_live_1"),
        fp("key-mailgun"),
    );
    Registry::parse(&[("a.toml", text)]).unwrap()
}

fn attribute(
    settings: IdentitySettings,
    target: &str,
    fields: &[(&str, &str)],
    peer: &str,
    proxied: Option<&str>,
) -> Attribution {
    let fields = request::fields(fields);
    let head = request::head(target, &fields);
    let proxied = proxied.map(|source| source.parse().unwrap());
    Attributor::new(settings, fingerprinter()).attribute(
        &registry(),
        &head,
        peer.parse().unwrap(),
        proxied,
        NOW,
    )
}

/// 2026-11-25 in seconds since 1970.
const NOW: i64 = 1_795_564_800;

fn plain(target: &str, fields: &[(&str, &str)]) -> Attribution {
    attribute(
        IdentitySettings::default(),
        target,
        fields,
        "192.0.2.2:40000",
        None,
    )
}

fn trusting() -> IdentitySettings {
    IdentitySettings {
        trusted_proxies: vec!["10.0.0.0/8".parse().unwrap()],
        gateways: vec!["10.1.0.0/16".parse().unwrap()],
        ..IdentitySettings::default()
    }
}

fn token(claims: &str) -> String {
    format!(
        "Bearer {}.{}.c2ln",
        BASE64_URL_SAFE_NO_PAD.encode(r#"{"alg":"none"}"#),
        BASE64_URL_SAFE_NO_PAD.encode(claims)
    )
}

#[test]
fn a_registered_key_names_consumer_app_and_key() {
    let attribution = plain("/", &[("X-API-Key", "sk_live_1")]);
    assert_eq!(attribution.consumer.as_str(), "acme");
    assert_eq!(
        (attribution.app.as_deref(), attribution.key.as_deref()),
        (Some("mobile"), Some("k-1"))
    );
    let credential = attribution.credential.unwrap();
    assert_eq!(
        (credential.scheme.name(), &*credential.location),
        ("api-key", "header:x-api-key")
    );
    assert_eq!(
        credential.fingerprint,
        fingerprinter().fingerprint(b"sk_live_1")
    );
}

#[test]
fn every_scheme_finds_its_registered_key() {
    let basic = |pair: &str| format!("Basic {}", BASE64_STANDARD.encode(pair));
    for (target, value, key) in [
        ("/", "Bearer sk_live_1", "k-1"),
        ("/", &*basic("sk_live_1:"), "k-1"),
        ("/?api_key=sk%5Flive%5F1", "", "k-1"),
        (
            "/",
            &token(r#"{"iss":"https://idp","client_id":"acme","exp":1767225600}"#),
            "k-2",
        ),
        ("/", &basic("alice:wrong"), "k-3"),
        (
            "/",
            "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, Signature=x",
            "k-4",
        ),
        ("/", &basic("api:key-mailgun"), "k-6"),
        (
            "/",
            "Hawk id=\"dh37fgj492je\", ts=\"1353832234\", nonce=\"j4h3g2\", mac=\"6R4rV5iE+NPoym+WwjeHzjAGXUtLNIxmo1vpMofpLAE=\"",
            "k-8",
        ),
    ] {
        assert_eq!(
            plain(target, &[("Authorization", value)]).key.as_deref(),
            Some(key),
            "{target} {value}"
        );
    }
    let expires = plain(
        "/",
        &[("Authorization", &token(r#"{"sub":"a","exp":1767225600}"#))],
    )
    .credential
    .unwrap()
    .expires;
    assert_eq!(expires, Some(1_767_225_600));
}

#[test]
fn without_or_with_an_unknown_credential_nobody_is_named() {
    let none = plain("/", &[("Accept", "*/*")]);
    assert_eq!(
        (none.consumer.as_str(), none.credential),
        ("__unkeyed__", None)
    );
    let unknown = plain(
        "/",
        &[("X-API-Key", "other"), ("Authorization", "Bearer other")],
    );
    assert_eq!(unknown.consumer.as_str(), "__unregistered__");
    assert_eq!(&*unknown.credential.unwrap().location, "header:x-api-key");
    // the same subject of another issuer, and a key that is somebody's clear identity
    assert_eq!(
        plain(
            "/",
            &[(
                "Authorization",
                &token(r#"{"iss":"https://evil","client_id":"acme"}"#)
            )]
        )
        .consumer,
        Consumer::Unregistered
    );
    assert_eq!(
        plain("/", &[("X-API-Key", "alice")]).consumer,
        Consumer::Unregistered
    );
}

#[test]
fn the_first_registered_credential_wins() {
    let attribution = plain(
        "/?key=other",
        &[("X-API-Key", "junk"), ("Authorization", "Bearer sk_live_1")],
    );
    assert_eq!(
        (attribution.key.as_deref(), attribution.in_url),
        (Some("k-1"), true)
    );
    assert_eq!(
        &*attribution.credential.unwrap().location,
        "authorization:bearer"
    );
}

#[test]
fn more_credentials_than_are_looked_at_are_not_guessed() {
    let mut fields = vec![("X-API-Key", "junk"); 20];
    fields.push(("Authorization", "Bearer sk_live_1"));
    assert_eq!(plain("/", &fields).consumer, Consumer::Unknown);
}

#[test]
fn a_gateway_names_the_consumer_only_from_its_network() {
    let fields = [("X-Consumer-Username", "acme")];
    assert_eq!(
        attribute(trusting(), "/", &fields, "10.1.0.1:1", None)
            .key
            .as_deref(),
        Some("k-5")
    );
    assert_eq!(
        attribute(trusting(), "/", &fields, "10.2.0.1:1", None).consumer,
        Consumer::Unkeyed
    );
    let adopted = [("X-Consumer-Username", "adopted")];
    assert_eq!(
        attribute(trusting(), "/", &adopted, "10.1.0.1:1", None)
            .key
            .as_deref(),
        Some("k-7")
    );
}

#[test]
fn a_certificate_names_the_consumer_only_from_a_proxy_that_read_it() {
    let fields = [("X-Forwarded-Client-Cert", "URI=spiffe://cluster/ns/x/sa/y")];
    let key = |peer, proxied| {
        let attribution = attribute(trusting(), "/", &fields, peer, proxied);
        attribution.key.as_deref().map(str::to_owned)
    };
    assert_eq!(key("10.0.0.1:1", None).as_deref(), Some("k-9"));
    assert_eq!(key("192.0.2.1:1", None), None);
    assert_eq!(key("127.0.0.1:1", None), None);
    // It only passed on what its source had sent.
    assert_eq!(key("10.0.0.1:1", Some("192.0.2.1:1")), None);
    assert_eq!(
        key("10.0.0.1:1", Some("10.0.0.7:1")).as_deref(),
        Some("k-9")
    );
}

#[test]
fn the_client_is_the_peer_unless_a_trusted_proxy_says_otherwise() {
    let fields = [
        ("X-Forwarded-For", "198.51.100.9, 192.0.2.7"),
        ("X-Forwarded-Proto", "https"),
    ];
    let told = attribute(trusting(), "/", &fields, "10.0.0.1:4000", None);
    assert_eq!(
        (
            told.client.to_string(),
            told.forwarded,
            told.forwarded_https
        ),
        ("192.0.2.7:0".to_owned(), true, true)
    );
    let stranger = attribute(trusting(), "/", &fields, "203.0.113.1:4000", None);
    assert_eq!(
        (stranger.client.to_string(), stranger.forwarded),
        ("203.0.113.1:4000".to_owned(), false)
    );
    let local = attribute(trusting(), "/", &fields, "127.0.0.1:4000", None);
    assert_eq!(
        (local.client.to_string(), local.forwarded),
        ("127.0.0.1:4000".to_owned(), true)
    );
    assert_eq!(local.forwarded_client.unwrap().to_string(), "192.0.2.7:0");
}

#[test]
fn a_proxy_header_counts_only_from_a_trusted_proxy() {
    let source = Some("192.0.2.9:5000");
    assert_eq!(
        attribute(trusting(), "/", &[], "10.0.0.1:1", source)
            .client
            .to_string(),
        "192.0.2.9:5000"
    );
    assert_eq!(
        attribute(trusting(), "/", &[], "203.0.113.1:1", source)
            .client
            .to_string(),
        "203.0.113.1:1"
    );
    // The source is no trusted proxy, so its own fields are not believed.
    let fields = [("X-Forwarded-For", "1.1.1.1")];
    assert_eq!(
        attribute(trusting(), "/", &fields, "10.0.0.1:1", source)
            .client
            .to_string(),
        "192.0.2.9:5000"
    );
    let behind = attribute(trusting(), "/", &fields, "10.0.0.1:1", Some("10.0.0.5:7"));
    assert_eq!(behind.client.to_string(), "1.1.1.1:0");
}

#[test]
fn nothing_that_is_kept_or_printed_holds_a_secret() {
    let basic = format!(
        "Basic {}",
        BASE64_STANDARD.encode("canary_user:canary_pass")
    );
    let claims = token(r#"{"iss":"i","sub":"canary_sub"}"#);
    let settings = || IdentitySettings {
        credentials: vec![
            CredentialRule::Cookie("session".into()),
            CredentialRule::Path(PathPattern::parse("/bot{key}/").unwrap()),
        ],
        ..IdentitySettings::default()
    };
    let target = "/botcanary_path/x?api_key=canary_query&access_token=canary_query";
    for fields in [
        &[("X-API-Key", "canary_header")][..],
        &[("Authorization", &basic)],
        &[("Authorization", &claims)],
        &[("Authorization", "Bearer canary_bearer")],
        &[("Authorization", "canary_bare")],
        &[("Authorization", "Weird canary_other")],
        &[(
            "Authorization",
            "Digest username=\"canary_user\", response=\"canary_response\"",
        )],
        &[("Authorization", "Hawk id=\"canary_id\", mac=\"canary_mac\"")],
        &[("Authorization", "SharedKey canary_account:canary_signature")],
        &[("Sec-WebSocket-Protocol", "bearer, canary_protocol")],
        &[("Signature-Input", "sig1=();keyid=\"canary_key\"")],
        &[("X-Key", "canary_id"), ("X-Signature", "canary_signature")],
        &[("Cookie", "session=canary_cookie")],
        &[],
    ] {
        let attribution = attribute(settings(), target, fields, "192.0.2.2:1", None);
        assert!(attribution.credential.is_some());
        assert!(
            !format!("{attribution:?}").contains("canary"),
            "{attribution:?}"
        );
    }
    let attributor = Attributor::new(settings(), fingerprinter());
    for privacy in [
        TargetPrivacy::Route,
        TargetPrivacy::Path,
        TargetPrivacy::Full,
    ] {
        assert!(
            !attributor
                .redact_target(target, privacy)
                .unwrap_or_default()
                .contains("canary")
        );
    }
    assert_eq!(attributor.mask_path("/botcanary_path/x"), "/bot{key}/x");
    assert!(!format!("{attributor:?}{:?}", registry()).contains("sk_live"));
}

#[test]
fn use_before_the_terms_were_accepted_is_noted() {
    let account = |terms: &str| {
        format!(
            "[[account]]\nid = \"acme\"\nplan = \"gold\"\n{terms}\n[[account.app]]\nid = \"app\"\n[[account.app.key]]\nid = \"k\"\n\
             fp = \"{}\"\n[[plan]]\nid = \"gold\"\nterms = \"1\"\n",
            fingerprinter().fingerprint(b"sk_live_1")
        )
    };
    let noted = |terms: &str, now: i64| {
        let registry = Registry::parse(&[("a.toml", account(terms))]).unwrap();
        let fields = [Header {
            name: "x-api-key",
            value: b"sk_live_1",
        }];
        let head = RequestHead {
            method: "GET",
            target: "/",
            version: Version::Http11,
            fields: &fields,
        };
        let peer = "192.0.2.7:1".parse().unwrap();
        Attributor::new(IdentitySettings::default(), fingerprinter())
            .attribute(&registry, &head, peer, None, now)
            .traits
            .has(sign::UNAGREED)
    };
    let accepted = "terms = { version = \"1\", accepted = 2026-01-14 }";
    let day = 1_768_348_800;
    assert!(noted(accepted, day - 1) && !noted(accepted, day));
    assert!(noted("", day) && noted("terms = { version = \"1\" }", day));
    assert!(noted(&accepted.replace("\"1\"", "\"0\""), day + 1));
}
