//! The names under which the listener may be asked for, and the sites that may ask it to change something.
//!
//! A browser sends what a page wants to wherever the page's name points at the time. Addresses cannot be pointed anywhere, and the
//! names of this host are ours; everything else has to be in the configuration.

use std::collections::HashSet;
use std::net::IpAddr;

use axum::extract::Request;
use axum::http::HeaderMap;
use axum::http::header::{HOST, ORIGIN};

/// The field by which browsers tell whose page asks (W3C, Fetch Metadata Request Headers).
const FETCH_SITE: &str = "sec-fetch-site";
/// The one by which they tell why.
const FETCH_MODE: &str = "sec-fetch-mode";

/// What another site is told.
pub(super) const FOREIGN: &str = "another site's page asks for this";

/// Whether a page of another site asks, and not somebody who follows its link.
pub(super) fn is_other_site(fields: &HeaderMap) -> bool {
    let is = |name: &str, values: &[&str]| {
        let field = fields.get(name);
        field.is_some_and(|field| values.iter().any(|value| field == value))
    };
    is(FETCH_SITE, &["cross-site", "same-site"]) && !is(FETCH_MODE, &["navigate"])
}

/// Names that are ours.
#[derive(Debug, Default)]
pub struct Hosts(HashSet<String>);

impl Hosts {
    /// This host's own name, and those of the configuration.
    pub fn new(own: &str, configured: &[String]) -> Self {
        let configured = configured.iter().map(String::as_str);
        let short = own.split('.').next().unwrap_or_default();
        let names = configured.chain([own, short]).map(str::to_ascii_lowercase);
        Self(names.filter(|name| !name.is_empty()).collect())
    }

    /// Whether a request names us, or nobody: every browser says whom it asks, and whoever does not is none.
    ///
    /// # Errors
    /// Why not.
    pub(super) fn named(&self, request: &Request) -> Result<(), String> {
        let fields = request.headers();
        let field = match host(fields) {
            None if fields.contains_key(HOST) => {
                return Err("the request has no one Host".to_owned());
            }
            field => field,
        };
        // A target in absolute form goes before the field (RFC 9112, section 3.2.2).
        let names = request
            .uri()
            .authority()
            .map(|authority| authority.as_str());
        for name in names.into_iter().chain(field) {
            if !self.is_ours(name) {
                return Err(
                    "this is not a name of this observer (its names are in `[metrics] hosts`)"
                        .to_owned(),
                );
            }
        }
        Ok(())
    }

    /// Whether a change is asked for by a page of ours, or by no page at all.
    ///
    /// # Errors
    /// Why not.
    pub(super) fn own_page(fields: &HeaderMap) -> Result<(), String> {
        let host = host(fields).ok_or("the request has no Host")?;
        let foreign = || Err(FOREIGN.to_owned());
        for origin in fields.get_all(ORIGIN) {
            let origin = origin.to_str().unwrap_or_default();
            let name = origin
                .strip_prefix("http://")
                .or_else(|| origin.strip_prefix("https://"));
            if !name.is_some_and(|name| name.eq_ignore_ascii_case(host)) {
                return foreign();
            }
        }
        for site in fields.get_all(FETCH_SITE) {
            if site != "same-origin" {
                return foreign();
            }
        }
        Ok(())
    }

    fn is_ours(&self, host: &str) -> bool {
        let Some(name) = without_port(host) else {
            return false;
        };
        let address = name
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'))
            .unwrap_or(name);
        let name = name.to_ascii_lowercase();
        address.parse::<IpAddr>().is_ok() || name == "localhost" || self.0.contains(&name)
    }
}

/// The one host of a request.
fn host(fields: &HeaderMap) -> Option<&str> {
    let mut hosts = fields.get_all(HOST).iter();
    let host = hosts.next()?.to_str().ok()?;
    hosts.next().is_none().then_some(host)
}

/// `name:port` without its port; `None` where that is no number.
fn without_port(host: &str) -> Option<&str> {
    if host.ends_with(']') {
        return Some(host);
    }
    match host.rsplit_once(':') {
        None => Some(host),
        Some((name, port)) => port.parse::<u16>().is_ok().then_some(name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::Body;

    fn ask(target: &str, host: &str) -> Result<(), String> {
        let hosts = Hosts::new("web-1.example", &["Observer.Example".to_owned()]);
        let request = Request::builder().uri(target).header(HOST, host);
        hosts.named(&request.body(Body::empty()).unwrap())
    }

    #[test]
    fn addresses_and_own_names_are_ours_and_nothing_else() {
        for host in [
            "127.0.0.1:9464",
            "127.0.0.1",
            "192.0.2.7:80",
            "[::1]:9464",
            "[::1]",
            "localhost:9999",
            "LOCALHOST",
            "web-1",
            "web-1.example:1",
            "observer.example",
        ] {
            assert_eq!(ask("/", host), Ok(()), "{host}");
        }
        for host in [
            "evil.example",
            "evil.example:9464",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "127.0.0.1:x",
            "[::1]x",
            "localhost@evil.example",
            "",
            " ",
        ] {
            assert!(ask("/", host).is_err(), "{host}");
        }
        assert!(ask("http://evil.example/", "127.0.0.1").is_err());
        let none = Request::builder().body(Body::empty()).unwrap();
        assert!(Hosts::default().named(&none).is_ok());
        let two = Request::builder()
            .header(HOST, "127.0.0.1")
            .header(HOST, "evil");
        assert!(
            Hosts::default()
                .named(&two.body(Body::empty()).unwrap())
                .is_err()
        );
    }

    #[test]
    fn changes_are_asked_for_by_own_pages_only() {
        let asked = |fields: &[(&'static str, &str)]| {
            let mut map = HeaderMap::new();
            map.insert(HOST, "127.0.0.1:9464".parse().unwrap());
            for (name, value) in fields {
                map.append(*name, value.parse().unwrap());
            }
            Hosts::own_page(&map).is_ok()
        };
        assert!(asked(&[]));
        assert!(asked(&[
            ("origin", "http://127.0.0.1:9464"),
            (FETCH_SITE, "same-origin")
        ]));
        assert!(asked(&[("origin", "https://127.0.0.1:9464")]));
        for origin in [
            "null",
            "http://127.0.0.1",
            "http://127.0.0.1:8080",
            "http://evil.example",
            "ftp://127.0.0.1:9464",
            "",
        ] {
            assert!(!asked(&[("origin", origin)]), "{origin}");
        }
        assert!(!asked(&[
            ("origin", "http://127.0.0.1:9464"),
            ("origin", "http://evil")
        ]));
        for site in ["cross-site", "same-site", "none"] {
            assert!(!asked(&[(FETCH_SITE, site)]), "{site}");
        }
    }
}
