//! What was before now, from the ledger: usage over time and in parts, and incidents that are over.
//!
//! Many who ask the same within seconds cost one reading, readings come one after the other, and none takes longer than a few
//! seconds. Their CPU time is set aside: it is no reason for the daemon to see less.

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use super::records::rfc3339;
use super::{State, lock, ocsf};
use crate::awareness::Incident;
use crate::store::{self, Filter, Period, Usage};

/// How long an answer is given again.
const FRESH: Duration = Duration::from_secs(5);
/// Answers that are kept for that.
const ANSWERS: usize = 64;
/// Why nothing is known of the time before the first usage.
const UNKEPT: &str = "nothing is kept of it";
/// The longest reading, and how many steps of SQLite's machine pass between looks at the time.
const LONGEST: Duration = Duration::from_secs(3);
const STEPS: i32 = 10_000;
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
    state: Arc<State>,
    answers: Mutex<HashMap<Question, (Instant, Arc<str>)>>,
    /// One reading at a time: whoever waits holds no thread, and is forgotten when they leave.
    turn: Arc<Semaphore>,
}

impl Question {
    fn is_short(&self) -> bool {
        let names = [&self.consumer, &self.key, &self.api, &self.route];
        names.into_iter().flatten().all(|name| name.len() <= NAME)
    }
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
    /// Reads this ledger, if there is one.
    pub fn new(ledger: Option<PathBuf>, state: Arc<State>) -> Self {
        Self {
            ledger,
            state,
            answers: Mutex::default(),
            turn: Arc::new(Semaphore::new(1)),
        }
    }

    /// Answers with JSON.
    ///
    /// # Errors
    /// Why there is no answer.
    pub async fn ask(self: &Arc<Self>, question: Question) -> Result<Arc<str>, NoAnswer> {
        if !question.is_short() {
            return Err(NoAnswer::TooLong);
        }
        if let Some(answer) = self.given(&question) {
            return Ok(answer);
        }
        self.in_turn(move |history, ledger| match history.given(&question) {
            Some(answer) => Ok(answer),
            None => {
                let answer: Arc<str> = history.read(ledger, &question)?.to_string().into();
                let mut answers = lock(&history.answers);
                if answers.len() < ANSWERS {
                    answers.insert(question, (Instant::now(), Arc::clone(&answer)));
                }
                Ok(answer)
            }
        })
        .await
    }

    /// An incident of this id, open or over.
    ///
    /// # Errors
    /// Why there is no answer.
    pub async fn incident(self: &Arc<Self>, id: String) -> Result<Value, NoAnswer> {
        if id.len() > NAME {
            return Err(NoAnswer::TooLong);
        }
        self.in_turn(move |_, ledger| {
            let body = store::incident(ledger, &id).map_err(failed)?;
            let incident = body.and_then(|body| serde_json::from_str::<Incident>(&body).ok());
            incident.as_ref().map(ocsf::plain).ok_or(NoAnswer::Unknown)
        })
        .await
    }

    /// An answer that was given lately.
    fn given(&self, question: &Question) -> Option<Arc<str>> {
        let mut answers = lock(&self.answers);
        answers.retain(|_, (when, _)| when.elapsed() < FRESH);
        answers.get(question).map(|(_, answer)| Arc::clone(answer))
    }

    /// Reads the ledger where nobody is held up, and no longer than is reasonable.
    async fn in_turn<T: Send + 'static>(
        self: &Arc<Self>,
        reading: impl FnOnce(&Self, &store::Reader) -> Result<T, NoAnswer> + Send + 'static,
    ) -> Result<T, NoAnswer> {
        let turn = Arc::clone(&self.turn).acquire_owned().await;
        let history = Arc::clone(self);
        let read = tokio::task::spawn_blocking(move || {
            // Kept until the reading is over, though nobody may wait for it any more.
            let _turn = turn;
            let mut ledger = history.open()?;
            let begun = Instant::now();
            let state = Arc::clone(&history.state);
            let mut spent = Spent::default();
            let too_long = move || {
                state.set_aside(spent.since());
                begun.elapsed() > LONGEST
            };
            ledger
                .progress_handler(STEPS, Some(too_long))
                .map_err(failed)?;
            reading(&history, &ledger)
        });
        read.await.map_err(failed)?
    }

    fn open(&self) -> Result<store::Reader, NoAnswer> {
        let path = self.ledger.as_deref().ok_or(NoAnswer::NoLedger)?;
        store::open_to_read(path).map_err(failed)
    }

    fn read(&self, ledger: &store::Reader, question: &Question) -> Result<Value, NoAnswer> {
        let (window, step) = question.window.seconds();
        let now = (self.state.clock)() / 1_000_000_000;
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
        let coverage = store::coverage(ledger, period).map_err(failed)?;
        let points = store::series(ledger, period, step, &filter).map_err(failed)?;
        let gap = |from: u64, until: u64, reason: &str| json!({ "from": time(from), "to": time(until), "reason": reason });
        let known = store::first(ledger, step).map_err(failed)?;
        let known = known.unwrap_or(period.until);
        let before = (known > period.from).then(|| gap(period.from, known, UNKEPT));
        let gaps = (coverage.gaps.iter()).map(|one| gap(one.from, one.until, &one.reason));
        let gaps = before.into_iter().chain(gaps);
        let mut answer = json!({
            "from": time(period.from),
            "to": time(now),
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
            let parts = store::parts(ledger, period, step, &filter, columns).map_err(failed)?;
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

/// Milliseconds of service a request that was answered; nothing where none was.
fn mean_ms(usage: &Usage) -> Option<f64> {
    let (requests, microseconds) = usage.timed;
    (requests > 0).then(|| microseconds as f64 / 1_000.0 / requests as f64)
}

/// CPU time of this thread.
struct Spent(Duration);

impl Default for Spent {
    fn default() -> Self {
        Self(thread_time())
    }
}

impl Spent {
    /// Since this was asked last.
    fn since(&mut self) -> Duration {
        let now = thread_time();
        now.saturating_sub(std::mem::replace(&mut self.0, now))
    }
}

fn thread_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::try_from(time).unwrap_or_default()
}
