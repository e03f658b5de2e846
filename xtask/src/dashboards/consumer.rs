//! One consumer, or some: what they ask for, what they get, and how that differs from what is usual for them.

use super::board::{Board, Variable};
use super::panel::{Column, Levels, Panel, Target, Unit, labels};
use super::query::{
    CONSUMER, FAILED, REFUSED, WRONG, and, bottom, in_period, in_step, largest, rate, series,
    share, smallest, sum, top,
};
use super::shared;

pub fn board() -> Board {
    let parts = [now(), requests(), errors(), content(), credentials()];
    Board {
        file: "consumer.json",
        uid: "observer-consumer",
        description: "One consumer or some: what they ask for, what they get, and how that differs from what is usual for them.",
        variables: &[Variable::Instance, Variable::Consumer],
        panels: parts.into_iter().flatten().collect(),
    }
}

fn now() -> Vec<Panel> {
    vec![
        Panel::heading(
            "${consumer:text}",
            "`observer consumers show ID` has the apps and keys, `observer errors` who has to act. Durations are by route: see Route.",
        ),
        Panel::stat(
            "Requests",
            "Requests a second of the chosen consumers. Zero for one that calls all the time is worth a question.",
        )
        .unit(Unit::Requests)
        .ask(sum("", &rate("http_requests_total", CONSUMER)), ""),
        Panel::stat(
            "Requests in the period",
            "How many requests they sent in the period that is shown. For bills ask `observer usage`, which restarts do not cut.",
        )
        .ask(shared::count("http_requests_total", CONSUMER), ""),
        Panel::stat(
            "Failures",
            "Share of their requests that ended with 5xx or without a response. From 0.1 % on look at the routes below.",
        )
        .unit(Unit::Share)
        .levels(Levels::Above(0.001, 0.0144))
        .ask(share("", FAILED, CONSUMER), ""),
        Panel::stat(
            "Refused",
            "Share of their requests that were answered with 401 or 403. A rise means a key that expired or was replaced on one \
             side only, or somebody who tries.",
        )
        .unit(Unit::Share)
        .levels(Levels::Above(0.05, 0.2))
        .ask(share("", REFUSED, CONSUMER), ""),
        Panel::stat(
            "Highest anomaly score",
            "The highest score of any rule for any of them. From 1 on it is an alarm.",
        )
        .unit(Unit::None)
        .levels(Levels::Above(0.7, 1.0))
        .ask(largest("", &series("anomaly_score", CONSUMER)), ""),
        Panel::stat(
            "Completeness",
            "Share of their requests of the last five minutes that were seen whole and with certainty, of the one with the least. \
             Below 99.9 % the numbers here are too low.",
        )
        .unit(Unit::Share)
        .levels(Levels::Below(0.999, 0.99))
        .ask(
            smallest("", &series("consumer_completeness_ratio", CONSUMER)),
            "",
        ),
    ]
}

fn requests() -> Vec<Panel> {
    let requests = "http_requests_total";
    let graph = |title: &str, description: &str, label: &str| {
        Panel::series(title, description)
            .unit(Unit::Requests)
            .stacked()
            .ask(
                top(&sum(label, &rate(requests, CONSUMER))),
                &format!("{{{{{label}}}}}"),
            )
    };
    let by = "consumer, route, method";
    let asked = |part: &str| sum(by, &in_period(requests, &and(CONSUMER, part)));
    let mut columns = labels(&[
        ("consumer", "Consumer"),
        ("route", "Route"),
        ("method", "Method"),
    ]);
    columns.extend([
        Column::query("Requests", asked(""), Unit::Count, Levels::None),
        Column::query("Wrong (4xx)", asked(WRONG), Unit::Count, Levels::None),
        Column::query(
            "Refused (401, 403)",
            asked(REFUSED),
            Unit::Count,
            Levels::None,
        ),
        Column::query(
            "Limited (429)",
            asked(r#"status="429""#),
            Unit::Count,
            Levels::None,
        ),
        Column::query(
            "Failed",
            asked(FAILED),
            Unit::Count,
            Levels::Above(1.0, 10.0),
        ),
    ]);
    vec![
        Panel::heading("Requests", "What they ask for, and what they are answered."),
        shared::by_status(
            "Their requests a second by the class of the status. Worry when red or purple grows: they are failed. Yellow that \
             grows is told apart by class below.",
            CONSUMER,
        ),
        graph(
            "Requests by consumer",
            "Requests a second of the fifteen busiest of them at each moment. Worry when a line ends that usually does not.",
            "consumer",
        ),
        graph(
            "Requests by route",
            "Requests a second of the fifteen routes that they ask for most. A route that nobody of them asked for before is worth a look.",
            "route",
        ),
        Panel::table(
            "Requests by consumer, route and method",
            "What they asked for in the period, and how much of it went wrong. Worry about failures first, then about rows with \
             little but errors.",
            columns,
            "Requests",
        ),
    ]
}

fn errors() -> Vec<Panel> {
    let classes = [
        (
            "client",
            "Client errors (4xx)",
            "Share of requests that were wrong in some way. After a release of yours it is an incompatible change; otherwise tell the consumer.",
        ),
        (
            "auth",
            "Auth errors (401, 403)",
            "Share of requests that were refused for their credential. A key that expired, one that was replaced on one side only, or guesses.",
        ),
        (
            "limited",
            "Limited (429)",
            "Share of requests beyond what the consumer may. Talk about the plan when it lasts.",
        ),
        (
            "server",
            "Server errors (5xx, none)",
            "Share of requests that the service failed. It is yours to act, from 0.1 % on.",
        ),
    ];
    let heading = Panel::heading(
        "Errors, beside what is usual",
        "Whole lines are of the last five minutes, dashed ones what is usual. Worry where the first leaves the second.",
    );
    let ratios = classes.iter().map(|(class, title, description)| {
        let matcher = and(CONSUMER, &format!(r#"class="{class}""#));
        let of = |metric: &str| largest("consumer", &series(metric, &matcher));
        Panel::series(title, description)
            .wide(6)
            .unit(Unit::Share)
            .ask(top(&of("error_ratio")), "{{consumer}}")
            .ask_all([Target::new(top(&of("error_ratio_baseline")), "{{consumer}} usual").dashed()])
    });
    let scores = largest("consumer, rule", &series("anomaly_score", CONSUMER));
    let cut = sum(
        "consumer, outcome, reason",
        &rate("http_failures_total", CONSUMER),
    );
    let after = [
        Panel::series(
            "Anomaly scores",
            "Where the test of each rule stands, the fifteen largest. From 1 on it is an alarm and has an incident.",
        )
        .wide(12)
        .unit(Unit::None)
        .levels(Levels::Above(0.7, 1.0))
        .ask(format!("{} > 0", top(&scores)), "{{consumer}} {{rule}}"),
        Panel::series(
            "Failures by outcome",
            "Exchanges that were malformed, cut off or never answered. Worry about server_reset and no_response; client_abort that \
             grows means that the consumer does not wait so long.",
        )
        .wide(12)
        .unit(Unit::PerSecond)
        .ask(top(&cut), "{{consumer}} {{outcome}} {{reason}}"),
    ];
    std::iter::once(heading)
        .chain(ratios)
        .chain(after)
        .collect()
}

fn content() -> Vec<Panel> {
    let bytes = |metric: &str| top(&sum("consumer", &rate(metric, CONSUMER)));
    let messages = sum("route, direction", &rate("grpc_messages_total", CONSUMER));
    vec![
        Panel::heading("Content", "Bytes without transfer framing, and messages of gRPC."),
        Panel::series(
            "Request bytes",
            "Bytes of request contents a second. Worry when a consumer uploads far more than it used to.",
        )
        .unit(Unit::BytesPerSecond)
        .ask(bytes("http_request_body_bytes_total"), "{{consumer}}"),
        Panel::series(
            "Response bytes",
            "Bytes of response contents a second. Worry when a consumer takes far more than it used to: data may be leaving.",
        )
        .unit(Unit::BytesPerSecond)
        .ask(bytes("http_response_body_bytes_total"), "{{consumer}}"),
        Panel::series(
            "Messages of gRPC",
            "Messages a second by route and direction, counted while the calls live; empty without gRPC. Worry when requests go on \
             and responses do not.",
        )
        .unit(Unit::PerSecond)
        .ask(top(&messages), "{{route}} {{direction}}"),
    ]
}

fn credentials() -> Vec<Panel> {
    let seen = |metric: &str| format!("{} > 0", sum("consumer", &in_step(metric, CONSUMER)));
    vec![
        Panel::heading("Credentials", "How they carry their keys, and how much of them was seen."),
        Panel::series(
            "Credentials in the clear",
            "Requests from other hosts whose credential everyone on the way could read. Any is one too many: have the consumer use \
             https, then replace the key.",
        )
        .barred()
        .ask(seen("cleartext_credentials_total"), "{{consumer}}"),
        Panel::series(
            "Credentials in URLs",
            "Requests with their credential in the target, where logs and histories keep it. Have the consumer use a field.",
        )
        .barred()
        .ask(seen("url_credentials_total"), "{{consumer}}"),
        Panel::series(
            "Completeness by consumer",
            "Share of requests of the last five minutes that were seen whole and with certainty, the fifteen lowest. Below 99.9 % \
             see Data quality.",
        )
        .unit(Unit::Share)
        .levels(Levels::Below(0.999, 0.99))
        .most(1.0)
        .ask(
            bottom(&smallest(
                "consumer",
                &series("consumer_completeness_ratio", CONSUMER),
            )),
            "{{consumer}}",
        ),
    ]
}
