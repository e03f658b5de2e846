mod hostile;
mod schemes;

use super::*;
use crate::http::Version;
use crate::http::tests as request;
use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use httparse::Header;

/// Candidates as `scheme location value`, a clear identity as `[issuer]subject`.
fn found_by(
    extractor: &Extractor,
    target: &str,
    fields: &[(&str, &str)],
    gateway: bool,
) -> Vec<String> {
    let fields = request::fields(fields);
    let head = request::head(target, &fields);
    let candidates = extractor.candidates(
        &head,
        Trust {
            gateway,
            proxy: gateway,
        },
    );
    let text = |candidate: &Candidate<'_>| {
        let value = match &candidate.value {
            Value::Secret(secret) => String::from_utf8_lossy(secret.bytes()).into_owned(),
            Value::Identity {
                issuer, subject, ..
            } => format!("[{issuer}]{subject}"),
        };
        format!("{} {} {value}", candidate.scheme.name(), candidate.location)
    };
    candidates.iter().map(text).collect()
}

fn found(target: &str, fields: &[(&str, &str)]) -> Vec<String> {
    found_by(&Extractor::new(&[], true), target, fields, false)
}

fn jwt(claims: &str) -> String {
    format!(
        "{}.{}.c2lnbmF0dXJl",
        BASE64_URL_SAFE_NO_PAD.encode(r#"{"alg":"RS256"}"#),
        BASE64_URL_SAFE_NO_PAD.encode(claims)
    )
}

fn basic(pair: &str) -> String {
    format!("Basic {}", BASE64_STANDARD.encode(pair))
}

#[test]
fn key_fields_are_found_in_any_case_in_the_usual_order() {
    assert_eq!(
        found("/", &[("apikey", "b"), ("X-API-Key", " a ")]),
        ["api-key header:x-api-key a", "api-key header:apikey b"]
    );
    for name in [
        "api-key",
        "X-Auth-Token",
        "Ocp-Apim-Subscription-Key",
        "PRIVATE-TOKEN",
        "DD-API-KEY",
        "X-Vault-Token",
    ] {
        assert_eq!(
            found("/", &[(name, "k")]),
            [format!("api-key header:{} k", name.to_ascii_lowercase())]
        );
    }
    assert!(
        found(
            "/",
            &[("X-API-Key", "  "), ("Accept", "k"), ("X-Request-Id", "k")]
        )
        .is_empty()
    );
}

#[test]
fn authorization_is_read_scheme_by_scheme() {
    for (value, expected) in [
        (
            "Bearer ghp_16C7e42F292c6912E7",
            "bearer authorization:bearer ghp_16C7e42F292c6912E7",
        ),
        ("bearer   x", "bearer authorization:bearer x"),
        ("token ghp_x", "api-key authorization:token ghp_x"),
        (
            "Token token=\"secret\", nonce=\"1\"",
            "api-key authorization:token secret",
        ),
        ("ApiKey a2V5", "api-key authorization:apikey a2V5"),
        (
            "GenieKey eb243592",
            "api-key authorization:geniekey eb243592",
        ),
        ("Splunk B5A79AAD", "api-key authorization:splunk B5A79AAD"),
        ("Negotiate YIIJ", "other authorization:other YIIJ"),
        ("sk_live_bare", "api-key authorization sk_live_bare"),
        ("Basic !!!", "basic authorization:basic !!!"),
    ] {
        assert_eq!(
            found("/", &[("Authorization", value)]),
            [expected],
            "{value}"
        );
    }
    assert!(found("/", &[("Authorization", "")]).is_empty());
}

#[test]
fn basic_is_known_by_its_user_and_by_whichever_half_is_a_key() {
    assert_eq!(
        found("/", &[("Authorization", &basic("alice:s3cret"))]),
        [
            "basic authorization:basic []alice",
            "basic authorization:basic s3cret"
        ]
    );
    assert_eq!(
        found("/", &[("Authorization", &basic("sk_test_1:"))]),
        [
            "basic authorization:basic sk_test_1",
            "basic authorization:basic []sk_test_1"
        ]
    );
    assert_eq!(
        found("/", &[("Authorization", &basic("api:key-3ax6xnjp"))])[1],
        "basic authorization:basic key-3ax6xnjp"
    );
    let sid = "ACXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXX1";
    assert_eq!(
        found("/", &[("Authorization", &basic(&format!("{sid}:token")))])[0],
        format!("basic authorization:basic {sid}")
    );
    assert_eq!(
        found("/", &[("Authorization", &basic("alice:pass:word"))])[1],
        "basic authorization:basic pass:word"
    );
    assert_eq!(
        found("/", &[("Authorization", &basic(":only"))]),
        ["basic authorization:basic only"]
    );
}

#[test]
fn a_token_is_known_by_its_first_claim_within_its_issuer() {
    let subject = |claims: &str| {
        found(
            "/",
            &[("Authorization", &format!("Bearer {}", jwt(claims)))],
        )
        .remove(0)
    };
    for (claims, expected) in [
        (
            r#"{"iss":"https://idp","sub":"user","azp":"web","client_id":"acme"}"#,
            "[https://idp]acme",
        ),
        (
            r#"{"sub":"user","aud":["a",{"b":[1]}],"azp":"web","exp":1767225600.5}"#,
            "[]web",
        ),
        (r#"{"sub":"user","iss":"i","client_id":null}"#, "[i]user"),
        (r#"{"sub":42}"#, "[]42"),
        (r#"{"\u0073ub":"us\u0065r"}"#, "[]user"),
    ] {
        assert_eq!(
            subject(claims),
            format!("jwt authorization:bearer {expected}"),
            "{claims}"
        );
    }
}

#[test]
fn a_token_that_can_be_read_in_two_ways_is_an_opaque_one() {
    for claims in [
        r#"{"sub":"a","sub":"b"}"#,
        r#"{"iss":"a","iss":"b","sub":"c"}"#,
        r#"{"iss":["a"],"sub":"c"}"#,
        r#"{"sub":"a\u0000b"}"#,
        r#"{"scope":"all"}"#,
        r#"{"sub":"a"} {"sub":"b"}"#,
        "[]",
        "",
    ] {
        let token = jwt(claims);
        assert_eq!(
            found("/", &[("Authorization", &format!("Bearer {token}"))]),
            [format!("bearer authorization:bearer {token}")]
        );
    }
    let encrypted = format!("{}.b.c.d", jwt(r#"{"sub":"a"}"#));
    assert_eq!(
        found("/", &[("Authorization", &format!("Bearer {encrypted}"))]).len(),
        1
    );
    let long = jwt(&format!(r#"{{"sub":"a","x":"{}"}}"#, "x".repeat(16 * 1024)));
    assert!(found("/", &[("Authorization", &format!("Bearer {long}"))])[0].starts_with("bearer "));
    // Nesting is skipped without recursion.
    let deep = jwt(&format!(
        r#"{{"x":{}{},"sub":"a"}}"#,
        "[".repeat(5000),
        "]".repeat(5000)
    ));
    assert_eq!(
        found("/", &[("Authorization", &format!("Bearer {deep}"))])[0],
        "jwt authorization:bearer []a"
    );
}

#[test]
fn aws_signatures_are_known_by_their_access_key_id() {
    let value = "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, SignedHeaders=host;range, Signature=fe5f80f7";
    assert_eq!(
        found("/", &[("Authorization", value)]),
        ["aws-sigv4 authorization:aws4-hmac-sha256 []AKIAIOSFODNN7EXAMPLE"]
    );
    let value = "AWS4-ECDSA-P256-SHA256 SignedHeaders=host,Credential=AKIA1/20130524/s3/aws4_request,Signature=30";
    assert_eq!(
        found("/", &[("Authorization", value)]),
        ["aws-sigv4 authorization:aws4-ecdsa-p256-sha256 []AKIA1"]
    );
    let target = "/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1&X-Amz-Signature=ae";
    assert_eq!(
        found(target, &[]),
        ["aws-sigv4 query:x-amz-credential []AKIAIOSFODNN7EXAMPLE"]
    );
}

#[test]
fn query_parameters_are_decoded_as_the_application_does() {
    for (target, expected) in [
        ("/a?api_key=k", "api-key query:api_key k"),
        ("/a?x=1&API_KEY=k#f", "api-key query:api_key k"),
        ("/a?api%5Fkey=a%2Bb+c%zz", "api-key query:api_key a+b c%zz"),
        (
            "http://user:pw@h/a?access_token=t",
            "bearer query:access_token t",
        ),
        ("/a?code=k&&=", "api-key query:code k"),
    ] {
        assert_eq!(found(target, &[]), [expected], "{target}");
    }
    assert!(found("/api_key=k?my_api_key=k&api_key=&api_keys=k", &[]).is_empty());
}

#[test]
fn a_gateway_is_believed_only_when_it_is_one() {
    let fields = [
        ("X-Consumer-Username", "acme"),
        ("X-Credential-Identifier", "acme-1"),
    ];
    let extractor = Extractor::new(&[], true);
    assert!(found_by(&extractor, "/", &fields, false).is_empty());
    assert_eq!(
        found_by(&extractor, "/", &fields, true),
        [
            "gateway header:x-credential-identifier []acme-1",
            "gateway header:x-consumer-username []acme"
        ]
    );
    let anonymous = [
        ("X-Consumer-Username", "guest"),
        ("X-Anonymous-Consumer", "true"),
        ("X-API-Key", "k"),
    ];
    assert_eq!(
        found_by(&extractor, "/", &anonymous, true),
        ["api-key header:x-api-key k"]
    );
}

#[test]
fn configured_places_come_first_and_may_be_the_only_ones() {
    let rules = [
        CredentialRule::Cookie("session".into()),
        CredentialRule::Path(PathPattern::parse("/bot{key}/").unwrap()),
        CredentialRule::Header("X-Acme".into()),
        CredentialRule::Authorization("ACME".into()),
        CredentialRule::JwtClaim("tenant".into()),
    ];
    let token = jwt(r#"{"client_id":"c","tenant":"t"}"#);
    let fields = [
        ("X-API-Key", "k"),
        ("authorization", "acme a"),
        ("x-acme", token.as_str()),
        ("Cookie", "a=b; session=\"s\"; Session=no"),
    ];
    let all = found_by(
        &Extractor::new(&rules, true),
        "/bot123:ABC/getMe",
        &fields,
        false,
    );
    let first = [
        "cookie cookie:session s",
        "api-key path 123:ABC",
        "jwt header:x-acme []t",
        &format!("jwt header:x-acme {token}"),
        "api-key authorization:acme a",
    ];
    assert_eq!(all[..5], first);
    assert_eq!(all[5..], ["api-key header:x-api-key k"]);
    assert_eq!(
        found_by(
            &Extractor::new(&rules, false),
            "/bot123:ABC/getMe?api_key=k",
            &fields,
            false
        ),
        first
    );
    assert!(
        found_by(
            &Extractor::new(&rules, false),
            "/",
            &[("Authorization", "Bearer x")],
            false
        )
        .is_empty()
    );
}

#[test]
fn path_patterns_match_whole_segments() {
    let key = |pattern: &str, path: &str| {
        PathPattern::parse(pattern)
            .unwrap()
            .find(path)
            .map(|range| path[range].to_owned())
    };
    assert_eq!(
        key("/bot{key}/", "/bot12:ab/getMe").as_deref(),
        Some("12:ab")
    );
    assert_eq!(
        key("/webhooks/{id}/{key}", "/webhooks/7/secret/slack").as_deref(),
        Some("secret")
    );
    assert_eq!(key("/k/x-{key}.json", "/k/x-1.json").as_deref(), Some("1"));
    for (pattern, path) in [
        ("/bot{key}/", "/bot"),
        ("/bot{key}/", "/robot12/"),
        ("/webhooks/{id}/{key}", "/webhooks/7"),
        ("/a/{key}", "/a/"),
        ("/a/{key}", "*"),
    ] {
        assert_eq!(key(pattern, path), None, "{pattern} {path}");
    }
    for pattern in [
        "bot{key}",
        "/",
        "/{a}",
        "/{key}/{key}",
        "/x{a}/{key}",
        "/{key}{key}",
        "/{}/{key}",
    ] {
        assert!(PathPattern::parse(pattern).is_err(), "{pattern}");
    }
}
