//! Panels that stand on more than one board, and the colours that mean the same everywhere.

use super::panel::{Panel, Target, Unit};
use super::query::{self, and, growth, in_period, in_step, rate, series, sum};

/// Classes of statuses, with the matcher and the colour of each. 101 is a success.
pub const CLASSES: [(&str, &str, &str); 5] = [
    ("2xx", r#"status=~"[12]..""#, "green"),
    ("3xx", r#"status=~"3..""#, "blue"),
    ("4xx", r#"status=~"4..""#, "yellow"),
    ("5xx", r#"status=~"5..""#, "red"),
    ("no response", r#"status="none""#, "purple"),
];

/// How bad incidents are, the worst first.
pub const SEVERITIES: [(&str, &str); 5] = [
    ("critical", "dark-red"),
    ("high", "red"),
    ("medium", "orange"),
    ("low", "yellow"),
    ("info", "blue"),
];

/// Requests by class of status, each in its colour.
pub fn by_status(description: &str, more: &str) -> Panel {
    let targets = CLASSES.iter().map(|&(class, matcher, colour)| {
        let requests = rate("http_requests_total", &and(more, matcher));
        Target::new(sum("", &requests), class).colour(colour)
    });
    Panel::series("Requests by status class", description)
        .unit(Unit::Requests)
        .stacked()
        .ask_all(targets)
}

/// How long requests take, for most and for the slowest.
pub fn durations(more: &str) -> Panel {
    let quantiles = [
        ("0.5", "half within", "green"),
        ("0.9", "90 % within", "yellow"),
        ("0.95", "95 % within", "orange"),
        ("0.99", "99 % within", "red"),
    ];
    let targets = quantiles.iter().map(|(share, legend, colour)| {
        Target::new(query::quantile(share, "", more), legend).colour(colour)
    });
    let description = "Within which time requests were done, from their first byte to the last of the answer. Worry when the upper \
                       lines leave the lower ones behind: some requests wait for what others do not need.";
    Panel::series("Durations by quantile", description)
        .wide(12)
        .unit(Unit::Seconds)
        .ask_all(targets)
}

/// How many requests took how long.
pub fn heatmap(more: &str) -> Panel {
    let buckets = growth("http_request_duration_seconds_bucket", more);
    let description = "How many requests took how long. A second band above the first is a part of the requests that became slow, \
                       which a mean would hide.";
    Panel::heatmap("Durations", description)
        .unit(Unit::Seconds)
        .ask(sum("le", &buckets), "{{le}}")
}

/// Open incidents, a bar for each severity.
pub fn incidents_by_severity(more: &str) -> Panel {
    let targets = SEVERITIES.iter().map(|&(severity, colour)| {
        let matcher = and(more, &format!(r#"severity="{severity}""#));
        let open = sum("", &series("incidents_open", &matcher));
        Target::new(query::or_zero(&open), severity).colour(colour)
    });
    let description = "Incidents that go on, by how bad they are. Look at critical and high ones now, at medium ones today: \
                       `observer incidents list` has the sentence and the numbers of each.";
    Panel::bars("Open incidents by severity", description).ask_all(targets)
}

/// Incidents as they begin, by rule.
pub fn incidents_begun(more: &str) -> Panel {
    let begun = sum("rule", &in_step("incidents_total", more));
    let description = "Incidents as they begin, by the rule that told. Many of one rule at once have one cause: look for a \
                       deploy, a change of configuration or one network.";
    Panel::series("Incidents begun", description)
        .barred()
        .ask(format!("{begun} > 0"), "{{rule}}")
}

/// What grew in the period, as one number.
pub fn count(metric: &str, more: &str) -> String {
    query::or_zero(&sum("", &in_period(metric, more)))
}
