//! The families of the contract that are counted so far: name, type, labels, help, and where the samples come from.

use prometheus::proto::MetricType;

use std::collections::BTreeMap;

use super::Family;
use crate::awareness::{Rule, Severity};
use crate::usage::reconcile::Class;
use crate::usage::{ErrorClass, UNKNOWN};

/// What is done about somebody, in the order in which it is counted.
const VERBS: [&str; 2] = ["block", "limit"];

/// Counts by rule and severity, zero for each rule at its own: alerts need a series before it rises.
fn counted(counts: &[((Rule, Severity), u64)]) -> BTreeMap<(Rule, Severity), u64> {
    let mut sums: BTreeMap<_, _> = Rule::ALL
        .into_iter()
        .map(|rule| ((rule, rule.severity()), 0))
        .collect();
    for (of, count) in counts {
        *sums.entry(*of).or_default() += count;
    }
    sums
}

/// Every family of the contract that is counted so far.
pub(super) static FAMILIES: [Family; 46] = [
    Family {
        name: "http_requests_total",
        kind: MetricType::COUNTER,
        labels: &["consumer", "api", "route", "method", "status"],
        help: "Requests of other hosts and of local clients; status is none when no response came.",
        fill: |samples, from| {
            for row in &from.snapshot.requests {
                let status = row.status.to_string();
                samples.count(
                    &[&row.consumer, &row.api, &row.route, row.method, &status],
                    row.count,
                );
            }
        },
    },
    Family {
        name: "http_hop_requests_total",
        kind: MetricType::COUNTER,
        labels: &["api", "route", "status"],
        help: "Requests between serving processes of this host, such as a reverse proxy and its backend.",
        fill: |samples, from| {
            for row in &from.snapshot.hops {
                samples.count(&[&row.api, &row.route, &row.status.to_string()], row.count);
            }
        },
    },
    Family {
        name: "http_request_duration_seconds",
        kind: MetricType::HISTOGRAM,
        labels: &["route", "method"],
        help: "Time from the first byte of a request to the last byte of its response.",
        fill: |samples, from| {
            for row in &from.snapshot.durations {
                samples.histogram(&[&row.route, row.method], row);
            }
        },
    },
    Family {
        name: "http_request_body_bytes_total",
        kind: MetricType::COUNTER,
        labels: &["consumer"],
        help: "Bytes of request contents, without transfer framing.",
        fill: |samples, from| {
            for row in &from.snapshot.consumers {
                samples.count(&[&row.consumer], row.request_body_bytes);
            }
        },
    },
    Family {
        name: "http_response_body_bytes_total",
        kind: MetricType::COUNTER,
        labels: &["consumer"],
        help: "Bytes of response contents, without transfer framing.",
        fill: |samples, from| {
            for row in &from.snapshot.consumers {
                samples.count(&[&row.consumer], row.response_body_bytes);
            }
        },
    },
    Family {
        name: "http_failures_total",
        kind: MetricType::COUNTER,
        labels: &["consumer", "outcome", "reason"],
        help: "Exchanges that failed without a status saying so.",
        fill: |samples, from| {
            for row in &from.snapshot.failures {
                samples.count(&[&row.consumer, row.outcome, row.reason], row.count);
            }
        },
    },
    Family {
        name: "http_unkeyed_success_total",
        kind: MetricType::COUNTER,
        labels: &["route"],
        help: "Requests without a credential that succeeded on an operation that is not declared public.",
        fill: |samples, from| {
            for (route, count) in &from.snapshot.unkeyed_success {
                samples.count(&[route], *count);
            }
        },
    },
    Family {
        name: "cleartext_credentials_total",
        kind: MetricType::COUNTER,
        labels: &["consumer"],
        help: "Requests of other hosts that carried a credential without encryption.",
        fill: |samples, from| {
            for row in &from.snapshot.consumers {
                samples.count(&[&row.consumer], row.cleartext_credentials);
            }
        },
    },
    Family {
        name: "url_credentials_total",
        kind: MetricType::COUNTER,
        labels: &["consumer"],
        help: "Requests that carried their credential in the request target.",
        fill: |samples, from| {
            for row in &from.snapshot.consumers {
                samples.count(&[&row.consumer], row.url_credentials);
            }
        },
    },
    Family {
        name: "error_ratio",
        kind: MetricType::GAUGE,
        labels: &["consumer", "class"],
        help: "Share of errors in the requests of the last five minutes.",
        fill: |samples, from| {
            for row in &from.snapshot.consumers {
                for (class, ratio) in ErrorClass::ALL.iter().zip(row.error_ratio) {
                    samples.add(&[&row.consumer, class.as_str()], ratio);
                }
            }
        },
    },
    Family {
        name: "error_ratio_baseline",
        kind: MetricType::GAUGE,
        labels: &["consumer", "class"],
        help: "Share of errors that is usual for the consumer.",
        fill: |samples, from| {
            for row in &from.awareness.consumers {
                for (class, ratio) in ErrorClass::ALL.iter().zip(row.baselines) {
                    samples.add(&[&row.consumer, class.as_str()], ratio);
                }
            }
        },
    },
    Family {
        name: "anomaly_score",
        kind: MetricType::GAUGE,
        labels: &["consumer", "rule"],
        help: "Where the test of a rule stands for the consumer; 1 is an alarm.",
        fill: |samples, from| {
            for row in &from.awareness.consumers {
                for (rule, score) in row.scores {
                    samples.add(&[&row.consumer, rule.name()], score);
                }
            }
        },
    },
    Family {
        name: "incidents_total",
        kind: MetricType::COUNTER,
        labels: &["rule", "severity"],
        help: "Incidents opened.",
        fill: |samples, from| {
            for ((rule, severity), count) in counted(&from.awareness.opened) {
                samples.count(&[rule.name(), severity.name()], count);
            }
        },
    },
    Family {
        name: "incidents_open",
        kind: MetricType::GAUGE,
        labels: &["rule", "severity"],
        help: "Incidents that go on.",
        fill: |samples, from| {
            let open = from.awareness.open.iter();
            let open: Vec<_> = open
                .map(|incident| ((incident.rule, incident.severity), 1))
                .collect();
            for ((rule, severity), count) in counted(&open) {
                samples.count(&[rule.name(), severity.name()], count);
            }
        },
    },
    Family {
        name: "capture_packets_total",
        kind: MetricType::COUNTER,
        labels: &["interface", "direction"],
        help: "Packets that the kernel programs looked at.",
        fill: |samples, from| {
            for traffic in &from.capture.traffic {
                samples.count(&[&traffic.interface, traffic.direction], traffic.packets);
            }
        },
    },
    Family {
        name: "capture_bytes_total",
        kind: MetricType::COUNTER,
        labels: &["interface", "direction"],
        help: "Bytes of the packets that the kernel programs looked at.",
        fill: |samples, from| {
            for traffic in &from.capture.traffic {
                samples.count(&[&traffic.interface, traffic.direction], traffic.bytes);
            }
        },
    },
    Family {
        name: "capture_lost_events_total",
        kind: MetricType::COUNTER,
        labels: &["reason"],
        help: "Events that the kernel side could not deliver.",
        fill: |samples, from| {
            for (reason, count) in &from.capture.lost_events {
                samples.count(&[reason], *count);
            }
        },
    },
    Family {
        name: "capture_missing_bytes_total",
        kind: MetricType::COUNTER,
        labels: &[],
        help: "Bytes of observed HTTP connections that were acknowledged but never seen, outside known bodies.",
        fill: |samples, from| samples.count(&[], from.capture.missing_bytes),
    },
    Family {
        name: "capture_completeness_ratio",
        kind: MetricType::GAUGE,
        labels: &[],
        help: "Share of the last minute's exchanges that were read with certainty.",
        fill: |samples, from| samples.add(&[], from.snapshot.completeness),
    },
    Family {
        name: "consumer_completeness_ratio",
        kind: MetricType::GAUGE,
        labels: &["consumer"],
        help: "Share of a consumer's requests of the last five minutes that were seen whole and with certainty.",
        fill: |samples, from| {
            for row in &from.snapshot.consumers {
                samples.add(&[&row.consumer], row.completeness);
            }
        },
    },
    Family {
        name: "connections",
        kind: MetricType::GAUGE,
        labels: &["protocol"],
        help: "Connections held now.",
        fill: |samples, from| {
            for (protocol, count) in &from.capture.connections {
                samples.count(&[protocol], *count);
            }
        },
    },
    Family {
        name: "http2_frames_total",
        kind: MetricType::COUNTER,
        labels: &["type"],
        help: "Frames of HTTP/2, by their type.",
        fill: |samples, from| {
            for (kind, count) in &from.capture.http2_frames {
                samples.count(&[kind], *count);
            }
        },
    },
    Family {
        name: "grpc_messages_total",
        kind: MetricType::COUNTER,
        labels: &["consumer", "route", "direction"],
        help: "Messages of gRPC calls, counted while the calls live.",
        fill: |samples, from| {
            for (consumer, route, [requests, responses]) in from.capture.grpc_messages.rows() {
                samples.count(&[consumer, route, "request"], requests);
                samples.count(&[consumer, route, "response"], responses);
            }
        },
    },
    Family {
        name: "opaque_connections_total",
        kind: MetricType::COUNTER,
        labels: &["port", "process", "reason"],
        help: "Connections that could not be read, by the server's port and the process that listens there.",
        fill: |samples, from| {
            for opaque in &from.capture.opaque_connections {
                let process = match &opaque.process {
                    Some(name) => name,
                    None if opaque.own => UNKNOWN,
                    None => "",
                };
                samples.count(
                    &[&opaque.port.to_string(), process, opaque.reason],
                    opaque.count,
                );
            }
        },
    },
    Family {
        name: "tls_probe_runs_total",
        kind: MetricType::COUNTER,
        labels: &["library"],
        help: "Runs of the probes on TLS libraries.",
        fill: |samples, from| {
            for (library, count) in &from.capture.tls_probe_runs {
                samples.count(&[library], *count);
            }
        },
    },
    Family {
        name: "tls_handshakes_total",
        kind: MetricType::COUNTER,
        labels: &["version", "result"],
        help: "TLS handshakes seen, and whether their connections can be read.",
        fill: |samples, from| {
            for (version, result, count) in &from.capture.tls_handshakes {
                samples.count(&[version, result], *count);
            }
        },
    },
    Family {
        name: "tls_agreements_total",
        kind: MetricType::COUNTER,
        labels: &["version", "cipher", "alpn"],
        help: "What TLS handshakes with servers of this host agreed on.",
        fill: |samples, from| {
            for (version, cipher, alpn, count) in from.capture.tls_agreements.agreed() {
                samples.count(&[version, cipher, alpn], count);
            }
        },
    },
    Family {
        name: "tls_server_names_total",
        kind: MetricType::COUNTER,
        labels: &["server_name"],
        help: "TLS handshakes by the server that the client asked for.",
        fill: |samples, from| {
            for (name, count) in from.capture.tls_agreements.server_names() {
                samples.count(&[name], count);
            }
        },
    },
    Family {
        name: "tls_clients_total",
        kind: MetricType::COUNTER,
        labels: &["ja4"],
        help: "TLS handshakes by the JA4 fingerprint of the client.",
        fill: |samples, from| {
            for (ja4, count) in from.capture.tls_agreements.clients() {
                samples.count(&[ja4], count);
            }
        },
    },
    Family {
        name: "reconciliation_requests",
        kind: MetricType::GAUGE,
        labels: &["source", "class"],
        help: "Requests of the last time that the wire was held against a log, by what came of them.",
        fill: |samples, from| {
            for (source, last) in from.reconciliations {
                for (class, count) in Class::ALL.into_iter().zip(last.counts) {
                    samples.count(&[source, class.name()], count);
                }
            }
        },
    },
    Family {
        name: "reconciliation_last_run_timestamp_seconds",
        kind: MetricType::GAUGE,
        labels: &["source"],
        help: "When that was, in seconds since 1970 in UTC.",
        fill: |samples, from| {
            for (source, last) in from.reconciliations {
                samples.add(&[source], (last.time / 1_000_000_000) as f64);
            }
        },
    },
    Family {
        name: "bpf_run_seconds_total",
        kind: MetricType::COUNTER,
        labels: &["program"],
        help: "Time spent in a kernel program while kernel.bpf_stats_enabled is 1.",
        fill: |samples, from| {
            for program in &from.capture.programs {
                samples.add(&[&program.program], program.nanoseconds as f64 / 1e9);
            }
        },
    },
    Family {
        name: "bpf_runs_total",
        kind: MetricType::COUNTER,
        labels: &["program"],
        help: "Runs of a kernel program while kernel.bpf_stats_enabled is 1.",
        fill: |samples, from| {
            for program in &from.capture.programs {
                samples.count(&[&program.program], program.runs);
            }
        },
    },
    Family {
        name: "pipeline_dropped_total",
        kind: MetricType::COUNTER,
        labels: &["stage", "reason"],
        help: "What a bounded collection refused.",
        fill: |samples, from| {
            for (stage, reason, count) in &from.capture.dropped {
                samples.count(&[stage, reason], *count);
            }
        },
    },
    Family {
        name: "series_overflow_total",
        kind: MetricType::COUNTER,
        labels: &["metric"],
        help: "Series that were folded into __other__ because max_series was reached.",
        fill: |samples, from| {
            let of_tls = from.capture.tls_agreements.overflow();
            let of_grpc = [("grpc_messages_total", from.capture.grpc_messages.overflow())];
            let all = from.snapshot.overflow.into_iter().chain(of_tls);
            for (metric, count) in all.chain(of_grpc) {
                samples.count(&[&format!("observer_{metric}")], count);
            }
        },
    },
    Family {
        name: "segments_total",
        kind: MetricType::COUNTER,
        labels: &["fate"],
        help: "Segments with payload of HTTP connections, by what became of them: read, in a known body, lost, or shed under overload.",
        fill: |samples, from| {
            for (fate, segments, _) in &from.capture.segments {
                samples.count(&[fate], *segments);
            }
        },
    },
    Family {
        name: "segment_bytes_total",
        kind: MetricType::COUNTER,
        labels: &["fate"],
        help: "Payload bytes of those segments.",
        fill: |samples, from| {
            for (fate, _, bytes) in &from.capture.segments {
                samples.count(&[fate], *bytes);
            }
        },
    },
    Family {
        name: "shedding_ratio",
        kind: MetricType::GAUGE,
        labels: &["what"],
        help: "Share of copied payload and of new connections that is left out under overload.",
        fill: |samples, from| {
            for (what, share) in &from.capture.shedding {
                samples.add(&[what], *share);
            }
        },
    },
    Family {
        name: "response_actions_active",
        kind: MetricType::GAUGE,
        labels: &["verb"],
        help: "Keys, accounts and networks that are shut off or limited.",
        fill: |samples, from| {
            for (verb, count) in VERBS.iter().zip(from.capture.responses.active) {
                samples.count(&[verb], count);
            }
        },
    },
    Family {
        name: "response_dropped_packets_total",
        kind: MetricType::COUNTER,
        labels: &["verb"],
        help: "Packets that were dropped, and requests that were refused, because of a block or a limit.",
        fill: |samples, from| {
            for (verb, count) in VERBS.iter().zip(from.capture.responses.dropped) {
                samples.count(&[verb], count);
            }
        },
    },
    Family {
        name: "ledger_batches_total",
        kind: MetricType::COUNTER,
        labels: &["result"],
        help: "Batches of usage that were written to the ledger, and attempts that failed.",
        fill: |samples, from| {
            samples.count(&["written"], from.capture.ledger.batches);
            samples.count(&["failed"], from.capture.ledger.errors);
        },
    },
    Family {
        name: "ledger_batches_waiting",
        kind: MetricType::GAUGE,
        labels: &[],
        help: "Batches of usage that wait in memory until the ledger can be written.",
        fill: |samples, from| samples.count(&[], from.capture.ledger.waiting),
    },
    Family {
        name: "ledger_writing_seconds_total",
        kind: MetricType::COUNTER,
        labels: &[],
        help: "Time spent on writing to the ledger.",
        fill: |samples, from| samples.add(&[], from.capture.ledger.nanoseconds as f64 / 1e9),
    },
    Family {
        name: "ledger_size_bytes",
        kind: MetricType::GAUGE,
        labels: &[],
        help: "Size of the ledger's file.",
        fill: |samples, from| samples.count(&[], from.capture.ledger.bytes),
    },
    Family {
        name: "ledger_rows_deleted_early_total",
        kind: MetricType::COUNTER,
        labels: &[],
        help: "Windows that were deleted before their time because the ledger had reached its size.",
        fill: |samples, from| samples.count(&[], from.capture.ledger.deleted_early),
    },
    Family {
        name: "build_info",
        kind: MetricType::GAUGE,
        labels: &["version", "revision", "kernel"],
        help: "What is running; always 1.",
        fill: |samples, from| {
            samples.count(
                &[
                    &from.build.version,
                    &from.build.revision,
                    &from.build.kernel,
                ],
                1,
            );
        },
    },
];
