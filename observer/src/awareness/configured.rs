//! What answers, beside what the configuration says that there is.

use std::net::IpAddr;

use super::events::{event, is_site};
use super::incident::{Kind, Subject, plain};
use super::rules::Rule;
use super::{Awareness, Seen};
use crate::identity::traits::sign;
use crate::usage::Call;

/// Successes before what a document does not expect is told.
const HITS: u64 = 3;

impl Awareness {
    /// A success that the configuration does not expect.
    pub(super) fn configured(&mut self, call: &Call, seen: &Seen) {
        if call.traits.has(sign::STRAY_HOST) && !is_check(call) {
            self.stray_host(call, seen);
        }
        if call.traits.has(sign::UNDECLARED) {
            self.undocumented(Rule::ShadowEndpoint, call, seen);
        } else if call.traits.has(sign::DEPRECATED) {
            self.undocumented(Rule::ZombieEndpoint, call, seen);
        }
    }

    /// A success that the document of the API does not expect.
    fn undocumented(&mut self, rule: Rule, call: &Call, seen: &Seen) {
        let Some(place) = self.places.get_mut(seen.place) else {
            return;
        };
        let unexpected = &mut place.unexpected;
        let count = if rule == Rule::ShadowEndpoint {
            &mut unexpected.undeclared
        } else {
            &mut unexpected.deprecated
        };
        *count += 1;
        let count = *count;
        if count < HITS || !self.is_news(rule, u64::from(seen.place), seen.second) {
            return;
        }
        let words = if rule == Rule::ShadowEndpoint {
            "its API's document does not declare it".to_owned()
        } else {
            let method = plain(call.method.as_deref().unwrap_or_default());
            format!("its API's document calls {method} of it deprecated")
        };
        let subject = Subject::route(&call.api, &call.route);
        let statement = format!(
            "{}: {words}, and it was answered with success {count} times, the last time with {}",
            subject.words(),
            call.status.unwrap_or(0)
        );
        let mut finding = event(rule, subject, statement, call, seen);
        finding.evidence.seen = count as f64;
        finding.evidence.limit = HITS as f64;
        self.raise(finding, seen.time);
    }

    fn stray_host(&mut self, call: &Call, seen: &Seen) {
        let rule = Rule::UnknownHost;
        let port = call.server.port();
        if !self.is_news(rule, u64::from(port), seen.second) {
            return;
        }
        let subject = Subject::named(Kind::Listener, &format!("{}:{port}", call.interface));
        let words = format!(
            "answered {} to a host that no API is configured with: {}",
            call.status.unwrap_or(0),
            Subject::route(&call.api, &call.route).words()
        );
        self.tell(rule, subject, words, call, seen);
    }
}

/// Whether a request looks like a health check's: from this host itself, or from the site, without a credential, to the very
/// address that answers.
fn is_check(call: &Call) -> bool {
    let client = call.client.ip().to_canonical();
    let by_address = || {
        let host = call.host.as_deref().unwrap_or_default();
        let name = match host.strip_prefix('[') {
            Some(rest) => rest.split(']').next(),
            None => host.split(':').next(),
        };
        name.and_then(|name| name.parse::<IpAddr>().ok())
            .is_some_and(|address| address == call.server.ip().to_canonical())
    };
    client.is_loopback() || (is_site(client) && call.credential.is_none() && by_address())
}

#[cfg(test)]
mod tests;
