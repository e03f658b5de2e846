//! Counters of attributed exchanges: what is exported, shown and billed comes from here and nowhere else.
//!
//! Memory is bounded by `max_series`; folding changes labels, never sums. A request counts as soon as its head is
//! known, also when the rest of the exchange is uncertain; a response without its request lowers the completeness and
//! counts nowhere else. An exchange whose response was lost is nobody's failure.

use std::sync::Arc;

use super::labels::{
    DurationKey, DurationLabels, FailureKey, FailureLabels, HopKey, HopLabels, RequestKey,
    RequestLabels, method_label,
};
use super::series::{Fold, OTHER, Series};
use super::snapshot::{
    BUCKETS, ConsumerRow, DurationRow, ErrorClass, FailureRow, HopRow, RequestRow, Snapshot,
    StatusLabel,
};
use super::window::Window;
use super::{Call, Outcome, UNKEYED, Vantage, Visibility};

/// [`BUCKETS`] in nanoseconds.
const BUCKETS_NANOSECONDS: [u64; 14] = [
    5_000_000,
    10_000_000,
    25_000_000,
    50_000_000,
    75_000_000,
    100_000_000,
    250_000_000,
    500_000_000,
    750_000_000,
    1_000_000_000,
    2_500_000_000,
    5_000_000_000,
    7_500_000_000,
    10_000_000_000,
];

const SECOND: u64 = 1_000_000_000;
/// Nanoseconds of a slot of what was lately, and how many there are.
const SLOT: u64 = 30 * SECOND;
const SLOTS: usize = 10;

/// How much time [`ConsumerRow::recent`] counts at `now`: five minutes, or up to a slot less.
pub fn recent_nanoseconds(now: u64) -> u64 {
    (SLOTS as u64 - 1) * SLOT + now % SLOT
}

/// The bounded set of counters.
#[derive(Debug)]
pub struct Counters {
    from: u64,
    requests: Series<RequestKey, u64>,
    hops: Series<HopKey, u64>,
    durations: Series<DurationKey, Histogram>,
    consumers: Series<Arc<str>, ConsumerCounts>,
    failures: Series<FailureKey, u64>,
    unkeyed_success: Series<Arc<str>, u64>,
    /// Exchanges: certain, uncertain, lost.
    certainty: Window<3, 12>,
}

impl Counters {
    /// At most `max_series` label sets: half of them for requests, an eighth each for hops, durations (where a whole
    /// histogram is one) and consumers, the rest for failures and routes.
    pub fn new(max_series: usize, now: u64) -> Self {
        let share = |parts: usize| max_series / 16 * parts;
        Self {
            from: now,
            requests: Series::new(share(8), || RequestKey {
                consumer: OTHER.into(),
                api: OTHER.into(),
                route: OTHER.into(),
                method: "_OTHER",
                status: StatusLabel::Other,
            }),
            hops: Series::new(share(2), || HopKey {
                api: OTHER.into(),
                route: OTHER.into(),
                status: StatusLabel::Other,
            }),
            durations: Series::new(share(2), || DurationKey {
                route: OTHER.into(),
                method: "_OTHER",
            }),
            consumers: Series::new(share(2), || OTHER.into()),
            failures: Series::new(share(1), || FailureKey {
                consumer: OTHER.into(),
                outcome: OTHER,
                reason: OTHER,
            }),
            unkeyed_success: Series::new(share(1), || OTHER.into()),
            certainty: Window::new(5 * SECOND),
        }
    }

    /// Says when counting began.
    pub fn begin(&mut self, time: u64) {
        self.from = time;
    }

    /// Counts one exchange. `now` in nanoseconds of the clock that `new` was given.
    pub fn record(&mut self, call: &Call, now: u64) {
        let certain = call.is_certain();
        // A head that was cut off by its sender was seen as far as there was one.
        let uncertain = call.uncertain.is_some();
        self.certainty
            .add(now, [u32::from(certain), u32::from(uncertain), 0]);
        let Some(method) = &call.method else { return };
        let method = method_label(method);
        let status = call
            .status
            .map_or(StatusLabel::NoResponse, StatusLabel::Code);
        if call.vantage == Vantage::Hop {
            *self.hops.get(&HopLabels {
                api: &call.api,
                route: &call.route,
                status,
            }) += 1;
            return;
        }
        *self.requests.get(&RequestLabels {
            consumer: &call.consumer,
            api: &call.api,
            route: &call.route,
            method,
            status,
        }) += 1;
        // A tunnel's lifetime after 101 is no request's duration.
        if !matches!(call.status, None | Some(101)) {
            self.durations
                .get(&DurationLabels {
                    route: &call.route,
                    method,
                })
                .observe(call.duration);
        }
        self.consumers.get(&*call.consumer).record(call, now);
        if is_failure(call) {
            *self.failures.get(&FailureLabels {
                consumer: &call.consumer,
                outcome: call.outcome.as_str(),
                reason: failure_reason(call),
            }) += 1;
        }
        if call.outcome == Outcome::Ok && &*call.consumer == UNKEYED && !call.public {
            *self.unkeyed_success.get(&*call.route) += 1;
        }
    }

    /// Counts exchanges that must have been in segments that were lost.
    pub fn lost(&mut self, exchanges: u32, now: u64) {
        self.certainty.add(now, [0, 0, exchanges]);
    }

    /// Share of certain exchanges in the last minute before `now`; 1 when there were none.
    pub fn completeness(&self, now: u64) -> f64 {
        let [certain, uncertain, lost] = self.certainty.sums(now);
        share(certain, certain + uncertain + lost, 1.0)
    }

    /// Everything as of `now`.
    pub fn snapshot(&self, now: u64) -> Snapshot {
        let requests = self.requests.iter().map(|(key, count)| RequestRow {
            consumer: key.consumer.clone(),
            api: key.api.clone(),
            route: key.route.clone(),
            method: key.method,
            status: key.status,
            count: *count,
        });
        let hops = self.hops.iter().map(|(key, count)| HopRow {
            api: key.api.clone(),
            route: key.route.clone(),
            status: key.status,
            count: *count,
        });
        let failures = self.failures.iter().map(|(key, count)| FailureRow {
            consumer: key.consumer.clone(),
            outcome: key.outcome,
            reason: key.reason,
            count: *count,
        });
        let mut consumers: Vec<ConsumerRow> = self
            .consumers
            .iter()
            .map(|(consumer, counts)| counts.row(consumer, now))
            .collect();
        consumers.sort_unstable_by(|one, other| one.consumer.cmp(&other.consumer));
        Snapshot {
            from: self.from,
            to: now,
            requests: requests.collect(),
            hops: hops.collect(),
            durations: self
                .durations
                .iter()
                .map(|(key, histogram)| histogram.row(key))
                .collect(),
            consumers,
            failures: failures.collect(),
            unkeyed_success: self
                .unkeyed_success
                .iter()
                .map(|(route, count)| (route.clone(), *count))
                .collect(),
            completeness: self.completeness(now),
            overflow: [
                ("http_requests_total", self.requests.overflowed()),
                ("http_hop_requests_total", self.hops.overflowed()),
                ("http_request_duration_seconds", self.durations.overflowed()),
                ("http_request_body_bytes_total", self.consumers.overflowed()),
                ("http_failures_total", self.failures.overflowed()),
                (
                    "http_unkeyed_success_total",
                    self.unkeyed_success.overflowed(),
                ),
            ],
        }
    }
}

#[derive(Debug, Default)]
struct Histogram {
    /// Requests of each bucket, then those above the last.
    counts: [u64; BUCKETS.len() + 1],
    nanoseconds: u64,
}

impl Histogram {
    fn observe(&mut self, nanoseconds: u64) {
        let bucket = BUCKETS_NANOSECONDS.partition_point(|bound| *bound < nanoseconds);
        if let Some(count) = self.counts.get_mut(bucket) {
            *count += 1;
        }
        self.nanoseconds = self.nanoseconds.saturating_add(nanoseconds);
    }

    fn row(&self, key: &DurationKey) -> DurationRow {
        let mut count = 0;
        let mut cumulative = [0; BUCKETS.len()];
        for (sum, bucket) in cumulative.iter_mut().zip(self.counts) {
            count += bucket;
            *sum = count;
        }
        DurationRow {
            route: key.route.clone(),
            method: key.method,
            cumulative,
            count: self.uses(),
            sum: self.nanoseconds as f64 / SECOND as f64,
        }
    }
}

impl Fold for Histogram {
    fn absorb(&mut self, other: Self) {
        for (count, more) in self.counts.iter_mut().zip(other.counts) {
            *count += more;
        }
        self.nanoseconds = self.nanoseconds.saturating_add(other.nanoseconds);
    }

    fn uses(&self) -> u64 {
        self.counts.iter().sum()
    }
}

#[derive(Debug)]
struct ConsumerCounts {
    requests: u64,
    errors: [u64; 4],
    request_body_bytes: u64,
    response_body_bytes: u64,
    cleartext_credentials: u64,
    url_credentials: u64,
    /// All requests, then the error classes, then those that are not certain, over five minutes.
    recent: Window<6, SLOTS>,
}

impl Default for ConsumerCounts {
    fn default() -> Self {
        Self {
            requests: 0,
            errors: [0; 4],
            request_body_bytes: 0,
            response_body_bytes: 0,
            cleartext_credentials: 0,
            url_credentials: 0,
            recent: Window::new(SLOT),
        }
    }
}

impl ConsumerCounts {
    fn record(&mut self, call: &Call, now: u64) {
        let class = error_class(call);
        let of = ErrorClass::ALL.map(|one| class == Some(one));
        self.requests += 1;
        for (errors, one) in self.errors.iter_mut().zip(of) {
            *errors += u64::from(one);
        }
        let [client, auth, limited, server] = of.map(u32::from);
        let uncertain = u32::from(!call.is_certain());
        self.recent
            .add(now, [1, client, auth, limited, server, uncertain]);
        self.request_body_bytes = self
            .request_body_bytes
            .wrapping_add(call.request_body_bytes);
        self.response_body_bytes = self
            .response_body_bytes
            .wrapping_add(call.response_body_bytes);
        if let Some(credential) = &call.credential {
            // What stays on this host is not shown to anybody.
            let shown = call.visibility == Visibility::Plaintext && call.vantage == Vantage::Edge;
            let location = &*credential.location;
            self.cleartext_credentials += u64::from(shown);
            self.url_credentials +=
                u64::from(location.starts_with("query") || location.starts_with("path"));
        }
    }

    fn row(&self, consumer: &Arc<str>, now: u64) -> ConsumerRow {
        let [all, client, auth, limited, server, uncertain] = self.recent.sums(now);
        ConsumerRow {
            consumer: consumer.clone(),
            requests: self.requests,
            errors: self.errors,
            request_body_bytes: self.request_body_bytes,
            response_body_bytes: self.response_body_bytes,
            cleartext_credentials: self.cleartext_credentials,
            url_credentials: self.url_credentials,
            recent: all,
            error_ratio: [client, auth, limited, server].map(|errors| share(errors, all, 0.0)),
            completeness: share(all.saturating_sub(uncertain), all, 1.0),
        }
    }
}

impl Fold for ConsumerCounts {
    fn absorb(&mut self, other: Self) {
        self.requests += other.requests;
        for (errors, more) in self.errors.iter_mut().zip(other.errors) {
            *errors += more;
        }
        self.request_body_bytes = self
            .request_body_bytes
            .wrapping_add(other.request_body_bytes);
        self.response_body_bytes = self
            .response_body_bytes
            .wrapping_add(other.response_body_bytes);
        self.cleartext_credentials += other.cleartext_credentials;
        self.url_credentials += other.url_credentials;
        self.recent.absorb(&other.recent);
    }

    fn uses(&self) -> u64 {
        self.requests
    }
}

/// The class of an exchange that went wrong.
fn error_class(call: &Call) -> Option<ErrorClass> {
    if is_failure(call) {
        return Some(ErrorClass::Server);
    }
    match call.status? {
        401 | 403 => Some(ErrorClass::Auth),
        429 => Some(ErrorClass::Limited),
        400..=499 => Some(ErrorClass::Client),
        500.. => Some(ErrorClass::Server),
        _ => None,
    }
}

/// A failure that was seen: an exchange whose response was lost by the observer is none.
fn is_failure(call: &Call) -> bool {
    call.outcome.is_failure() && !(call.outcome == Outcome::NoResponse && call.uncertain.is_some())
}

fn failure_reason(call: &Call) -> &'static str {
    match (call.malformed, call.reset, call.status) {
        (Some(malformed), ..) => malformed.name(),
        (None, Some(reason), _) => reason.name(),
        (None, None, Some(_)) => "in_response",
        (None, None, None) => "before_response",
    }
}

fn share(part: u64, all: u64, of_nothing: f64) -> f64 {
    if all == 0 {
        of_nothing
    } else {
        part as f64 / all as f64
    }
}
