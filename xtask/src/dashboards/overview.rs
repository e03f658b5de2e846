//! Everything at a glance: who calls, what comes of it, and what is not as usual.

use super::board::{Board, Variable};
use super::panel::{Column, Levels, Panel, Unit, labels};
use super::query::{
    self, FAILED, in_period, largest, quantile, rate, series, share, smallest, sum, top,
};
use super::shared::{self, CLASSES};

pub fn board() -> Board {
    let parts = [now(), calls(), errors(), incidents(), service()];
    Board {
        file: "overview.json",
        uid: "observer-overview",
        description: "Who calls the HTTP services of these hosts, what comes of it, and what is not as usual.",
        variables: &[Variable::Instance],
        panels: parts.into_iter().flatten().collect(),
    }
}

fn now() -> Vec<Panel> {
    let urgent = series("incidents_open", r#"severity=~"high|critical""#);
    vec![
        Panel::heading(
            "Now",
            "The last minutes. Follow a number to the board that is linked above.",
        ),
        Panel::stat(
            "Requests",
            "Requests of other hosts and of local clients, a second. Worry when it is far from what is usual at this hour.",
        )
        .unit(Unit::Requests)
        .ask(sum("", &rate("http_requests_total", "")), ""),
        Panel::stat(
            "Failures",
            "Share of requests that ended with 5xx or without a response. More than 0.1 % for long uses up what an objective of \
             99.9 % allows.",
        )
        .unit(Unit::Share)
        .levels(Levels::Above(0.001, 0.0144))
        .ask(share("", FAILED, ""), ""),
        Panel::stat(
            "Client errors",
            "Share of requests that were answered with 4xx. Look at the consumers below when it rises: a bad deploy answers 4xx to \
             callers who changed nothing.",
        )
        .unit(Unit::Share)
        .levels(Levels::Above(0.05, 0.2))
        .ask(share("", r#"status=~"4..""#, ""), ""),
        Panel::stat(
            "95 % within",
            "The time that 95 of 100 requests take at most. Worry when it leaves what is usual for these services.",
        )
        .unit(Unit::Seconds)
        .levels(Levels::Above(1.0, 5.0))
        .ask(quantile("0.95", "", ""), ""),
        Panel::stat(
            "Urgent incidents",
            "Open incidents of severity high or critical. Any is worth a look now.",
        )
        .levels(Levels::From(1.0))
        .ask(query::or_zero(&sum("", &urgent)), ""),
        Panel::stat(
            "Completeness",
            "Share of the last minute's exchanges that were read with certainty, of the instance with the least. Below 99.9 % the \
             other numbers are too low: see Data quality.",
        )
        .unit(Unit::Share)
        .levels(Levels::Below(0.999, 0.99))
        .ask(smallest("", &series("capture_completeness_ratio", "")), ""),
    ]
}

fn calls() -> Vec<Panel> {
    let requests = "http_requests_total";
    let mut columns = labels(&[("consumer", "Consumer")]);
    let all = sum("consumer", &in_period(requests, ""));
    columns.push(Column::query("Requests", all, Unit::Count, Levels::None));
    columns.extend(CLASSES.iter().map(|&(class, matcher, _)| {
        let some = sum("consumer", &in_period(requests, matcher));
        Column::query(class, some, Unit::Count, Levels::None)
    }));
    vec![
        Panel::heading(
            "Who calls",
            "`__unkeyed__`: no credential, `__unregistered__`: one that the registry does not know, `__unknown__`: not read with certainty.",
        ),
        Panel::series(
            "Requests by consumer",
            "Requests a second of the fifteen busiest consumers at each moment. Worry when one pushes the others aside, or is gone.",
        )
        .wide(12)
        .unit(Unit::Requests)
        .stacked()
        .ask(top(&sum("consumer", &rate(requests, ""))), "{{consumer}}"),
        shared::by_status(
            "Requests a second by the class of their status. Worry when red or purple grows: the services fail. Yellow that \
             grows is told apart by consumer below.",
            "",
        )
        .wide(12),
        Panel::table(
            "Requests by consumer and status class",
            "How many requests each consumer sent in the period, by what they were answered. Worry about rows with more in the \
             columns of errors than in that of successes.",
            columns,
            "Requests",
        ),
    ]
}

fn errors() -> Vec<Panel> {
    let by = "consumer, class";
    let ratio = largest(by, &series("error_ratio", ""));
    let usual = largest(by, &series("error_ratio_baseline", ""));
    let excess = largest(
        by,
        &format!(
            "{} - {}",
            series("error_ratio", ""),
            series("error_ratio_baseline", "")
        ),
    );
    let mut columns = labels(&[("consumer", "Consumer"), ("class", "Class")]);
    columns.extend([
        Column::query(
            "Error ratio",
            ratio.as_str(),
            Unit::Share,
            Levels::Above(0.05, 0.2),
        ),
        Column::query("Usual", usual, Unit::Share, Levels::None),
        Column::query(
            "More than usual",
            excess.as_str(),
            Unit::Share,
            Levels::Above(0.05, 0.2),
        ),
    ]);
    vec![
        Panel::heading(
            "Errors, beside what is usual",
            "Classes: client is 4xx, auth 401 and 403, limited 429, server 5xx and failures without a status. Of the last five minutes.",
        ),
        Panel::series(
            "Error ratio by consumer and class",
            "Share of a consumer's requests that ended in an error, the fifteen largest. Worry when a line rises that is usually low.",
        )
        .unit(Unit::Share)
        .ask(format!("{} > 0", top(&ratio)), "{{consumer}} {{class}}"),
        Panel::series(
            "Errors beyond what is usual",
            "Error ratio less its baseline, the fifteen largest. Worry from five points on: something changed, with that consumer or \
             with what it calls.",
        )
        .unit(Unit::Share)
        .levels(Levels::From(0.05))
        .ask(format!("{} > 0", top(&excess)), "{{consumer}} {{class}}"),
        Panel::series(
            "Anomaly scores",
            "Where the test of each rule stands for a consumer, the fifteen largest. From 1 on it is an alarm and has an incident.",
        )
        .levels(Levels::Above(0.7, 1.0))
        .unit(Unit::None)
        .ask(
            format!(
                "{} > 0",
                top(&largest("consumer, rule", &series("anomaly_score", "")))
            ),
            "{{consumer}} {{rule}}",
        ),
        Panel::table(
            "Error ratio beside its baseline",
            "Each consumer's share of errors by class, beside what is usual for it. Worry where it is both several times the usual \
             and five points above it.",
            columns,
            "More than usual",
        ),
    ]
}

fn incidents() -> Vec<Panel> {
    let open = sum("rule, severity", &series("incidents_open", ""));
    let mut columns = labels(&[("severity", "Severity"), ("rule", "Rule")]);
    columns.push(Column::query(
        "Open",
        format!("{open} > 0"),
        Unit::Count,
        Levels::None,
    ));
    vec![
        Panel::heading(
            "Incidents",
            "`observer incidents list` and `show ID` on the host say of whom, since when and by which numbers.",
        ),
        shared::incidents_by_severity(""),
        Panel::table(
            "Open incidents by rule",
            "Incidents that go on, by the rule that told. Each has a statement with its numbers; the runbook says what to do.",
            columns,
            "Open",
        )
        .wide(8)
        .tall(8),
        shared::incidents_begun(""),
    ]
}

fn service() -> Vec<Panel> {
    let bytes = |metric: &str| top(&sum("consumer", &rate(metric, "")));
    let cut = rate("http_failures_total", "");
    vec![
        Panel::heading(
            "Service",
            "Times and bytes, and what leaves no line in an access log. The board Route has them by route.",
        ),
        shared::durations(""),
        shared::heatmap(""),
        Panel::series(
            "Request bytes by consumer",
            "Bytes of request contents a second, of the fifteen largest consumers. Worry when one uploads far more than it used to.",
        )
        .unit(Unit::BytesPerSecond)
        .stacked()
        .ask(bytes("http_request_body_bytes_total"), "{{consumer}}"),
        Panel::series(
            "Response bytes by consumer",
            "Bytes of response contents a second, of the fifteen largest consumers. Worry when one takes far more than it used to: \
             data may be leaving.",
        )
        .unit(Unit::BytesPerSecond)
        .stacked()
        .ask(bytes("http_response_body_bytes_total"), "{{consumer}}"),
        Panel::series(
            "Failures by outcome",
            "Exchanges that were malformed, cut off by the client or the server, or never answered. Worry about server_reset and \
             no_response; client_abort that grows means that clients do not wait so long.",
        )
        .unit(Unit::PerSecond)
        .ask(sum("outcome, reason", &cut), "{{outcome}} {{reason}}"),
        Panel::series(
            "Connections",
            "Connections that are held open, by protocol. Worry when the number grows and the requests do not.",
        )
        .wide(12)
        .ask(sum("protocol", &series("connections", "")), "{{protocol}}"),
        Panel::series(
            "Requests by API",
            "Requests a second by API. Worry when one falls to nothing: its clients are gone, or go elsewhere.",
        )
        .wide(12)
        .unit(Unit::Requests)
        .stacked()
        .ask(
            top(&sum("api", &rate("http_requests_total", ""))),
            "{{api}}",
        ),
    ]
}
