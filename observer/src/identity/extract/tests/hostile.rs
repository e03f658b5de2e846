//! Heads that nobody means well with: bounds hold, nothing is printed, nothing panics.

use super::*;
use proptest::prelude::*;

#[test]
fn what_does_not_fit_is_counted_and_the_first_choices_stay() {
    let keys: Vec<String> = (0..20).map(|number| number.to_string()).collect();
    let mut fields: Vec<_> = keys
        .iter()
        .map(|key| Header {
            name: "apikey",
            value: key.as_bytes(),
        })
        .collect();
    fields.push(Header {
        name: "x-api-key",
        value: b"first",
    });
    let head = RequestHead {
        method: "GET",
        target: "/",
        version: Version::Http11,
        fields: &fields,
    };
    let extractor = Extractor::new(&[], true);
    let candidates = extractor.candidates(&head, Trust::default());
    assert_eq!(candidates.left_out, 21 - candidates::MOST);
    assert_eq!(candidates.iter().count(), candidates::MOST);
    assert_eq!(
        candidates.iter().next().unwrap().location.as_ref(),
        "header:x-api-key"
    );
}

#[test]
fn debug_prints_no_value() {
    let fields = [
        Header {
            name: "x-api-key",
            value: b"canary",
        },
        Header {
            name: "authorization",
            value: b"Basic Y2FuYXJ5OmNhbmFyeQ==",
        },
    ];
    let head = RequestHead {
        method: "GET",
        target: "/?api_key=canary",
        version: Version::Http11,
        fields: &fields,
    };
    let extractor = Extractor::new(&[], true);
    let candidates = extractor.candidates(&head, Trust::default());
    assert_eq!(candidates.iter().count(), 4);
    let values: Vec<_> = candidates
        .iter()
        .map(|candidate| &candidate.value)
        .collect();
    assert!(!format!("{candidates:?}{values:?}{extractor:?}").contains("canary"));
}

proptest! {
    #[test]
    fn any_head_is_read(target: String, fields in prop::collection::vec(("[!-~]{0,20}|authorization|cookie|x-api-key|dpop|signature|signature-input|x-key|x-signature|client-cert|x-forwarded-client-cert|x-ssl-client-s-dn|sec-websocket-protocol", prop::collection::vec(any::<u8>(), 0..80)), 0..12), gateway: bool) {
        let rules = [CredentialRule::Cookie("a".into()), CredentialRule::Path(PathPattern::parse("/{id}/{key}").unwrap())];
        let fields: Vec<_> = fields.iter().map(|(name, value)| Header { name, value }).collect();
        let head = RequestHead { method: "GET", target: &target, version: Version::Http11, fields: &fields };
        let extractor = Extractor::new(&rules, true);
        let trust = Trust { gateway, proxy: gateway };
        prop_assert!(extractor.candidates(&head, trust).iter().count() <= candidates::MOST);
    }

    #[test]
    fn any_scheme_and_credentials_are_read(scheme in "Bearer|Basic|AWS4-HMAC-SHA256|Token|DPoP|[a-z]{0,8}", credentials in "[ -~]{0,80}|eyJ[A-Za-z0-9_.-]{0,80}") {
        found("/", &[("Authorization", &format!("{scheme} {credentials}"))]);
    }

    #[test]
    fn any_parameters_are_read(
        scheme in "Digest|Hawk|OAuth|Signature|hmac|SharedKey|SharedAccessSignature|GOOG1|GOOG4-HMAC-SHA256|AWS|ApiKey|EG1-HMAC-SHA256",
        list in prop::collection::vec("(username|id|keyId|oauth_consumer_key|Credential|nc|mac)[ ]{0,1}=[\"\\\\]{0,2}[ -~]{0,9}[\";,:]{0,2}", 0..6),
        more in prop::collection::vec(any::<u8>(), 0..40),
    ) {
        let value = [format!("{scheme} {}", list.join(",")).as_bytes(), &more].concat();
        let fields = [Header { name: "authorization", value: &value }];
        let head = RequestHead { method: "GET", target: "/", version: Version::Http11, fields: &fields };
        let extractor = Extractor::new(&[], true);
        prop_assert!(extractor.candidates(&head, Trust::default()).iter().count() <= candidates::MOST);
        signature(&head);
    }

    #[test]
    fn any_fields_of_signatures_and_certificates_are_read(
        name in "signature|signature-input|dpop|client-cert|x-forwarded-client-cert|x-ssl-client-s-dn",
        value in "[ -~]{0,80}|(sig1=\\(\"@method\"\\);keyid=\"[ -~]{0,9}\",?){0,9}|eyJ[A-Za-z0-9_.-]{0,80}|(Hash|URI|Subject)=\"[ -~]{0,20}[;,]{0,2}|:MI[A-Za-z0-9+/=]{0,40}:?",
    ) {
        let fields = [Header { name: &name, value: value.as_bytes() }];
        let head = RequestHead { method: "GET", target: "/", version: Version::Http11, fields: &fields };
        let extractor = Extractor::new(&[], true);
        let trust = Trust { gateway: true, proxy: true };
        prop_assert!(extractor.candidates(&head, trust).iter().count() <= candidates::MOST);
        signature(&head);
    }

    #[test]
    fn any_claims_are_read(claims in r#"\{("(sub|iss|exp|x)":("[ -~]{0,9}"|[0-9]{1,30}|\[\]|\{\}|null),?){0,4}\}"#) {
        found("/", &[("Authorization", &format!("Bearer {}", jwt(&claims)))]);
    }
}
