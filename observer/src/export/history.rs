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
        let gap = |from: u64, until: u64, reason: &str| json!({ "from": time(from), "to": time(until), "reason": reason });
        let known = store::first(&ledger, step).map_err(failed)?;
        let known = known.unwrap_or(period.until);
        let before = (known > period.from).then(|| gap(period.from, known, UNKEPT));
        let gaps = (coverage.gaps.iter()).map(|one| gap(one.from, one.until, &one.reason));
        let gaps = before.into_iter().chain(gaps);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Retention, Writer, open};
    use crate::usage::batch::{Batch, GapRow};
    use crate::usage::tests::call;
    use crate::usage::{Call, Outcome};

    const RETENTION: Retention = Retention {
        minutes: u64::MAX >> 2,
        quarters: u64::MAX >> 2,
        days: u64::MAX >> 2,
        max_bytes: 1 << 40,
    };
    const SECOND: u64 = 1_000_000_000;
    /// A beginning of an hour.
    const NOW: u64 = 498_720 * 3_600;

    fn ask(consumer: Option<&str>, route: Option<&str>) -> Question {
        let text = |text: &str| text.to_owned();
        Question {
            window: Window::Hour,
            consumer: consumer.map(text),
            key: None,
            api: route.map(|_| text("orders")),
            route: route.map(text),
        }
    }

    #[test]
    fn what_was_is_told_by_steps_and_in_parts_and_what_is_not_known_is_a_gap() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger");
        let mut batch = Batch::default();
        for (second, status) in [(60, 200), (65, 404), (600, 200)] {
            batch.add(&Call {
                begin: (NOW + second) * SECOND,
                status: Some(status),
                outcome: Outcome::of(Some(status), None, None, true),
                ..call()
            });
        }
        batch.gap(GapRow {
            start: NOW + 300,
            until: NOW + 420,
            reason: "a reboot".into(),
        });
        let writer = Writer::start(&path, open(&path, None).ok(), RETENTION).unwrap();
        writer.write(1, Arc::new(batch.rows()));
        writer.finish();
        let history = History::new(Some(path), || (NOW + 1_000) * SECOND);
        let read = |question: &Question| -> Value {
            serde_json::from_str(&history.answer(question).unwrap()).unwrap()
        };
        let acme = read(&ask(Some("acme"), None));
        let points = acme["points"].as_array().unwrap();
        assert_eq!(points.len(), 2);
        assert_eq!(
            (&points[0]["at"], &points[0]["requests"]),
            (&json!(NOW + 60), &json!(2))
        );
        assert_eq!(
            (&points[0]["client"], &points[1]["client"]),
            (&json!(1), &json!(0))
        );
        assert_eq!(acme["keys"][0]["key"], "k-2026-01");
        assert_eq!(acme["keys"][0]["errors"], json!([1, 0, 0, 0]));
        assert_eq!(acme["routes"][0]["requests"], 3);
        let reasons: Vec<_> = acme["gaps"]
            .as_array()
            .unwrap()
            .iter()
            .map(|gap| &gap["reason"])
            .collect();
        assert_eq!(reasons, ["nothing is kept of it", "a reboot"]);
        assert_eq!(acme["gaps"][0]["to"], Value::from(time(NOW + 60)));
        let route = read(&ask(None, Some("/v1/widgets/{id}")));
        assert_eq!(route["consumers"][0]["consumer"], "acme");
        assert_eq!(route["methods"].as_array().map(Vec::len), Some(2));
        assert_eq!(read(&ask(Some("nobody"), None))["points"], json!([]));
        let (one, two) = (ask(None, None), ask(None, None));
        let (one, two) = (history.answer(&one).unwrap(), history.answer(&two).unwrap());
        assert!(Arc::ptr_eq(&one, &two), "asked twice, read once");
    }

    #[test]
    fn what_cannot_be_answered_is_said() {
        let none = History::new(None, || 0);
        assert!(matches!(
            none.answer(&ask(None, None)),
            Err(NoAnswer::NoLedger)
        ));
        let long = "x".repeat(2_000);
        assert!(matches!(
            none.answer(&ask(Some(&long), None)),
            Err(NoAnswer::TooLong)
        ));
        let nowhere = History::new(Some("/nonexistent/ledger".into()), || 0);
        assert!(matches!(
            nowhere.answer(&ask(None, None)),
            Err(NoAnswer::Ledger(_))
        ));
        assert!(matches!(nowhere.incident("4f1c"), Err(NoAnswer::Ledger(_))));
    }

    #[test]
    fn answers_are_bounded() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger");
        drop(open(&path, None).unwrap());
        let history = History::new(Some(path), || NOW * SECOND);
        for number in 0..200 {
            history
                .answer(&ask(Some(&number.to_string()), None))
                .unwrap();
        }
        assert_eq!(lock(&history.answers).len(), ANSWERS);
    }
}
