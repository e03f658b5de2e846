//! No key leaves the host: nothing that the daemon shows or writes holds one, wherever in a request it stood.

use std::fs;
use std::time::Duration;

use observer_tests::canary::{base64, base64url};
use observer_tests::daemon::{KEYS, Setup};
use observer_tests::namespace::Link;
use observer_tests::nginx::Nginx;
use observer_tests::process::wait_for;
use observer_tests::require::require;
use observer_tests::traffic::{curl, pipeline};

/// In every secret, so that one search finds them all; the encoded ones hold it encoded.
const CANARY: &str = "cAnAry";

#[test]
fn no_secret_is_shown() {
    if !require(&["ip", "nsenter", "nginx", "curl"]) {
        return;
    }
    let link = Link::new();
    let _nginx = Nginx::start(&link.server);
    for targets in ["route", "path", "full"] {
        let rules = format!(
            "[[identity.credential]]\ncookie = \"session\"\n[[identity.credential]]\npath = \"/hooks/{{key}}\"\n\
             [[identity.credential]]\nheader = \"x-own-key\"\n[[identity.credential]]\nquery = \"own_key\"\n\
             [privacy]\ntargets = \"{targets}\"\n"
        );
        let setup = Setup::new("", &rules);
        let daemon = setup.start(&link.server);

        let user = base64(&format!("user{CANARY}:pass{CANARY}1"));
        let claims =
            format!("{{\"sub\":\"someone\",\"client_id\":\"mobile\",\"jti\":\"{CANARY}9\"}}");
        let jwt = format!(
            "{}.{}.{}",
            base64url("{\"alg\":\"HS256\"}"),
            base64url(&claims),
            base64url(CANARY)
        );
        let fields = [
            format!("X-API-Key: {CANARY}2"),
            format!("X-Own-Key: {CANARY}3"),
            format!("Authorization: Bearer {CANARY}4"),
            format!("Authorization: Basic {user}"),
            format!("Authorization: Bearer {jwt}"),
            format!("Authorization: ApiKey {CANARY}5"),
            format!("Authorization: {CANARY}6"),
            format!("Authorization: Digest username=\"{CANARY}\", response=\"{CANARY}\""),
            format!(
                "Authorization: AWS4-HMAC-SHA256 Credential=AKIA{CANARY}/20260101/eu-1/s3/aws4_request, \
                 SignedHeaders=host, Signature={CANARY}"
            ),
            format!("Authorization: Hawk id=\"{CANARY}\", nonce=\"{CANARY}\", mac=\"{CANARY}\""),
            format!(
                "Authorization: OAuth oauth_consumer_key=\"{CANARY}\", oauth_nonce=\"{CANARY}\", \
                 oauth_signature_method=\"PLAINTEXT\", oauth_signature=\"{CANARY}%26{CANARY}\""
            ),
            format!("Authorization: SharedKey {CANARY}:{CANARY}"),
            format!("Authorization: Signature keyId=\"{CANARY}\",signature=\"{CANARY}\""),
            format!("Authorization: Token token=\"{CANARY}a\""),
            format!("Authorization: ApiKey {user}"),
            format!("Sec-WebSocket-Protocol: bearer, {CANARY}b"),
            format!("Signature-Input: sig1=(\"@method\");keyid=\"{CANARY}\""),
            format!("X-Forwarded-Client-Cert: Hash={CANARY};URI=spiffe://{CANARY}/a"),
            format!("X-Key: {CANARY}c"),
            format!("X-Signature: {CANARY}d"),
            format!("DPoP: {jwt}"),
            format!("X-Vault-Token: {CANARY}e"),
            format!("Cookie: theme=dark; session={CANARY}7; other={CANARY}"),
            format!("Proxy-Authorization: Basic {user}"),
            format!("X-Amz-Security-Token: {CANARY}8"),
            format!("X-Auth-Token: {CANARY}8"),
        ];
        let base = "http://10.77.0.1/v1";
        for field in &fields {
            curl(&link.client, &["-H", field, &format!("{base}/widgets/1")]);
            curl(&link.client, &["-H", field, &format!("{base}/secret")]);
            curl(&link.client, &["-H", field, &format!("{base}/nothing")]);
        }
        for query in [
            "api_key",
            "own_key",
            "access_token",
            "key",
            "token",
            "X-Amz-Signature",
            "oauth_consumer_key",
            "skn",
            "sig",
        ] {
            // With "full", a record keeps the values of what is no credential.
            let more = if targets == "full" { "kept" } else { CANARY };
            let url = format!("{base}/widgets/1?page=2&{query}={CANARY}9&more={more}");
            curl(&link.client, &[&url]);
            curl(
                &link.client,
                &[&url.replace("http://", &format!("http://{CANARY}:{CANARY}@"))],
            );
        }
        curl(
            &link.client,
            &[&format!("http://10.77.0.1/hooks/{CANARY}1")],
        );
        // Where no reader expects one: a head that is cut, one that is malformed, and an unknown method.
        for broken in [
            format!(
                "GET /v1/widgets/1 HTTP/1.1\r\nHost: a\r\nX-API-Key: {CANARY}\r\n X-Folded: {CANARY}\r\n\r\n"
            ),
            format!("GET /v1/widgets/1 HTTP/1.1\r\nHost: a\r\nX-API-Key : {CANARY}\r\n\r\n"),
            format!(
                "GET /hooks/{CANARY}2 HTTP/1.1\r\nHost: {CANARY}@a\r\nContent-Length: x{CANARY}\r\n\r\n"
            ),
            format!(
                "GET http://user:{CANARY}@a/v1/widgets/1 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
            ),
        ] {
            pipeline(&link.client, "10.77.0.1:80", &broken);
        }
        curl(
            &link.client,
            &[
                "-H",
                &format!("X-API-Key: {}", KEYS[0].0),
                &format!("{base}/widgets/7"),
            ],
        );

        wait_for("the last request", Duration::from_secs(10), || {
            let labels = [("consumer", KEYS[0].1)];
            let metrics = daemon.metrics();
            (metrics.sum("observer_http_requests_total", &labels) == 1.0).then_some(())
        });
        let mut shown = Vec::new();
        for page in [
            "/metrics",
            "/",
            "/healthz",
            "/api/v1/usage",
            "/api/v1/incidents",
            "/api/v1/posture",
            "/api/v1/look?view=all",
            "/api/v1/look?view=consumer&consumer=acme",
            "/api/v1/history?consumer=acme",
        ] {
            shown.push((
                page.to_owned(),
                daemon.get(page).map(|page| page.1).unwrap_or_default(),
            ));
        }
        daemon.stop();
        for name in ["records", "stderr"] {
            let text = fs::read_to_string(setup.path(name)).unwrap_or_default();
            shown.push((name.to_owned(), text));
        }
        let secrets = [
            CANARY.to_owned(),
            base64url(CANARY),
            user,
            jwt,
            KEYS[0].0.to_owned(),
        ];
        for (place, text) in &shown {
            for secret in &secrets {
                // A piece of it would be too much already.
                let piece = secret.get(..secret.len().min(40)).unwrap_or(secret);
                let line = text.lines().find(|line| line.contains(piece));
                assert_eq!(line, None, "a secret in {place} with targets = {targets}");
            }
        }
        // Nor in a file that it left, such as a ledger.
        for entry in fs::read_dir(setup.path(""))
            .expect("listing the folder")
            .flatten()
        {
            let bytes = fs::read(entry.path()).unwrap_or_default();
            let found = bytes
                .windows(CANARY.len())
                .any(|window| window == CANARY.as_bytes());
            assert!(
                !found,
                "a secret in {:?} with targets = {targets}",
                entry.path()
            );
        }
    }
}
