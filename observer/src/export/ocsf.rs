//! Incidents as JSON: in the contract's own names, and as OCSF Detection Findings (class 2004, schema 1.3.0).

use serde_json::{Value, json};

use crate::awareness::{Incident, Severity, State};
use crate::export::records::rfc3339;

/// Nanoseconds of a millisecond, OCSF's unit of time.
const MILLISECOND: u64 = 1_000_000;

/// An incident in the names that the commands and the page use.
pub fn plain(incident: &Incident) -> Value {
    let time = |nanoseconds| rfc3339(nanoseconds, &mut [0; 30]).to_owned();
    let evidence = &incident.evidence;
    json!({
        "id": &*incident.id,
        "rule": incident.rule.name(),
        "severity": incident.severity.name(),
        "state": incident.state.name(),
        "subject": &*incident.subject.id,
        "subject_kind": incident.subject.kind.name(),
        "consumer": incident.subject.consumer.as_deref(),
        "statement": incident.statement,
        "first_seen": time(incident.first_seen),
        "detected_at": time(incident.detected_at),
        "last_seen": time(incident.last_seen),
        "owasp": incident.rule.owasp(),
        "responsible": incident.rule.responsible().as_str(),
        "proposed_action": incident.rule.response(),
        "confidence": incident.confidence,
        "completeness": incident.completeness,
        "evidence": {
            "seen": evidence.seen,
            "of": evidence.of,
            "baseline": evidence.baseline,
            "deviation": evidence.deviation,
            "score": evidence.score,
            "limit": evidence.limit,
            "since": time(evidence.since),
            "until": time(evidence.until),
            "routes": evidence.routes,
            "consumers": evidence.consumers,
            "networks": evidence.networks,
        },
    })
}

/// An incident as an OCSF Detection Finding.
pub fn finding(incident: &Incident) -> Value {
    let (activity, name) = match incident.state {
        State::Closed | State::Suppressed => (3, "Close"),
        State::Ack => (2, "Update"),
        State::Open => (1, "Create"),
    };
    let (status, status_name) = match incident.state {
        State::Open => (1, "New"),
        State::Ack => (2, "In Progress"),
        State::Suppressed => (3, "Suppressed"),
        State::Closed => (4, "Resolved"),
    };
    let severity = match incident.severity {
        Severity::Info => (1, "Informational"),
        Severity::Low => (2, "Low"),
        Severity::Medium => (3, "Medium"),
        Severity::High => (4, "High"),
        Severity::Critical => (5, "Critical"),
    };
    let confidence = (incident.confidence.clamp(0.0, 1.0) * 100.0).round() as u64;
    json!({
        "class_uid": 2004,
        "class_name": "Detection Finding",
        "category_uid": 2,
        "category_name": "Findings",
        "activity_id": activity,
        "activity_name": name,
        "type_uid": 200_400 + activity,
        "type_name": format!("Detection Finding: {name}"),
        "time": incident.detected_at / MILLISECOND,
        "start_time": incident.first_seen / MILLISECOND,
        "end_time": incident.last_seen / MILLISECOND,
        "severity_id": severity.0,
        "severity": severity.1,
        "status_id": status,
        "status": status_name,
        "confidence_score": confidence,
        "message": incident.statement,
        "metadata": {
            "version": "1.3.0",
            "product": {
                "name": "observer",
                "vendor_name": "observer",
                "version": env!("CARGO_PKG_VERSION"),
            },
        },
        "finding_info": {
            "uid": &*incident.id,
            "title": incident.rule.name(),
            "desc": incident.statement,
            "types": incident.rule.owasp(),
            "first_seen_time": incident.first_seen / MILLISECOND,
            "last_seen_time": incident.last_seen / MILLISECOND,
            "created_time": incident.detected_at / MILLISECOND,
        },
        "resources": [{
            "name": &*incident.subject.id,
            "type": incident.subject.kind.name(),
        }],
        "unmapped": plain(incident),
    })
}
