//! What was before now, from the ledger: usage over time and in parts, and incidents that are over.
//!
//! Many who ask the same within seconds cost one reading, and readings come one after the other: they take time from nothing
//! but each other.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::records::rfc3339;
use super::{lock, ocsf};
use crate::awareness::Incident;
use crate::store::{self, Filter, Period, Usage};

/// How long an answer is given again.
const FRESH: Duration = Duration::from_secs(5);
/// Answers that are kept for that.
const ANSWERS: usize = 64;
/// Why nothing is known of the time before the first usage.
const UNKEPT: &str = "nothing is kept of it";
/// Bytes of a name in a question: no consumer, route or key of ours has more.
const NAME: usize = 1_024;

/// A question.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Question {
    /// How far back.
    #[serde(default)]
    pub window: Window,
    /// Whose usage.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consumer: Option<String>,
    /// With which key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// Of which API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api: Option<String>,
    /// Of which route.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub route: Option<String>,
}

/// How far back to look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Window {
    /// An hour, by the minute.
    #[default]
    #[serde(rename = "1h")]
    Hour,
    /// Six hours, by five minutes.
    #[serde(rename = "6h")]
    Hours,
    /// A day, by quarter-hours.
    #[serde(rename = "24h")]
    Day,
    /// A week, by two hours.
    #[serde(rename = "7d")]
    Week,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum NoAnswer {
    /// Nothing is kept.
    #[error("there is no ledger")]
    NoLedger,
    /// A name is longer than any.
    #[error("nothing has so long a name")]
    TooLong,
    /// Nothing of that name is kept.
    #[error("there is no such incident")]
    Unknown,
    /// The ledger cannot be read.
    #[error("the ledger cannot be read: {0}")]
    Ledger(String),
}

/// Answers questions about what was.
pub struct History {
    ledger: Option<PathBuf>,
    clock: Box<dyn Fn() -> u64 + Send + Sync>,
    answers: Mutex<HashMap<Question, (Instant, Arc<str>)>>,
}

impl Window {
    /// Seconds: of all of it, and of a step.
    const fn seconds(self) -> (u64, u64) {
        match self {
            Self::Hour => (3_600, 60),
            Self::Hours => (6 * 3_600, 300),
            Self::Day => (86_400, 900),
            Self::Week => (7 * 86_400, 7_200),
        }
    }
}

impl History {
    /// Reads this ledger, if there is one. `clock` gives nanoseconds since 1970 in UTC.
    pub fn new(ledger: Option<PathBuf>, clock: impl Fn() -> u64 + Send + Sync + 'static) -> Self {
        Self {
            ledger,
            clock: Box::new(clock),
            answers: Mutex::default(),
        }
    }

    /// Answers with JSON. It reads a file: not to be called where nothing may wait.
    ///
    /// # Errors
    /// Why there is no answer.
    pub fn answer(&self, question: &Question) -> Result<Arc<str>, NoAnswer> {
        let names = [
            &question.consumer,
            &question.key,
            &question.api,
            &question.route,
        ];
        if names.into_iter().flatten().any(|name| name.len() > NAME) {
            return Err(NoAnswer::TooLong);
        }
        let mut answers = lock(&self.answers);
        answers.retain(|_, (when, _)| when.elapsed() < FRESH);
        if let Some((_, answer)) = answers.get(question) {
            return Ok(Arc::clone(answer));
        }
        let answer: Arc<str> = self.read(question)?.to_string().into();
        if answers.len() < ANSWERS {
            answers.insert(question.clone(), (Instant::now(), Arc::clone(&answer)));
        }
        Ok(answer)
    }

    /// An incident of this id, open or over.
    ///
    /// # Errors
    /// Why there is no answer.
    pub fn incident(&self, id: &str) -> Result<Value, NoAnswer> {
        let _one_at_a_time = lock(&self.answers);
        let bodies = store::incident(&self.open()?, id).map_err(failed)?;
        let incident = bodies.and_then(|body| serde_json::from_str::<Incident>(&body).ok());
        incident.as_ref().map(ocsf::plain).ok_or(NoAnswer::Unknown)
    }

    fn open(&self) -> Result<store::Reader, NoAnswer> {
        let path = self.ledger.as_deref().ok_or(NoAnswer::NoLedger)?;
        store::open_to_read(path).map_err(|error| NoAnswer::Ledger(error.to_string()))
    }

    fn read(&self, question: &Question) -> Result<Value, NoAnswer> {
        let ledger = self.open()?;
        let (window, step) = question.window.seconds();
        let now = (self.clock)() / 1_000_000_000;
        let until = (now / step + 1) * step;
        let period = Period {
            from: until.saturating_sub(window),
            until,
        };
        let filter = Filter {
            consumer: question.consumer.clone(),
            key: question.key.clone(),
            api: question.api.clone(),
            route: question.route.clone(),
        };
        let coverage = store::coverage(&ledger, period).map_err(failed)?;
        let points = store::series(&ledger, period, step, &filter).map_err(failed)?;
        let gaps = coverage.gaps.iter().map(
            |gap| json!({ "from": time(gap.from), "to": time(gap.until), "reason": gap.reason }),
        );
        let mut answer = json!({
            "from": time(period.from),
            "to": time(period.until),
            "step": step,
            "completeness": coverage.completeness(),
            "gaps": gaps.collect::<Vec<_>>(),
            "points": points.iter().map(point).collect::<Vec<_>>(),
        });
        let tables: &[(&str, &[&'static str])] = match (&question.consumer, &question.route) {
            (Some(_), None) => &[("keys", &["app", "key"]), ("routes", &["api", "route"])],
            (None, Some(_)) => &[
                ("consumers", &["consumer"]),
                ("methods", &["method", "status"]),
            ],
            _ => &[],
        };
        for (name, columns) in tables {
            let parts = store::parts(&ledger, period, step, &filter, columns).map_err(failed)?;
            let rows = parts
                .iter()
                .map(|(names, usage)| part(columns, names, usage));
            answer[name] = rows.collect();
        }
        Ok(answer)
    }
}

fn failed(error: impl std::fmt::Display) -> NoAnswer {
    NoAnswer::Ledger(error.to_string())
}

/// A second since 1970 as RFC 3339.
fn time(second: u64) -> String {
    rfc3339(second.saturating_mul(1_000_000_000), &mut [0; 30]).to_owned()
}

fn point((at, usage): &(u64, Usage)) -> Value {
    let [client, auth, limited, server] = usage.errors;
    json!({
        "at": at,
        "requests": usage.sums.requests,
        "uncertain": usage.sums.uncertain,
        "client": client,
        "auth": auth,
        "limited": limited,
        "server": server,
        "request_bytes": usage.sums.request_bytes,
        "response_bytes": usage.sums.response_bytes,
        "mean_ms": mean_ms(usage),
    })
}

fn part(columns: &[&str], names: &[String], usage: &Usage) -> Value {
    let mut row = json!({
        "requests": usage.sums.requests,
        "errors": usage.errors,
        "request_bytes": usage.sums.request_bytes,
        "response_bytes": usage.sums.response_bytes,
        "mean_ms": mean_ms(usage),
    });
    for (column, name) in columns.iter().zip(names) {
        // In the ledger, status 0 is none.
        let none = *column == "status" && name == "0";
        row[column] = if none {
            "none".into()
        } else {
            name.as_str().into()
        };
    }
    row
}

/// Milliseconds of service a request.
fn mean_ms(usage: &Usage) -> f64 {
    usage.sums.service_us as f64 / 1_000.0 / usage.sums.requests.max(1) as f64
}
