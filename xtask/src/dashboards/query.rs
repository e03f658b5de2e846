//! Pieces of PromQL that the boards share. A metric is named without its prefix, and is always of the chosen instances.
//!
//! `more` are further matchers, as they stand between braces; empty for none.

/// The consumers that are chosen.
pub const CONSUMER: &str = r#"consumer=~"$consumer""#;
/// The routes that are chosen.
pub const ROUTE: &str = r#"route=~"$route""#;
/// A status of the server's side: 5xx, or no response.
pub const FAILED: &str = r#"status=~"5..|none""#;
/// A status that says that the request was wrong, but not who asks nor how often.
pub const WRONG: &str = r#"status=~"4..", status!~"401|403|429""#;
/// A status that says that the credential was missing, or no good.
pub const REFUSED: &str = r#"status=~"401|403""#;
/// The step of a graph, four scrapes at least.
const STEP: &str = "$__rate_interval";
/// The period that the board shows.
const PERIOD: &str = "$__range";

/// Series beyond this many are left out of a graph, the smallest first.
const MOST: usize = 15;

/// The series of a metric.
pub fn series(metric: &str, more: &str) -> String {
    let comma = if more.is_empty() { "" } else { ", " };
    format!(r#"observer_{metric}{{instance=~"$instance"{comma}{more}}}"#)
}

/// Both, as matchers.
pub fn and(one: &str, other: &str) -> String {
    match (one, other) {
        ("", only) | (only, "") => only.to_owned(),
        _ => format!("{one}, {other}"),
    }
}

/// How fast a counter grows, a second.
pub fn rate(metric: &str, more: &str) -> String {
    format!("rate({}[{STEP}])", series(metric, more))
}

/// By how much a counter grew in the step of a graph.
pub fn growth(metric: &str, more: &str) -> String {
    format!("increase({}[{STEP}])", series(metric, more))
}

/// By how much a counter grew in the period, births included.
///
/// A series is born with its first event, at 1, and `increase` does not see that: the only one would be none. As in
/// observer.rules.yml, a series that was not there before counts in full. Of a host that was not scraped then it may tell of what
/// is older, which is better than to miss the only one.
pub fn in_period(metric: &str, more: &str) -> String {
    let now = series(metric, more);
    format!("({now} unless {now} offset {PERIOD}) or increase({now}[{PERIOD}])")
}

/// By how much a counter grew in the step of a graph, births included, but for hosts that were not scraped a step before: after
/// a gap all that was ever counted would stand there as a peak.
pub fn in_step(metric: &str, more: &str) -> String {
    let now = series(metric, more);
    let host = series("build_info", "");
    format!(
        "(({now} unless {now} offset {STEP}) and on (job, instance) {host} offset {STEP}) or increase({now}[{STEP}])"
    )
}

/// The sum by these labels; by none: of all.
pub fn sum(by: &str, of: &str) -> String {
    aggregate("sum", by, of)
}

/// The largest by these labels.
pub fn largest(by: &str, of: &str) -> String {
    aggregate("max", by, of)
}

/// The smallest by these labels.
pub fn smallest(by: &str, of: &str) -> String {
    aggregate("min", by, of)
}

fn aggregate(what: &str, by: &str, of: &str) -> String {
    if by.is_empty() {
        format!("{what}({of})")
    } else {
        format!("{what} by ({by}) ({of})")
    }
}

/// The largest series at each moment: a host may have thousands of consumers.
pub fn top(of: &str) -> String {
    format!("topk({MOST}, {of})")
}

/// The smallest series at each moment.
pub fn bottom(of: &str) -> String {
    format!("bottomk({MOST}, {of})")
}

/// Zero instead of nothing, as long as the daemon is scraped: nothing has to go on meaning that nobody knows.
pub fn or_zero(of: &str) -> String {
    format!("{of} or 0 * max({})", series("build_info", ""))
}

/// The share of requests with `part` among those with `more`, zero where none has it, nothing where nobody asks.
pub fn share(by: &str, part: &str, more: &str) -> String {
    let all = sum(by, &rate("http_requests_total", more));
    let some = sum(by, &rate("http_requests_total", &and(more, part)));
    format!("({some} or 0 * {all}) / ({all} > 0)")
}

/// The time that this share of requests took at most, by these labels.
pub fn quantile(share: &str, by: &str, more: &str) -> String {
    let comma = if by.is_empty() { "" } else { ", " };
    let buckets = sum(
        &format!("le{comma}{by}"),
        &rate("http_request_duration_seconds_bucket", more),
    );
    // Of no requests it is not a number, which no comparison lets through.
    format!("histogram_quantile({share}, {buckets}) >= 0")
}

/// The mean time of a request, by these labels.
pub fn mean(by: &str, more: &str) -> String {
    let seconds = sum(by, &rate("http_request_duration_seconds_sum", more));
    let count = sum(by, &rate("http_request_duration_seconds_count", more));
    format!("{seconds} / ({count} > 0)")
}
