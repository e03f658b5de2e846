//! The sections of the configuration: names and defaults are the contract with the user.
//!
//! Invariant: every field has a default, and no value out of its range is ever held.

use std::net::SocketAddr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use toml::Spanned;

use super::checks;
use super::values::{Bytes, Network, Period};
use crate::identity::registry::Id;
use crate::identity::shown::Shown;
use crate::identity::{CredentialRule, PathPattern};

/// `[capture]`: where packets are seen and what it may cost.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Capture {
    /// Interfaces; empty: those that carry the host's own addresses, `lo` included.
    #[serde(deserialize_with = "checks::interfaces")]
    pub interfaces: Vec<String>,
    /// How programs are attached.
    pub mode: CaptureMode,
    /// TCP ports; empty: every one that speaks HTTP.
    #[serde(deserialize_with = "checks::ports")]
    pub ports: Vec<u16>,
    /// Size of all ring buffers together.
    #[serde(deserialize_with = "checks::ring_bytes")]
    pub ring_bytes: Bytes,
    /// Cores that the daemon may use; past it load is shed and counted.
    #[serde(deserialize_with = "checks::cpu_limit")]
    pub cpu_limit: f64,
}

impl Default for Capture {
    fn default() -> Self {
        Self {
            interfaces: Vec::new(),
            mode: CaptureMode::Auto,
            ports: Vec::new(),
            ring_bytes: Bytes(64 << 20),
            cpu_limit: 0.5,
        }
    }
}

/// How programs are attached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum CaptureMode {
    /// Native XDP where it costs nothing, TCX elsewhere.
    #[default]
    Auto,
    /// Native XDP for ingress.
    Xdp,
    /// Generic XDP for ingress.
    XdpGeneric,
    /// TCX both ways.
    Tcx,
}

/// `[http]`
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Http {
    /// Longest message head.
    #[serde(deserialize_with = "checks::head_bytes")]
    pub max_head_bytes: Bytes,
    /// Networks whose word on the client's address is believed.
    pub trusted_proxies: Vec<Network>,
}

impl Default for Http {
    fn default() -> Self {
        Self {
            max_head_bytes: Bytes(65536),
            trusted_proxies: Vec::new(),
        }
    }
}

/// `[[api]]`
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Api {
    /// Its name in metrics and records.
    pub name: Spanned<Id>,
    /// Hosts that it answers for, in lower case and without port; empty: any.
    #[serde(default, deserialize_with = "checks::hosts")]
    pub hosts: Vec<String>,
    /// What its paths begin with, without a slash at the end; empty: anything.
    #[serde(default, deserialize_with = "checks::base_path")]
    pub base_path: String,
    /// Its OpenAPI document; a relative path starts at the configuration's folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub openapi: Option<PathBuf>,
    /// Operations that need no key, as `GET /v1/status`.
    #[serde(default, deserialize_with = "checks::operations")]
    pub public: Vec<String>,
}

/// `[tls]`
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Tls {
    /// Whether handshake secrets are read.
    pub enabled: bool,
    /// Process names that are left alone.
    pub except: Vec<String>,
    /// TCP ports; empty: all.
    #[serde(deserialize_with = "checks::ports")]
    pub ports: Vec<u16>,
}

impl Default for Tls {
    fn default() -> Self {
        Self {
            enabled: true,
            except: Vec::new(),
            ports: Vec::new(),
        }
    }
}

/// `[control]`
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Control {
    /// The Unix socket of the commands.
    #[serde(deserialize_with = "checks::path")]
    pub socket: PathBuf,
}

impl Default for Control {
    fn default() -> Self {
        Self {
            socket: "/run/observer/observer.sock".into(),
        }
    }
}

/// `[seller]`: what an invoice needs of whoever writes it.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Seller {
    /// Name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Postal address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// Country, ISO 3166-1 alpha-2.
    #[serde(
        skip_serializing_if = "Option::is_none",
        deserialize_with = "checks::country"
    )]
    pub country: Option<String>,
    /// VAT identification number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vat_id: Option<String>,
    /// Currency, ISO 4217.
    #[serde(
        skip_serializing_if = "Option::is_none",
        deserialize_with = "checks::currency"
    )]
    pub currency: Option<String>,
}

/// `[identity]`
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Identity {
    /// The folder of the registry.
    #[serde(deserialize_with = "checks::path")]
    pub registry: PathBuf,
    /// The file of the pepper.
    #[serde(deserialize_with = "checks::path")]
    pub pepper_file: PathBuf,
    /// Networks whose `X-Consumer-*` fields are believed.
    pub gateways: Vec<Network>,
    /// Whether credentials are also looked for where they usually are.
    pub usual_places: bool,
    /// `[[identity.credential]]`: places that come before the usual ones, in order.
    pub credential: Vec<Credential>,
}

impl Default for Identity {
    fn default() -> Self {
        Self {
            registry: "/etc/observer/registry.d".into(),
            pepper_file: "/var/lib/observer/pepper".into(),
            gateways: Vec::new(),
            usual_places: true,
            credential: Vec::new(),
        }
    }
}

/// `[[identity.credential]]`: a place for credentials.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(try_from = "CredentialStanza", into = "CredentialStanza")]
pub struct Credential(CredentialRule);

impl Credential {
    /// The place.
    pub fn rule(&self) -> &CredentialRule {
        &self.0
    }
}

#[derive(Clone, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
struct CredentialStanza {
    #[serde(skip_serializing_if = "Option::is_none")]
    header: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    authorization: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    query: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cookie: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    jwt_claim: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<String>,
}

impl TryFrom<CredentialStanza> for Credential {
    type Error = String;

    fn try_from(stanza: CredentialStanza) -> Result<Self, String> {
        let token = |kind: &str, text: String, rule: fn(Box<str>) -> CredentialRule| {
            // RFC 9110 section 5.6.2
            let valid =
                |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
            if text.is_empty() || text.len() > 64 || !text.bytes().all(valid) {
                return Err(format!(
                    "`{}` is no name of {kind}: 1 to 64 letters, digits and !#$%&'*+-.^_`|~",
                    Shown(&text)
                ));
            }
            Ok(rule(text.into()))
        };
        let claim = |text: String| {
            if text.is_empty() || text.len() > 256 || text.chars().any(char::is_control) {
                return Err(format!("`{}` is no name of a claim", Shown(&text)));
            }
            Ok(CredentialRule::JwtClaim(text.into()))
        };
        let rules = [
            stanza
                .header
                .map(|text| token("a header field", text, CredentialRule::Header)),
            stanza.authorization.map(|text| {
                token(
                    "an Authorization scheme",
                    text,
                    CredentialRule::Authorization,
                )
            }),
            stanza
                .query
                .map(|text| token("a query parameter", text, CredentialRule::Query)),
            stanza
                .cookie
                .map(|text| token("a cookie", text, CredentialRule::Cookie)),
            stanza.jwt_claim.map(claim),
            stanza.path.map(|text| {
                PathPattern::parse(&text)
                    .map(CredentialRule::Path)
                    .map_err(|error| error.to_string())
            }),
        ];
        let mut rules = rules.into_iter().flatten();
        match (rules.next(), rules.next()) {
            (Some(rule), None) => rule.map(Self),
            _ => Err("[[identity.credential]] needs exactly one of `header`, `authorization`, `query`, `cookie`, `jwt_claim`, `path`".to_owned()),
        }
    }
}

impl From<Credential> for CredentialStanza {
    fn from(Credential(rule): Credential) -> Self {
        let mut stanza = Self::default();
        match rule {
            CredentialRule::Header(name) => stanza.header = Some(name.into()),
            CredentialRule::Authorization(name) => stanza.authorization = Some(name.into()),
            CredentialRule::Query(name) => stanza.query = Some(name.into()),
            CredentialRule::Cookie(name) => stanza.cookie = Some(name.into()),
            CredentialRule::JwtClaim(name) => stanza.jwt_claim = Some(name.into()),
            CredentialRule::Path(pattern) => stanza.path = Some(pattern.to_string()),
        }
        stanza
    }
}

/// `[privacy]`
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Privacy {
    /// How much of a request target a record may keep.
    pub targets: Targets,
}

/// How much of a request target a record may keep.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Targets {
    /// Only the route.
    Route,
    /// The path.
    #[default]
    Path,
    /// Path and query.
    Full,
}

/// `[ledger]`
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Ledger {
    /// Its file.
    #[serde(deserialize_with = "checks::path")]
    pub path: PathBuf,
    /// How long usage by the minute is kept.
    pub keep_minutes: Period,
    /// How long usage by the quarter-hour is kept.
    pub keep_quarters: Period,
    /// How long usage by the day is kept.
    pub keep_days: Period,
    /// Size past which the oldest minutes, then quarter-hours, then days go early.
    pub max_bytes: Bytes,
}

impl Default for Ledger {
    fn default() -> Self {
        Self {
            path: "/var/lib/observer/ledger.sqlite".into(),
            keep_minutes: Period::days(2),
            keep_quarters: Period::days(62),
            keep_days: Period::days(5 * 365 + 1),
            max_bytes: Bytes(8 << 30),
        }
    }
}

/// `[incidents]`: who is told.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Incidents {
    /// URL that every change of an incident is posted to.
    #[serde(
        deserialize_with = "checks::url",
        skip_serializing_if = "Option::is_none"
    )]
    pub webhook: Option<String>,
    /// File with the secret that posts are signed with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub webhook_secret_file: Option<PathBuf>,
    /// URL of an Alertmanager.
    #[serde(
        deserialize_with = "checks::url",
        skip_serializing_if = "Option::is_none"
    )]
    pub alertmanager: Option<String>,
}

/// `[records]`
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Records {
    /// The folder of the hourly files; empty: none are written.
    pub path: PathBuf,
    /// How long they are kept.
    pub keep: Period,
    /// Size of all of them past which the oldest go early.
    #[serde(deserialize_with = "checks::records_bytes")]
    pub max_bytes: Bytes,
    /// Size past which a file is followed by another one of the same hour.
    #[serde(deserialize_with = "checks::file_bytes")]
    pub file_bytes: Bytes,
}

impl Default for Records {
    fn default() -> Self {
        Self {
            path: PathBuf::new(),
            keep: Period::days(7),
            max_bytes: Bytes(4 << 30),
            file_bytes: Bytes(256 << 20),
        }
    }
}

/// `[statements]`
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Statements {
    /// The folder of closed statements.
    #[serde(deserialize_with = "checks::path")]
    pub path: PathBuf,
}

impl Default for Statements {
    fn default() -> Self {
        Self {
            path: "/var/lib/observer/statements".into(),
        }
    }
}

/// `[metrics]`
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Metrics {
    /// Address and port of the listener.
    #[serde(deserialize_with = "checks::listen")]
    pub listen: SocketAddr,
    /// Names, beside this host's own, under which the page may be asked for: those of a proxy in front of it.
    #[serde(deserialize_with = "checks::hosts")]
    pub hosts: Vec<String>,
    /// Most series of one metric.
    #[serde(deserialize_with = "checks::max_series")]
    pub max_series: usize,
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 9464)),
            hosts: Vec::new(),
            max_series: 10_000,
        }
    }
}
