//! A webhook: each change of an incident as JSON, signed.
//!
//! `X-Observer-Signature: sha256=HEX` is HMAC-SHA-256 over the value of `X-Observer-Timestamp`, a full stop and the content.

use std::time::{SystemTime, UNIX_EPOCH};

use data_encoding::HEXLOWER;
use hmac::{Hmac, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

use super::{Refusal, judge};
use crate::awareness::Incident;
use crate::export::ocsf;

/// Where changes go.
pub(super) struct Webhook {
    agent: ureq::Agent,
    url: String,
    secret: Option<Zeroizing<Vec<u8>>>,
}

impl Webhook {
    /// Posts to this URL.
    pub(super) fn new(agent: ureq::Agent, url: &str, secret: Option<Zeroizing<Vec<u8>>>) -> Self {
        Self {
            agent,
            url: url.to_owned(),
            secret,
        }
    }

    /// Posts one change.
    pub(super) fn post(&self, incident: &Incident) -> Result<(), Refusal> {
        let content = ocsf::plain(incident).to_string();
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| since.as_secs());
        let delivery = format!(
            "{}-{}-{}",
            incident.id,
            incident.state.name(),
            incident.last_seen
        );
        let mut request = self
            .agent
            .post(&self.url)
            .header("Content-Type", "application/json")
            .header("X-Observer-Delivery", delivery)
            .header("X-Observer-Timestamp", now.to_string());
        if let Some(secret) = &self.secret {
            request = request.header("X-Observer-Signature", sign(secret, now, &content));
        }
        let answer = request
            .send(&content)
            .map_err(|error| Refusal::Unreachable(Box::new(error)))?;
        judge(answer.status().as_u16())
    }
}

/// The signature of a content that is sent at a second since 1970.
pub(super) fn sign(secret: &[u8], now: u64, content: &str) -> String {
    // HMAC takes keys of any length (RFC 2104 section 3).
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret) else {
        return String::new();
    };
    mac.update(now.to_string().as_bytes());
    mac.update(b".");
    mac.update(content.as_bytes());
    format!("sha256={}", HEXLOWER.encode(&mac.finalize().into_bytes()))
}
