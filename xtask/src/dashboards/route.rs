//! Routes: how much they are asked for, by whom, how long it takes, and how often it fails.

use super::board::{Board, Variable};
use super::panel::{Column, Levels, Panel, Unit, labels};
use super::query::{FAILED, ROUTE, and, in_period, in_step, mean, quantile, rate, share, sum, top};
use super::shared;

pub fn board() -> Board {
    let parts = [now(), table(), requests(), durations(), more()];
    Board {
        file: "route.json",
        uid: "observer-route",
        description: "Routes: how much they are asked for, by whom, how long it takes, and how often it fails.",
        variables: &[Variable::Instance, Variable::Route],
        panels: parts.into_iter().flatten().collect(),
    }
}

fn now() -> Vec<Panel> {
    vec![
        Panel::heading(
            "${route:text}",
            "Routes come from OpenAPI documents or are learned; `__other__` is what never became one, such as scans.",
        ),
        Panel::stat(
            "Requests",
            "Requests a second to the chosen routes. Worry when it is far from what is usual at this hour.",
        )
        .unit(Unit::Requests)
        .ask(sum("", &rate("http_requests_total", ROUTE)), ""),
        Panel::stat(
            "Failures",
            "Share of requests that ended with 5xx or without a response. More than 0.1 % for long uses up what an objective of \
             99.9 % allows.",
        )
        .unit(Unit::Share)
        .levels(Levels::Above(0.001, 0.0144))
        .ask(share("", FAILED, ROUTE), ""),
        Panel::stat(
            "Client errors",
            "Share of requests that were answered with 4xx. A step that all consumers meet with is the provider's.",
        )
        .unit(Unit::Share)
        .levels(Levels::Above(0.05, 0.2))
        .ask(share("", r#"status=~"4..""#, ROUTE), ""),
        Panel::stat(
            "Mean duration",
            "How long a request takes on average. Where it is far above what most take, few slow ones pull it up.",
        )
        .unit(Unit::Seconds)
        .levels(Levels::Above(1.0, 5.0))
        .ask(mean("", ROUTE), ""),
        Panel::stat(
            "95 % within",
            "The time that 95 of 100 requests take at most. Worry when it leaves what is usual for these routes.",
        )
        .unit(Unit::Seconds)
        .levels(Levels::Above(1.0, 5.0))
        .ask(quantile("0.95", "", ROUTE), ""),
        Panel::stat(
            "Unkeyed successes",
            "Requests without a credential that succeeded in the period, on routes that are not declared public. Any is worth a \
             look: the check for keys may be gone.",
        )
        .levels(Levels::From(1.0))
        .ask(shared::count("http_unkeyed_success_total", ROUTE), ""),
    ]
}

fn table() -> Vec<Panel> {
    let mut columns = labels(&[("route", "Route"), ("method", "Method")]);
    let by = "route, method";
    columns.extend([
        Column::query(
            "Requests",
            sum(by, &in_period("http_requests_total", ROUTE)),
            Unit::Count,
            Levels::None,
        ),
        Column::query(
            "Failures now",
            share(by, FAILED, ROUTE),
            Unit::Share,
            Levels::Above(0.001, 0.0144),
        ),
        Column::query(
            "Client errors now",
            share(by, r#"status=~"4..""#, ROUTE),
            Unit::Share,
            Levels::Above(0.05, 0.2),
        ),
        Column::query(
            "Half within",
            quantile("0.5", by, ROUTE),
            Unit::Seconds,
            Levels::None,
        ),
        Column::query(
            "95 % within",
            quantile("0.95", by, ROUTE),
            Unit::Seconds,
            Levels::Above(1.0, 5.0),
        ),
    ]);
    vec![Panel::table(
        "Routes",
        "What was asked for in the period, and how it does now. Worry about routes with failures, and those that take longer than \
         their like.",
        columns,
        "Requests",
    )]
}

fn requests() -> Vec<Panel> {
    let graph = |title: &str, description: &str, label: &str| {
        Panel::series(title, description)
            .unit(Unit::Requests)
            .stacked()
            .ask(
                top(&sum(label, &rate("http_requests_total", ROUTE))),
                &format!("{{{{{label}}}}}"),
            )
    };
    let errors = |title: &str, description: &str, part: &str| {
        Panel::series(title, description)
            .unit(Unit::Share)
            .ask(top(&share("route", part, ROUTE)), "{{route}}")
    };
    vec![
        Panel::heading("Requests", "Who asks, for what, and what comes of it."),
        graph(
            "Requests by route",
            "Requests a second of the fifteen busiest routes at each moment. Worry when one falls to nothing.",
            "route",
        ),
        shared::by_status(
            "Requests a second by the class of their status. Worry when red or purple grows: the service fails.",
            ROUTE,
        ),
        graph(
            "Requests by consumer",
            "Requests a second of the fifteen consumers that ask most. Worry when one pushes the others aside.",
            "consumer",
        ),
        errors(
            "Failures by route",
            "Share of requests that ended with 5xx or without a response, the fifteen largest. One route: what was deployed there \
             last. All of them: what they share.",
            FAILED,
        )
        .levels(Levels::From(0.0144)),
        errors(
            "Client errors by route",
            "Share of requests that were answered with 4xx, the fifteen largest. A step on one route for all consumers is an \
             incompatible change.",
            r#"status=~"4..""#,
        ),
        graph(
            "Requests by method",
            "Requests a second by method. Writes that grow where there were few are worth a look.",
            "method",
        ),
    ]
}

fn durations() -> Vec<Panel> {
    vec![
        Panel::heading("Durations", "From the first byte of a request to the last of its answer."),
        shared::durations(ROUTE),
        shared::heatmap(ROUTE),
        Panel::series(
            "95 % within, by route",
            "The time that 95 of 100 requests take at most, of the fifteen slowest routes. Worry when one leaves its usual height.",
        )
        .wide(12)
        .unit(Unit::Seconds)
        .ask(top(&quantile("0.95", "route", ROUTE)), "{{route}}"),
        Panel::series(
            "Mean duration by route",
            "How long a request takes on average, of the fifteen slowest routes. One that climbs with its requests has reached what \
             it can do.",
        )
        .wide(12)
        .unit(Unit::Seconds)
        .ask(top(&mean("route", ROUTE)), "{{route}}"),
    ]
}

fn more() -> Vec<Panel> {
    let unkeyed = sum("route", &in_step("http_unkeyed_success_total", ROUTE));
    let hops = |part: &str| rate("http_hop_requests_total", &and(ROUTE, part));
    let messages = sum("route, direction", &rate("grpc_messages_total", ROUTE));
    vec![
        Panel::heading(
            "Keys, hops and messages",
            "Hops are the legs between processes of a host, such as from a proxy to the application; they are in no other number here.",
        ),
        Panel::series(
            "Unkeyed successes by route",
            "Requests without a credential that succeeded. Declare the route public if it is; otherwise have the service ask for \
             keys again, at once.",
        )
        .barred()
        .ask(format!("{unkeyed} > 0"), "{{route}}"),
        Panel::series(
            "Hop requests by route",
            "Requests a second behind a proxy of the same host, and those of them that failed. Worry when the application fails and the edge does not show it.",
        )
        .unit(Unit::Requests)
        .ask(top(&sum("route", &hops(""))), "{{route}}")
        .ask(top(&sum("route", &hops(FAILED))), "{{route}} failed"),
        Panel::series(
            "Messages of gRPC",
            "Messages a second by route and direction, counted while the calls live; empty without gRPC. Worry when requests go on \
             and responses do not.",
        )
        .unit(Unit::PerSecond)
        .ask(top(&messages), "{{route}} {{direction}}"),
    ]
}
