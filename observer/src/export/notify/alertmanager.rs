//! Alertmanager's API, version 2: open incidents as alerts, sent again before they would resolve by themselves.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::judge;
use crate::awareness::Incident;
use crate::export::records::rfc3339;

/// How often open incidents are sent again; Alertmanager's `resolve_timeout` is five minutes by default.
const AGAIN: Duration = Duration::from_secs(60);
/// How long after a failure the next attempt is made.
const RETRY: Duration = Duration::from_secs(5);
/// How long an incident that is over is still sent.
const OVER: Duration = Duration::from_secs(300);
/// Alerts that are kept.
const KEPT: usize = 2_048;

/// Where alerts go.
pub(super) struct Alertmanager {
    agent: ureq::Agent,
    url: String,
    alerts: BTreeMap<Arc<str>, (Incident, Option<Instant>)>,
    due: Instant,
    failing: bool,
}

impl Alertmanager {
    /// Sends to this server.
    pub(super) fn new(agent: ureq::Agent, url: &str) -> Self {
        Self {
            agent,
            url: format!("{}/api/v2/alerts", url.trim_end_matches('/')),
            alerts: BTreeMap::new(),
            due: Instant::now() + AGAIN,
            failing: false,
        }
    }

    /// When to send next.
    pub(super) fn due(&self) -> Instant {
        self.due
    }

    /// Takes a change.
    pub(super) fn note(&mut self, incident: &Incident) {
        let over = (!incident.state.is_open()).then(Instant::now);
        if self.alerts.len() < KEPT || self.alerts.contains_key(&incident.id) {
            self.alerts
                .insert(incident.id.clone(), (incident.clone(), over));
        }
        if !self.failing {
            self.due = Instant::now();
        }
    }

    /// Sends all.
    pub(super) fn send(&mut self) {
        self.alerts
            .retain(|_, (_, over)| over.is_none_or(|over| over.elapsed() < OVER));
        self.due = Instant::now() + AGAIN;
        if self.alerts.is_empty() {
            return;
        }
        let alerts: Vec<Value> = self
            .alerts
            .values()
            .map(|(incident, over)| alert(incident, over.is_some()))
            .collect();
        let content = Value::Array(alerts).to_string();
        let request = self
            .agent
            .post(&self.url)
            .header("Content-Type", "application/json");
        let taken = match request.send(&content) {
            Ok(answer) => judge(answer.status().as_u16()).map_err(|refusal| refusal.to_string()),
            Err(error) => Err(error.to_string()),
        };
        match taken {
            Ok(()) => self.failing = false,
            Err(why) => {
                if !self.failing {
                    tracing::warn!("alertmanager: {why}; trying again");
                }
                self.failing = true;
                self.due = Instant::now() + RETRY;
            }
        }
    }
}

/// One alert in the form of the API.
pub(super) fn alert(incident: &Incident, over: bool) -> Value {
    let time = |nanoseconds| rfc3339(nanoseconds, &mut [0; 30]).to_owned();
    let mut alert = json!({
        "labels": {
            "alertname": "ObserverIncident",
            "rule": incident.rule.name(),
            "severity": incident.severity.name(),
            "subject": &*incident.subject.id,
            "subject_kind": incident.subject.kind.name(),
            "consumer": incident.subject.consumer.as_deref().unwrap_or(""),
            "incident": &*incident.id,
        },
        "annotations": {
            "summary": incident.statement,
            "description": format!("observer incidents show {}", incident.id),
        },
        "startsAt": time(incident.first_seen),
    });
    if let Some(fields) = alert.as_object_mut().filter(|_| over) {
        fields.insert("endsAt".to_owned(), json!(time(incident.last_seen)));
    }
    alert
}
