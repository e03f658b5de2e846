//! How much of the traffic is in the numbers: what was lost, could not be read, or was left out, and what observing costs.

mod daemon;

use super::board::{Board, Variable};
use super::panel::{Column, Levels, Panel, Unit, labels};
use super::query::{bottom, in_period, in_step, largest, rate, series, smallest, sum, top};
use super::shared;

/// Prometheus's own metrics of its scrapes, of the job that observer.rules.yml assumes.
const SCRAPES: &str = r#"{job="observer", instance=~"$instance"}"#;

pub fn board() -> Board {
    let parts = [
        now(),
        completeness(),
        losses(),
        opaque(),
        daemon::ledger(),
        daemon::reconciliation(),
        daemon::cost(),
        daemon::scrapes(),
    ];
    Board {
        file: "data-quality.json",
        uid: "observer-data-quality",
        description: "How much of the traffic is in the numbers: what was lost, could not be read or was left out, and what observing costs.",
        variables: &[Variable::Instance],
        panels: parts.into_iter().flatten().collect(),
    }
}

fn now() -> Vec<Panel> {
    vec![
        Panel::heading(
            "Now and in the period",
            "While the first is 100 % and the others are zero, the numbers of all boards are exact.",
        ),
        Panel::stat(
            "Completeness",
            "Share of the last minute's exchanges that were read with certainty, of the instance with the least. Below 99.9 % counts \
             of this time are too low.",
        )
        .unit(Unit::Share)
        .levels(Levels::Below(0.999, 0.99))
        .ask(smallest("", &series("capture_completeness_ratio", "")), ""),
        Panel::stat(
            "Lost events",
            "Events that the kernel side could not deliver in the period. Raise `[capture] ring_bytes` when reason ring_full comes \
             back.",
        )
        .levels(Levels::Above(1.0, 1000.0))
        .ask(shared::count("capture_lost_events_total", ""), ""),
        Panel::stat(
            "Missing bytes",
            "Bytes of observed connections in the period that were acknowledged but never seen, outside known bodies. Packets take a \
             way that is not observed, or were lost before it.",
        )
        .unit(Unit::Bytes)
        .levels(Levels::Above(1.0, 1_000_000.0))
        .ask(shared::count("capture_missing_bytes_total", ""), ""),
        Panel::stat(
            "Dropped",
            "What bounded collections refused in the period. The panel by stage and reason says which bound it was.",
        )
        .levels(Levels::Above(1.0, 1000.0))
        .ask(shared::count("pipeline_dropped_total", ""), ""),
        Panel::stat(
            "Left out under load",
            "The largest share of payload or of new connections that is left out now, to stay below `[capture] cpu_limit`. Worry when it \
             lasts.",
        )
        .unit(Unit::Share)
        .levels(Levels::Above(0.001, 0.1))
        .ask(largest("", &series("shedding_ratio", "")), ""),
        Panel::stat(
            "Daemons that answer",
            "Share of the targets of job observer that can be scraped. After five minutes without a daemon its host's traffic is neither \
             counted nor kept.",
        )
        .unit(Unit::Share)
        .levels(Levels::Below(1.0, 0.99))
        .ask(format!("avg(up{SCRAPES})"), ""),
    ]
}

fn completeness() -> Vec<Panel> {
    let segments = |metric: &str| sum("fate", &rate(metric, ""));
    vec![
        Panel::heading(
            "Completeness",
            "What was not seen or not read with certainty is counted by reason, and never guessed.",
        ),
        Panel::series(
            "Completeness by instance",
            "Share of the last minute's exchanges that were read with certainty. Worry below 99.9 % for five minutes; the panels below \
             say what is missing.",
        )
        .wide(12)
        .unit(Unit::Share)
        .levels(Levels::Below(0.999, 0.99))
        .most(1.0)
        .ask(
            smallest("instance", &series("capture_completeness_ratio", "")),
            "{{instance}}",
        ),
        Panel::series(
            "Completeness by consumer",
            "Share of a consumer's requests of the last five minutes that were seen whole and with certainty, the fifteen lowest. One \
             alone that is low sends what is hard to read, such as long heads.",
        )
        .wide(12)
        .unit(Unit::Share)
        .levels(Levels::Below(0.999, 0.99))
        .most(1.0)
        .ask(
            bottom(&smallest(
                "consumer",
                &series("consumer_completeness_ratio", ""),
            )),
            "{{consumer}}",
        ),
        Panel::series(
            "Segments by fate",
            "Segments with payload a second: read, of a body that is only counted, lost as the ring was full, or shed under load. Worry \
             about the last two.",
        )
        .unit(Unit::PerSecond)
        .stacked()
        .ask(segments("segments_total"), "{{fate}}"),
        Panel::series(
            "Segment bytes by fate",
            "Payload of those segments. Bodies that are not copied cost next to nothing, so worry about ring_full and shed only.",
        )
        .unit(Unit::BytesPerSecond)
        .stacked()
        .ask(segments("segment_bytes_total"), "{{fate}}"),
        Panel::series(
            "Traffic by interface",
            "Bytes a second that the kernel programs looked at. An interface that carries traffic and is not here is not observed: \
             see `observer doctor`.",
        )
        .unit(Unit::BytesPerSecond)
        .ask(
            sum("instance, interface, direction", &rate("capture_bytes_total", "")),
            "{{instance}} {{interface}} {{direction}}",
        ),
    ]
}

fn losses() -> Vec<Panel> {
    let lost = sum("reason", &in_step("capture_lost_events_total", ""));
    let missing = sum("instance", &in_step("capture_missing_bytes_total", ""));
    let dropped = sum("stage, reason", &in_step("pipeline_dropped_total", ""));
    let folded = sum("metric", &in_step("series_overflow_total", ""));
    let shedding = largest("instance, what", &series("shedding_ratio", ""));
    vec![
        Panel::heading("Losses", "Empty graphs are good ones."),
        Panel::series(
            "Lost events by reason",
            "Events that the kernel side could not deliver. ring_full: the daemon was too slow; shed: it left them out on purpose; \
             ip_fragment: fragments are not put together.",
        )
        .barred()
        .ask(format!("{lost} > 0"), "{{reason}}"),
        Panel::series(
            "Missing bytes by instance",
            "Bytes that were acknowledged but never seen, outside known bodies. Worry when it comes back without lost events: packets take \
             a way that is not observed.",
        )
        .unit(Unit::Bytes)
        .barred()
        .ask(format!("{missing} > 0"), "{{instance}}"),
        Panel::series(
            "Dropped by stage and reason",
            "What bounded collections refused. Worry when one comes back: the bound is too small for this traffic, or somebody tries it.",
        )
        .barred()
        .ask(format!("{dropped} > 0"), "{{stage}} {{reason}}"),
        Panel::series(
            "Left out by instance and kind",
            "Share of payload, and of new connections, that is left out to stay below `[capture] cpu_limit`. Give the daemon more when it \
             lasts.",
        )
        .wide(12)
        .unit(Unit::Share)
        .ask(shedding, "{{instance}} {{what}}"),
        Panel::series(
            "Series folded by metric",
            "Series that were folded into __other__ as `[metrics] max_series` was reached. From then on labels do not tell everything \
             apart; the ledger is not concerned.",
        )
        .wide(12)
        .barred()
        .ask(format!("{folded} > 0"), "{{metric}}"),
    ]
}

fn opaque() -> Vec<Panel> {
    let by = "port, process, reason";
    let mut columns = labels(&[
        ("port", "Port"),
        ("process", "Process"),
        ("reason", "Reason"),
    ]);
    columns.push(Column::query(
        "Connections",
        sum(by, &in_period("opaque_connections_total", "")),
        Unit::Count,
        Levels::None,
    ));
    vec![
        Panel::heading(
            "What cannot be read",
            "Nobody knows what these connections held: they are in no number. `observer doctor` lists ports and libraries.",
        ),
        Panel::table(
            "Opaque connections by port, process and reason",
            "Connections of the period that could not be read. Worry about processes that serve your APIs; reason not_http is \
             something else that speaks TCP.",
            columns,
            "Connections",
        )
        .wide(12),
        Panel::series(
            "Opaque connections by reason",
            "Connections a second that could not be read. A step after an update is a library that the probes do not know.",
        )
        .wide(12)
        .tall(9)
        .unit(Unit::PerSecond)
        .stacked()
        .ask(
            top(&sum("reason", &rate("opaque_connections_total", ""))),
            "{{reason}}",
        ),
        Panel::series(
            "TLS handshakes by version and result",
            "Handshakes a second: read are decrypted, opaque are not, unread were not understood. Worry when read turns to opaque.",
        )
        .wide(12)
        .unit(Unit::PerSecond)
        .stacked()
        .ask(
            sum("version, result", &rate("tls_handshakes_total", "")),
            "{{version}} {{result}}",
        ),
        Panel::series(
            "Probe runs by library",
            "Runs a second of the probes that take secrets, a few for each handshake. Worry when there are handshakes and no runs.",
        )
        .wide(12)
        .unit(Unit::PerSecond)
        .ask(
            sum("library", &rate("tls_probe_runs_total", "")),
            "{{library}}",
        ),
    ]
}
