//! Schemes in the forms that their documents give as examples.

use super::*;

/// Credentials of an `Authorization` field, as [`found`] shows them.
fn authorized(value: &str) -> Vec<String> {
    found("/", &[("Authorization", value)])
}

/// Whether a request is told from every other by what it carries, and by what.
fn replay(fields: &[(&str, &str)]) -> u64 {
    let fields = request::fields(fields);
    signature(&request::head("/", &fields))
}

/// RFC 7616 section 3.9.1.
const DIGEST: &str = "Digest username=\"Mufasa\", realm=\"http-auth@example.org\", uri=\"/dir/index.html\", algorithm=MD5, \
     nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\", nc=00000001, \
     cnonce=\"f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ\", qop=auth, \
     response=\"8ca523f5e9506fed4657c9700eebdbec\", opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\"";
/// github.com/mozilla/hawk, "Protocol Example".
const HAWK: &str = "Hawk id=\"dh37fgj492je\", ts=\"1353832234\", nonce=\"j4h3g2\", ext=\"some-app-ext-data\", \
     mac=\"6R4rV5iE+NPoym+WwjeHzjAGXUtLNIxmo1vpMofpLAE=\"";
/// RFC 5849 section 1.2.
const OAUTH1: &str = "OAuth realm=\"Photos\", oauth_consumer_key=\"dpf43f3p2l4k3l03\", oauth_token=\"nnch734d00sl2jdk\", \
     oauth_signature_method=\"HMAC-SHA1\", oauth_timestamp=\"137131202\", oauth_nonce=\"chapoH\", \
     oauth_signature=\"MdpQcU8iPSUjWoN%2FUDMK2sui9I%3D\"";
/// draft-cavage-http-signatures-12 appendix C.2, with its `Date`.
const CAVAGE: &str = "Signature keyId=\"Test\",algorithm=\"rsa-sha256\",headers=\"(request-target) host date\",\
     signature=\"qdx+H7PHHDZgy4y/Ahn9Tny9V3GP6YgBPyUXMmoxWtLbHpUnXS2mg2+SbrQDMCJypxBLSPQR2aAjn7ndmw2iicw3HMbe8VfEdKFYRqzic+efkb3nndiv/x1xSHDJWeSWkx3ButlYSuBskLu6kd9Fswtemr3lgdDEmn04swr2Os0=\"";
/// RFC 9421 section 2.5.
const SIGNATURE_INPUT: &str = "sig1=(\"@method\" \"@authority\" \"@path\" \"content-digest\" \"content-length\" \"content-type\")\
     ;created=1618884473;keyid=\"test-key-rsa-pss\"";
/// "Authorize with Shared Key", Azure Storage.
const AZURE: &str = "SharedKey myaccount:ctzMq410TV3wS7upTBcunJTDLEJwMAZuFPfr0mrrA08=";
/// "Signatures", Cloud Storage XML API.
const GOOG1: &str = "GOOG1 GOOGTS7C7FUP3AIRVJTE:Y9gBLAEInIlFv5zlAm9ts=";
/// "Authentication", Amazon S3: Signature Version 2.
const AWS2: &str = "AWS AKIAIOSFODNN7EXAMPLE:frJIUN8DYpKDtOLCwo//yllqDzg=";
/// "Authentication", Akamai EdgeGrid.
const EDGEGRID: &str = "EG1-HMAC-SHA256 client_token=akab-access-token-xxx-xxxxxxxxxxxxxxxx;access_token=akab-client-token-xxx;\
     timestamp=20140321T19:34:21+0000;nonce=nonce-xx-xxxx-xxxx-xxxx-xxxxxxxxxxxx;signature=hXm4iCxtpN22m4cbZb4lVLW5rhX8Ca82vCFqXzSTPe4=";

/// RFC 9449 section 4.1 with a proof's key; the thumbprint is that of section 6.1.
const JWK: &str = r#"{"kty":"EC","x":"l8tFrhx-34tV3hRICRDY9zCkDlpBhF42UQUfWVAWBFs","y":"9VE4jf_Ok_o64zbTTlcuNJajHmt6v9TDVrU0CdvGRDA","crv":"P-256"}"#;
const JKT: &str = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I";

fn proof(jti: &str, made: &str) -> String {
    let header = format!(r#"{{"typ":"dpop+jwt","alg":"ES256","jwk":{JWK}}}"#);
    let claims = format!(
        r#"{{"jti":"{jti}","htm":"GET","htu":"https://resource.example.org/protectedresource","iat":1562262618}}"#
    );
    let [header, claims, made] =
        [&*header, &claims, made].map(|part| BASE64_URL_SAFE_NO_PAD.encode(part));
    format!("{header}.{claims}.{made}")
}

#[test]
fn who_signs_is_known_by_what_the_scheme_says() {
    for (value, expected) in [
        (DIGEST, "digest authorization:digest []Mufasa"),
        (HAWK, "hawk authorization:hawk []dh37fgj492je"),
        (OAUTH1, "oauth1 authorization:oauth []dpf43f3p2l4k3l03"),
        (CAVAGE, "http-signature authorization:signature []Test"),
        (
            "hmac username=\"alice123\", algorithm=\"hmac-sha256\", headers=\"date request-line\", signature=\"gaweQbATuaGmLrUr3HE0DzU1keWGCt3H96M28sSHTG8=\"",
            "http-signature authorization:hmac []alice123",
        ),
        (AZURE, "shared-key authorization:sharedkey []myaccount"),
        (
            "SharedAccessSignature sig=EXAMPLE&se=1438205742&skn=KeyName&sr=your-namespace",
            "shared-key authorization:sharedaccesssignature []KeyName",
        ),
        (
            GOOG1,
            "google-signature authorization:goog1 []GOOGTS7C7FUP3AIRVJTE",
        ),
        (
            "GOOG4-RSA-SHA256 Credential=example@example-project.iam.gserviceaccount.com/20191201/us-east-1/storage/goog4_request,SignedHeaders=host;x-goog-date,Signature=247a2a",
            "google-signature authorization:goog4-rsa-sha256 []example@example-project.iam.gserviceaccount.com",
        ),
        (AWS2, "hmac authorization:aws []AKIAIOSFODNN7EXAMPLE"),
        (
            EDGEGRID,
            "hmac authorization:eg1-hmac-sha256 []akab-access-token-xxx-xxxxxxxxxxxxxxxx",
        ),
        (
            "OAuth ya29.opaque",
            "api-key authorization:oauth ya29.opaque",
        ),
        (
            "SSWS 00QCjAl4MlV-WPXM",
            "api-key authorization:ssws 00QCjAl4MlV-WPXM",
        ),
    ] {
        assert_eq!(authorized(value), [expected], "{value}");
    }
    // Values with escapes, and names in another case.
    assert_eq!(
        authorized(r#"digest UserName = "Mu\"fa,sa", nc=1"#),
        [r#"digest authorization:digest []Mu"fa,sa"#]
    );
    assert_eq!(
        authorized("OAuth oauth_consumer_key=\"a%2Fb\""),
        ["oauth1 authorization:oauth []a/b"]
    );
}

#[test]
fn a_name_that_stands_twice_or_not_at_all_names_nobody() {
    for value in [
        "Digest username=\"a\", username=\"b\"",
        "Digest realm=\"username=a\"",
        "Hawk id=\"\"",
        "SharedKey account",
        "GOOG1 :signature",
    ] {
        let all = authorized(value);
        assert_eq!(all.len(), 1, "{value}");
        assert!(!all[0].contains("[]"), "{all:?}");
    }
}

#[test]
fn an_id_with_its_key_is_known_by_both() {
    // "Create API key", Elasticsearch
    let encoded = "VnVhQ2ZHY0JDZGJrUW0tZTVhT3g6dWkybHAyYXhUTm1zeWFrdzl0dk5udw==";
    assert_eq!(
        authorized(&format!("ApiKey {encoded}")),
        [
            format!("api-key authorization:apikey {encoded}"),
            "api-key authorization:apikey []VuaCfGcBCdbkQm-e5aOx".to_owned()
        ]
    );
}

#[test]
fn message_signatures_are_known_by_their_keys() {
    assert_eq!(
        found("/", &[("Signature-Input", SIGNATURE_INPUT)]),
        ["http-signature header:signature-input []test-key-rsa-pss"]
    );
    // RFC 9421 section 4.3: the client's and a proxy's.
    let two = "sig1=(\"@method\" \"@authority\");created=1618884475;keyid=\"test-key-ecc-p256\", \
        proxy_sig=(\"@method\" \"signature\";key=\"sig1\");created=1618884480;keyid=\"test-key-rsa\";alg=\"rsa-v1_5-sha256\"";
    assert_eq!(
        found("/", &[("Signature-Input", two)]),
        [
            "http-signature header:signature-input []test-key-ecc-p256",
            "http-signature header:signature-input []test-key-rsa"
        ]
    );
    // What is signed says nothing of who signs.
    let inside = "sig1=(\"a;keyid=\\\"x\\\"\" \"b\";keyid=\"y\");nonce=\";keyid=z\"";
    assert!(found("/", &[("Signature-Input", inside)]).is_empty());
    let field = CAVAGE.strip_prefix("Signature ").unwrap();
    assert_eq!(
        found("/", &[("Signature", field)]),
        ["http-signature header:signature []Test"]
    );
    assert!(
        found(
            "/",
            &[(
                "Signature",
                "sig1=:K2qGT5srn2OGbOIDzQ6kYT+ruaycnDAAUpKv+ePFfD0=:"
            )]
        )
        .is_empty()
    );
}

#[test]
fn an_id_is_one_only_beside_a_signature() {
    assert_eq!(
        found("/", &[("X-Key", "client-7"), ("X-Signature", "5d41402a")]),
        ["hmac header:x-key []client-7"]
    );
    assert_eq!(
        found("/", &[("X-Key", "5d41402a")]),
        ["api-key header:x-key 5d41402a"]
    );
    assert!(found("/", &[("X-Signature", "5d41402a")]).is_empty());
}

#[test]
fn queries_carry_ids_and_signatures() {
    for (target, expected) in [
        (
            "/o?X-Goog-Algorithm=GOOG4-RSA-SHA256&X-Goog-Credential=example%40example-project.iam.gserviceaccount.com%2F20181026%2Fus-central1%2Fstorage%2Fgoog4_request",
            "google-signature query:x-goog-credential []example@example-project.iam.gserviceaccount.com",
        ),
        (
            "/p?oauth_consumer_key=dpf43f3p2l4k3l03",
            "oauth1 query:oauth_consumer_key []dpf43f3p2l4k3l03",
        ),
        (
            "/b?sv=2022-11-02&sr=b&sig=Z%2FRH%3D",
            "shared-key query:sig Z/RH=",
        ),
    ] {
        assert_eq!(found(target, &[]), [expected], "{target}");
    }
}

#[test]
fn a_proof_is_known_by_the_thumbprint_of_its_key() {
    let made = proof("e1j3V_bKic8-LAEB", "one");
    let fields = [
        (
            "Authorization",
            "DPoP Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU",
        ),
        ("DPoP", &*made),
    ];
    assert_eq!(
        found("/", &fields),
        [
            "bearer authorization:dpop Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU".to_owned(),
            format!("dpop header:dpop []{JKT}")
        ]
    );
    assert!(found("/", &[("DPoP", "eyJ.eyJ.x")]).is_empty());
    // The same proof signed anew is the same proof; another id is another.
    let again = proof("e1j3V_bKic8-LAEB", "two");
    assert_eq!(replay(&[("DPoP", &made)]), replay(&[("DPoP", &again)]));
    assert_ne!(
        replay(&[("DPoP", &made)]),
        replay(&[("DPoP", &proof("other", "one"))])
    );
    assert_ne!(replay(&[("DPoP", "unread")]), 0);
}

#[test]
fn web_sockets_carry_tokens_among_protocols() {
    for (value, expected) in [
        ("bearer, sk_live_1", "sk_live_1"),
        ("graphql-ws, Bearer,sk_live_1", "sk_live_1"),
        (
            "base64url.bearer.authorization.k8s.io.c2tfbGl2ZV8x, base64.channel.k8s.io",
            "c2tfbGl2ZV8x",
        ),
    ] {
        assert_eq!(
            found("/", &[("Sec-WebSocket-Protocol", value)]),
            [format!("bearer header:sec-websocket-protocol {expected}")]
        );
    }
    for value in ["graphql-ws, chat", "bearer", "bearer,"] {
        assert!(found("/", &[("Sec-WebSocket-Protocol", value)]).is_empty());
    }
}

#[test]
fn certificates_are_believed_from_a_trusted_proxy_only() {
    const HASH: &str = "468ed33be74eee6556d90c0149c1309e9ba61d6425303443c0748a02dd8de688";
    let extractor = Extractor::new(&[], true);
    let names = |name: &str, value: &str| {
        assert!(found_by(&extractor, "/", &[(name, value)], false).is_empty());
        found_by(&extractor, "/", &[(name, value)], true)
            .iter()
            .map(|text| text.split_once(" []").unwrap().1.to_owned())
            .collect::<Vec<_>>()
    };
    // Envoy, "HTTP header manipulation", x-forwarded-client-cert; of two elements, the one that the proxy added.
    let forwarded = format!(
        "By=http://frontend.lyft.com;Hash={HASH};Subject=\"/C=US/ST=CA/L=San Francisco/OU=Lyft/CN=Test Client\";URI=http://testclient.lyft.com"
    );
    let hash = format!("sha256:{HASH}");
    assert_eq!(
        names("X-Forwarded-Client-Cert", &forwarded),
        ["http://testclient.lyft.com", &hash]
    );
    assert_eq!(
        names(
            "X-Forwarded-Client-Cert",
            &format!("{forwarded},By=spiffe://a/b;Hash={HASH};URI=spiffe://cluster/ns/x/sa/y")
        ),
        ["spiffe://cluster/ns/x/sa/y", &hash]
    );
    assert_eq!(
        names(
            "x-forwarded-client-cert",
            "Subject=\"CN=a;b,O=c\";Hash=short"
        ),
        ["a;b"]
    );
    for (subject, name) in [
        ("CN=Test Client,OU=Lyft,C=US", "Test Client"),
        ("/C=US/OU=Lyft/CN=Test Client", "Test Client"),
        ("CN=a,CN=b", "CN=a,CN=b"),
        ("O=x\\,CN=admin,CN=a", "O=x\\,CN=admin,CN=a"),
        ("O=nobody", "O=nobody"),
    ] {
        assert_eq!(names("X-SSL-Client-S-DN", subject), [name]);
    }
    // A SEQUENCE of nothing: its digest is what `printf '\x30\x00' | sha256sum` says.
    assert_eq!(
        names("Client-Cert", ":MAA=:"),
        ["sha256:e4f60d0aa6d7f3d3b6a6494b1c861b99f649c6f9ec51abaf201b20f297327c95"]
    );
    for value in ["MAA=", ":MAA:x", ":AAA=:", "::"] {
        assert!(names("Client-Cert", value).is_empty(), "{value}");
    }
}

#[test]
fn what_is_good_once_is_told_from_what_may_come_again() {
    let sigv4 = "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, SignedHeaders=host;range, Signature=fe5f80f7";
    for once in [
        DIGEST, HAWK, OAUTH1, CAVAGE, AZURE, GOOG1, AWS2, EDGEGRID, sigv4,
    ] {
        assert_ne!(replay(&[("Authorization", once)]), 0, "{once}");
        // What is hashed is the proof, not the order of what stands around it.
        let other = once.replacen("e=", "e= ", 1);
        assert_ne!(replay(&[("Authorization", &other)]), 0);
    }
    for again in [
        "Bearer x",
        "Basic eDp5",
        "Digest username=\"a\", response=\"8ca523f5e9506fed4657c9700eebdbec\"",
        "OAuth oauth_consumer_key=\"a\", oauth_signature=\"b\"",
        "Signature keyId=\"a\",headers=\"(request-target) host\",signature=\"b\"",
        "SharedAccessSignature sr=a&sig=b",
    ] {
        assert_eq!(replay(&[("Authorization", again)]), 0, "{again}");
    }
    assert_ne!(
        replay(&[("Signature", "sig1=:K2qGT5srn2OGbOIDzQ6kYT==:")]),
        0
    );
    assert_eq!(replay(&[("X-Signature", "a")]), 0);
    assert_ne!(replay(&[("X-Signature", "a"), ("X-Nonce", "1")]), 0);
    // A nonce in PLAINTEXT tells requests apart, the secrets beside it do not.
    let plain = |nonce: &str| {
        replay(&[(
            "Authorization",
            &format!(
                "OAuth oauth_consumer_key=\"a\", oauth_signature_method=\"PLAINTEXT\", oauth_nonce=\"{nonce}\", oauth_signature=\"s%26t\""
            ),
        )])
    };
    assert_ne!(plain("1"), plain("2"));
}
