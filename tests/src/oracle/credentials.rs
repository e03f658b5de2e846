//! A request's fields and target, attributed: the same in any case of its names, bounded, and without a byte of a secret in
//! what is kept.

use httparse::Header;
use observer::http::{RequestHead, Version};
use observer::identity::{
    Attributor, CredentialRule, Discovery, Fingerprinter, IdentitySettings, PathPattern, Pepper,
    Registry, TargetPrivacy,
};

/// Fields of one case.
const FIELDS: usize = 32;
/// What stands for a secret: no name of this program has it in it.
const SECRET: &str = "QzQz";

/// Reads a target in the first line, and a field with its value in each of the others, and attributes the request.
///
/// # Panics
/// When two ways to write the same fields are attributed differently, or something that is kept shows a secret.
pub fn check(data: &[u8]) {
    let mut lines = data.split(|byte| *byte == b'\n');
    let target = lines
        .next()
        .map(String::from_utf8_lossy)
        .unwrap_or_default();
    let fields: Vec<(String, &[u8])> = lines
        .filter_map(|line| {
            let colon = line.iter().position(|byte| *byte == b':')?;
            let name = str::from_utf8(line.get(..colon)?).ok()?;
            Some((name.to_owned(), line.get(colon + 1..)?))
        })
        .take(FIELDS)
        .collect();
    let told = attributed(&target, &fields);
    let shouted: Vec<_> = (fields.iter())
        .map(|(name, value)| (name.to_ascii_uppercase(), *value))
        .collect();
    assert_eq!(
        told,
        attributed(&target, &shouted),
        "the case of names matters"
    );
    // Of a name in the target something may be kept; a value is no name.
    assert!(!told.contains(SECRET), "{told}");
}

/// What is kept of a request, as text.
fn attributed(target: &str, fields: &[(String, &[u8])]) -> String {
    let fields: Vec<_> = fields
        .iter()
        .map(|(name, value)| Header { name, value })
        .collect();
    let head = RequestHead {
        method: "GET",
        target,
        version: Version::Http11,
        fields: &fields,
    };
    let fingerprinter = Fingerprinter::new(&Pepper::new(&mut [7; 32]));
    let path = PathPattern::parse("/bot{key}/").expect("a pattern");
    let settings = IdentitySettings {
        credentials: vec![
            CredentialRule::Cookie("session".into()),
            CredentialRule::Path(path),
        ],
        trusted_proxies: vec!["10.0.0.0/8".parse().expect("a network")],
        gateways: vec!["10.0.0.1/32".parse().expect("a network")],
        ..IdentitySettings::default()
    };
    let attributor = Attributor::new(settings, fingerprinter.clone());
    let registry = Registry::default();
    let peers = ["10.0.0.1:1", "10.0.0.2:1", "192.0.2.1:1"];
    let kept = peers.map(|peer| {
        let peer = peer.parse().expect("an address");
        let told = attributor.attribute(&registry, &head, peer, None, 1_795_564_800);
        format!("{told:?}")
    });
    attributor.redact_target(target, TargetPrivacy::Full);
    let mut discovery = Discovery::new(fingerprinter);
    let seen = discovery.look(&head);
    discovery.observe(&"api".into(), seen, 200);
    format!("{kept:?} {discovery:?}")
}
