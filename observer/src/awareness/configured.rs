//! What answers, beside what the configuration says that there is.

use std::net::IpAddr;

use super::events::is_site;
use super::incident::{Kind, Subject};
use super::rules::Rule;
use super::{Awareness, Seen};
use crate::identity::traits::sign;
use crate::usage::Call;

impl Awareness {
    /// A success that the configuration does not expect. What any server answers to OPTIONS says nothing.
    pub(super) fn configured(&mut self, call: &Call, seen: &Seen) {
        if !seen.success || call.method.as_deref() == Some("OPTIONS") {
            return;
        }
        if call.traits.has(sign::STRAY_HOST) && !is_check(call) {
            self.stray_host(call, seen);
        }
    }

    fn stray_host(&mut self, call: &Call, seen: &Seen) {
        let rule = Rule::UnknownHost;
        let port = call.server.port();
        if !self.is_news(rule, u64::from(port), seen) {
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
