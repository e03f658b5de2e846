//! A webhook: each change of an incident as JSON, and what was done about somebody as `{"response": {...}}`, signed.
//!
//! `X-Observer-Signature: sha256=HEX` is HMAC-SHA-256 over the value of `X-Observer-Timestamp`, a full stop and the content.

use std::time::{SystemTime, UNIX_EPOCH};

use data_encoding::HEXLOWER;
use hmac::{Hmac, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

use super::{Change, Refusal, judge};
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
    pub(super) fn post(&self, change: &Change) -> Result<(), Refusal> {
        let (content, delivery) = match change {
            Change::Incident(incident) => {
                let state = incident.state.name();
                let delivery = format!("{}-{state}-{}", incident.id, incident.last_seen);
                (ocsf::plain(incident).to_string(), delivery)
            }
            Change::Response(event) => {
                let delivery = format!("{}-{:?}-{}", event.action, event.deed, event.time);
                let content = serde_json::json!({ "response": event });
                (content.to_string(), delivery.to_lowercase())
            }
        };
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| since.as_secs());
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
