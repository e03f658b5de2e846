//! Makes a frame of the counters, of what awareness knows, and of what the capture counts.

use std::collections::HashMap;
use std::sync::Arc;

use super::super::records::rfc3339;
use super::super::{State, ocsf};
use super::frame::{Interface, Opaque, Reason, Refused, Share};
use super::{Consumer, Counts, Frame, Quality, Route, Statuses, Totals};
use crate::awareness::View;
use crate::usage::{BUCKETS, CaptureStats, DurationRow, Snapshot, StatusLabel, recent_nanoseconds};

const SECOND: f64 = 1e9;

/// What there is now. `before`: a frame from shortly before, and nanoseconds since.
pub fn frame(state: &State, view: &View, before: Option<(&Frame, u64)>) -> Frame {
    let (snapshot, capture) = (state.snapshot(), state.capture());
    let actions = state.actions();
    let rates = Rates::new(before, &snapshot);
    let consumers = consumers(&snapshot, view, &rates);
    let routes = routes(&snapshot, view, &rates);
    let time = |nanoseconds| rfc3339(nanoseconds, &mut [0; 30]).to_owned();
    Frame {
        time: time(snapshot.to),
        from: time(snapshot.from),
        trouble: state.readiness().err(),
        completeness: snapshot.completeness,
        seconds: rates.seconds,
        counts: Counts {
            consumers: consumers.len(),
            routes: routes.len(),
            incidents: view.open.len(),
            actions: actions.len(),
        },
        totals: totals(&snapshot, &capture, &consumers, &routes, &rates),
        consumers: Some(consumers),
        routes: Some(routes),
        keys: None,
        incidents: Some(view.open.iter().map(ocsf::plain).collect()),
        actions: Some(actions.to_vec()),
        quality: Some(quality(&snapshot, &capture)),
    }
}

impl Frame {
    /// Without its rows.
    pub(super) fn head(&self) -> Self {
        Self {
            time: self.time.clone(),
            from: self.from.clone(),
            trouble: self.trouble.clone(),
            completeness: self.completeness,
            seconds: self.seconds,
            counts: self.counts,
            totals: self.totals.clone(),
            ..Self::default()
        }
    }
}

/// Requests a second: since the frame before, or else over the last five minutes.
struct Rates<'a> {
    /// What they are over; nothing where counting has only begun.
    seconds: Option<f64>,
    before: Option<Before<'a>>,
}

/// Requests of the frame before.
struct Before<'a> {
    all: u64,
    /// Series were folded since: what one of them counts is nothing that came.
    folded: bool,
    consumers: HashMap<&'a str, u64>,
    routes: HashMap<(&'a str, &'a str), u64>,
}

impl<'a> Rates<'a> {
    fn new(before: Option<(&'a Frame, u64)>, snapshot: &Snapshot) -> Self {
        let nanoseconds = match before {
            Some((_, nanoseconds)) => nanoseconds,
            None => recent_nanoseconds(snapshot.to).min(snapshot.to.saturating_sub(snapshot.from)),
        };
        let before = before.map(|(frame, _)| Before {
            all: frame.totals.requests,
            folded: folded(&frame.quality)
                != folded(&Some(quality(snapshot, &CaptureStats::default()))),
            consumers: (frame.consumers.iter().flatten())
                .map(|row| (&*row.consumer, row.requests))
                .collect(),
            routes: (frame.routes.iter().flatten())
                .map(|row| ((&*row.api, &*row.route), row.requests))
                .collect(),
        });
        Self {
            seconds: (nanoseconds > 0).then(|| short(nanoseconds as f64 / SECOND)),
            before,
        }
    }

    /// Of one series by its requests by now, and those of the last five minutes; `earlier` finds those of the frame before. Folding
    /// moves counts from one series to another: that is no rate.
    fn of(
        &self,
        now: u64,
        recent: Option<u64>,
        earlier: impl Fn(&Before<'_>) -> u64,
    ) -> Option<f64> {
        if self.before.as_ref().is_some_and(|before| before.folded) {
            return None;
        }
        self.of_all(now, recent, earlier)
    }

    /// As [`Self::of`], of all series together, which folding does not change.
    fn of_all(
        &self,
        now: u64,
        recent: Option<u64>,
        earlier: impl Fn(&Before<'_>) -> u64,
    ) -> Option<f64> {
        let requests = match &self.before {
            Some(before) => now.checked_sub(earlier(before))?,
            None => recent?,
        };
        Some(short(requests as f64 / self.seconds?))
    }
}

/// How many series were folded.
fn folded(quality: &Option<Quality>) -> u64 {
    let folded = quality.iter().flat_map(|quality| &quality.folded);
    folded.map(|metric| metric.count).sum()
}

/// With six decimals: what is behind them is noise, and would be a third of the text.
fn short(number: f64) -> f64 {
    (number * 1e6).round() / 1e6
}

fn consumers(snapshot: &Snapshot, view: &View, rates: &Rates<'_>) -> Vec<Consumer> {
    let known: HashMap<&str, _> = (view.consumers.iter())
        .map(|known| (&*known.consumer, known))
        .collect();
    let row = |row: &crate::usage::ConsumerRow| {
        let known = known.get(&*row.consumer);
        Consumer {
            consumer: Arc::clone(&row.consumer),
            requests: row.requests,
            rate: rates.of(row.requests, Some(row.recent), |before| {
                let known = before.consumers.get(&*row.consumer);
                known.copied().unwrap_or(0)
            }),
            errors: row.errors,
            recent: row.recent,
            error_ratio: row.error_ratio.map(short),
            baseline: known.map(|known| known.baselines.map(short)),
            score: known.map_or([0.0; 4], |known| {
                known.scores.map(|(_, score)| short(score))
            }),
            request_bytes: row.request_body_bytes,
            response_bytes: row.response_body_bytes,
            completeness: row.completeness,
        }
    };
    let mut rows: Vec<Consumer> = snapshot.consumers.iter().map(row).collect();
    rows.sort_by(|one, two| {
        let busy = |row: &Consumer| (row.recent, row.requests);
        (busy(two), &one.consumer).cmp(&(busy(one), &two.consumer))
    });
    rows
}

fn routes(snapshot: &Snapshot, view: &View, rates: &Rates<'_>) -> Vec<Route> {
    let mut sums: HashMap<(&Arc<str>, &Arc<str>), Statuses> = HashMap::new();
    for row in &snapshot.requests {
        let status = sums.entry((&row.api, &row.route)).or_default();
        if let Some(count) = status.get_mut(class(row.status)) {
            *count += row.count;
        }
    }
    let places: HashMap<(&str, &str), _> = (view.places.iter().flatten())
        .map(|place| ((&*place.api, &*place.route), place))
        .collect();
    let postures: HashMap<(&str, &str), _> = (view.routes.iter())
        .map(|route| ((&*route.api, &*route.route), route.posture.name()))
        .collect();
    let mut apis: HashMap<&str, usize> = HashMap::new();
    for (_, route) in sums.keys() {
        *apis.entry(&***route).or_default() += 1;
    }
    let mut durations: HashMap<&str, Durations> = HashMap::new();
    for row in &snapshot.durations {
        durations.entry(&*row.route).or_default().add(row);
    }
    let row = |((api, route), status): (&(&Arc<str>, &Arc<str>), &Statuses)| {
        let name = (&***api, &***route);
        let requests = status.iter().sum();
        let place = places.get(&name);
        let recent = place.map(|place| place.recent);
        // Durations are kept by route only.
        let own = apis.get(name.1) == Some(&1);
        let durations = durations.get(name.1).filter(|_| own);
        Route {
            api: Arc::clone(api),
            route: Arc::clone(route),
            requests,
            rate: rates.of(requests, recent, |before| {
                before.routes.get(&name).copied().unwrap_or(0)
            }),
            status: *status,
            recent,
            error_ratio: place.map(|place| {
                let all = place.recent.max(1) as f64;
                place.errors.map(|errors| short(f64::from(errors) / all))
            }),
            baseline: place.map(|place| place.baselines.map(short)),
            mean_ms: durations.and_then(Durations::mean).map(short),
            p95_ms: durations
                .and_then(|durations| durations.quantile(0.95))
                .map(short),
            posture: postures.get(&name).map(|name| (*name).to_owned()),
        }
    };
    let mut rows: Vec<Route> = sums.iter().map(row).collect();
    rows.sort_by(|one, two| {
        let busy = |row: &Route| (row.recent.unwrap_or_default(), row.requests);
        (busy(two), &one.api, &one.route).cmp(&(busy(one), &two.api, &two.route))
    });
    rows
}

/// Where a status stands in [`Statuses`].
fn class(status: StatusLabel) -> usize {
    match status {
        StatusLabel::Code(code @ 100..600) => usize::from(code / 100 - 1),
        StatusLabel::NoResponse => 5,
        StatusLabel::Code(_) | StatusLabel::Other => 6,
    }
}

/// Durations of one route, over its methods.
#[derive(Default)]
struct Durations {
    cumulative: [u64; BUCKETS.len()],
    count: u64,
    sum: f64,
}

impl Durations {
    fn add(&mut self, row: &DurationRow) {
        for (sum, count) in self.cumulative.iter_mut().zip(row.cumulative) {
            *sum += count;
        }
        self.count += row.count;
        self.sum += row.sum;
    }

    fn mean(&self) -> Option<f64> {
        (self.count > 0).then(|| self.sum * 1_000.0 / self.count as f64)
    }

    /// In milliseconds, between the bounds of the bucket as Prometheus' `histogram_quantile` has it: the last bound where it is
    /// more than that.
    fn quantile(&self, share: f64) -> Option<f64> {
        if self.count == 0 {
            return None;
        }
        let rank = share * self.count as f64;
        let Some(at) =
            (self.cumulative.iter()).position(|count| *count > 0 && *count as f64 >= rank)
        else {
            return BUCKETS.last().map(|bound| bound * 1_000.0);
        };
        let of = |index: usize| {
            let bound = BUCKETS.get(index).copied().unwrap_or_default();
            (
                bound,
                self.cumulative.get(index).copied().unwrap_or(0) as f64,
            )
        };
        let (low, below) = at.checked_sub(1).map_or((0.0, 0.0), of);
        let (high, count) = of(at);
        let within = (rank - below) / (count - below).max(1.0);
        Some((low + (high - low) * within) * 1_000.0)
    }
}

fn totals(
    snapshot: &Snapshot,
    capture: &CaptureStats,
    consumers: &[Consumer],
    routes: &[Route],
    rates: &Rates<'_>,
) -> Totals {
    let requests: u64 = routes.iter().map(|row| row.requests).sum();
    let recent: u64 = consumers.iter().map(|row| row.recent).sum();
    let mut totals = Totals {
        requests,
        rate: rates.of_all(requests, Some(recent), |before| before.all),
        recent,
        request_bytes: consumers.iter().map(|row| row.request_bytes).sum(),
        response_bytes: consumers.iter().map(|row| row.response_bytes).sum(),
        hops: snapshot.hops.iter().map(|row| row.count).sum(),
        connections: capture.connections.iter().map(|(_, count)| count).sum(),
        opaque: (capture.opaque_connections.iter())
            .map(|opaque| opaque.count)
            .sum(),
        ..Totals::default()
    };
    for row in routes {
        for (sum, count) in totals.status.iter_mut().zip(row.status) {
            *sum += count;
        }
    }
    for row in consumers {
        for (sum, count) in totals.errors.iter_mut().zip(row.errors) {
            *sum += count;
        }
        for (sum, ratio) in totals.error_ratio.iter_mut().zip(row.error_ratio) {
            *sum += ratio * row.recent as f64 / recent.max(1) as f64;
        }
    }
    totals.error_ratio = totals.error_ratio.map(short);
    totals
}

fn quality(snapshot: &Snapshot, capture: &CaptureStats) -> Quality {
    let reason = |reason: &str, count: u64| Reason {
        reason: reason.to_owned(),
        count,
    };
    let some = |count: &u64| *count > 0;
    Quality {
        missing_bytes: capture.missing_bytes,
        lost_events: (capture.lost_events.iter())
            .filter(|(_, count)| some(count))
            .map(|(name, count)| reason(name, *count))
            .collect(),
        dropped: (capture.dropped.iter())
            .filter(|(.., count)| some(count))
            .map(|(stage, reason, count)| Refused {
                stage: (*stage).to_owned(),
                reason: (*reason).to_owned(),
                count: *count,
            })
            .collect(),
        opaque: (capture.opaque_connections.iter())
            .filter(|opaque| some(&opaque.count))
            .map(|opaque| Opaque {
                port: opaque.port,
                process: opaque.process.clone(),
                reason: opaque.reason.to_owned(),
                count: opaque.count,
            })
            .collect(),
        interfaces: (capture.traffic.iter())
            .map(|traffic| Interface {
                interface: traffic.interface.clone(),
                direction: traffic.direction.to_owned(),
                packets: traffic.packets,
                bytes: traffic.bytes,
            })
            .collect(),
        folded: (snapshot.overflow.iter())
            .filter(|(_, count)| some(count))
            .map(|(metric, count)| reason(metric, *count))
            .collect(),
        shedding: (capture.shedding.iter())
            .filter(|(_, ratio)| *ratio > 0.0)
            .map(|(what, ratio)| Share {
                what: (*what).to_owned(),
                ratio: *ratio,
            })
            .collect(),
        ledger_waiting: capture.ledger.waiting,
        ledger_errors: capture.ledger.errors,
        ledger_bytes: capture.ledger.bytes,
    }
}
