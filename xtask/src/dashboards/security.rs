//! Who gets in who should not, who tries, and what is done about it.

use super::board::{Board, Variable};
use super::panel::{Column, Levels, Panel, Target, Unit, labels};
use super::query::{
    self, CONSUMER, REFUSED, and, in_period, in_step, largest, rate, series, share, sum, top,
};
use super::shared;

/// Rules of service and of load. All others are shown, those that are yet to come included: it prefers a panel too full to an
/// incident that nobody sees.
const SECURITY: &str = r#"rule!~"error_rate|provider_errors|silence|latency|rate_limit_pressure|volume_surge|upload_volume|ignored_retry_after|limit_hugging|resource_consumption|automation""#;
/// Versions that must not be used (RFC 8996).
const OBSOLETE: &str = r#"version=~"ssl3|1\\.0|1\\.1""#;
/// Suites that must not be used (RFC 9325) of versions that may.
const WEAK: &str =
    r#"version!~"ssl3|1\\.0|1\\.1", cipher=~".*(NULL|EXPORT|anon|RC4|RC2|DES|IDEA).*""#;

pub fn board() -> Board {
    let parts = [
        now(),
        incidents(),
        credentials(),
        refusals(),
        responses(),
        tls(),
    ];
    Board {
        file: "security.json",
        uid: "observer-security",
        description: "Who gets in who should not, who tries, and what is done about it.",
        variables: &[Variable::Instance, Variable::Consumer],
        panels: parts.into_iter().flatten().collect(),
    }
}

fn now() -> Vec<Panel> {
    let urgent = series(
        "incidents_open",
        &and(SECURITY, r#"severity=~"high|critical""#),
    );
    let actions = sum("", &series("response_actions_active", ""));
    let weak = [OBSOLETE, WEAK].map(|of| sum("", &in_period("tls_agreements_total", of)));
    let weak = weak.map(|of| format!("({})", query::or_zero(&of)));
    vec![
        Panel::heading(
            "Now and in the period",
            "The choice of consumers holds for credentials and refusals; incidents, routes, TLS and responses are of the whole host.",
        ),
        Panel::stat(
            "Urgent incidents",
            "Open incidents of severity high or critical, of rules of security. Any is worth a look now.",
        )
        .levels(Levels::From(1.0))
        .ask(query::or_zero(&sum("", &urgent)), ""),
        Panel::stat(
            "Unkeyed successes",
            "Requests without a credential that succeeded in the period, on routes that are not declared public. Any is worth a \
             look now.",
        )
        .levels(Levels::From(1.0))
        .ask(shared::count("http_unkeyed_success_total", ""), ""),
        Panel::stat(
            "Credentials in the clear",
            "Requests from other hosts in the period whose credential everyone on the way could read. Such a key is to be replaced.",
        )
        .levels(Levels::From(1.0))
        .ask(shared::count("cleartext_credentials_total", CONSUMER), ""),
        Panel::stat(
            "Credentials in URLs",
            "Requests in the period with their credential in the target, where logs and histories keep it.",
        )
        .levels(Levels::Above(1.0, 100.0))
        .ask(shared::count("url_credentials_total", CONSUMER), ""),
        Panel::stat(
            "Weak TLS handshakes",
            "Handshakes in the period that agreed on SSL 3.0, TLS 1.0 or 1.1, or on a weak suite. Whoever listens may read those \
             connections.",
        )
        .levels(Levels::From(1.0))
        .ask(weak.join(" + "), ""),
        Panel::stat(
            "Responses in force",
            "Keys, accounts and networks that are shut off or limited now. `observer responses` lists them, and until when.",
        )
        .levels(Levels::Above(1.0, 50.0))
        .ask(query::or_zero(&actions), ""),
    ]
}

fn incidents() -> Vec<Panel> {
    let open = sum("rule, severity", &series("incidents_open", SECURITY));
    let mut columns = labels(&[("severity", "Severity"), ("rule", "Rule")]);
    columns.push(Column::query(
        "Open",
        format!("{open} > 0"),
        Unit::Count,
        Levels::None,
    ));
    vec![
        Panel::heading(
            "Incidents of security",
            "All rules but those of service and load. `observer incidents show ID` has the numbers, and what may be done.",
        ),
        shared::incidents_by_severity(SECURITY),
        Panel::table(
            "Open incidents by rule",
            "Incidents that go on, by the rule that told. Begin with the critical ones: somebody gets in who should not.",
            columns,
            "Open",
        )
        .wide(8)
        .tall(8),
        shared::incidents_begun(SECURITY),
    ]
}

fn credentials() -> Vec<Panel> {
    let seen = |metric: &str| format!("{} > 0", sum("consumer", &in_step(metric, CONSUMER)));
    let unkeyed = sum("route", &in_step("http_unkeyed_success_total", ""));
    let nobody = r#"consumer=~"__.+__""#;
    let scores = largest(
        "consumer, rule",
        &series("anomaly_score", &and(CONSUMER, SECURITY)),
    );
    vec![
        Panel::heading("Credentials", "Whether they are asked for, and how they travel."),
        Panel::series(
            "Unkeyed successes by route",
            "Requests without a credential that succeeded, on routes that are not declared public. Declare the route public if it is; \
             otherwise have the service ask for keys again, at once.",
        )
        .barred()
        .ask(format!("{unkeyed} > 0"), "{{route}}"),
        Panel::series(
            "Credentials in the clear by consumer",
            "Requests from other hosts whose credential everyone on the way could read. Have the consumer use https, then replace the \
             key.",
        )
        .barred()
        .ask(seen("cleartext_credentials_total"), "{{consumer}}"),
        Panel::series(
            "Credentials in URLs by consumer",
            "Requests with their credential in the target, where logs and histories keep it. Have the consumer use a field.",
        )
        .barred()
        .ask(seen("url_credentials_total"), "{{consumer}}"),
        Panel::series(
            "Requests of nobody who is registered",
            "Requests a second without a credential, with one that the registry does not know, or not read with certainty. \
             `observer consumers strangers` lists what was accepted and belongs to nobody.",
        )
        .wide(12)
        .unit(Unit::Requests)
        .stacked()
        .ask(
            sum("consumer", &rate("http_requests_total", nobody)),
            "{{consumer}}",
        ),
        Panel::series(
            "Anomaly scores of security",
            "Where the test of each rule of security stands for a consumer, the fifteen largest. From 1 on it is an alarm.",
        )
        .wide(12)
        .unit(Unit::None)
        .levels(Levels::Above(0.7, 1.0))
        .ask(format!("{} > 0", top(&scores)), "{{consumer}} {{rule}}"),
    ]
}

fn refusals() -> Vec<Panel> {
    let refused = rate("http_requests_total", &and(CONSUMER, REFUSED));
    let matcher = and(CONSUMER, r#"class="auth""#);
    let of = |metric: &str| top(&largest("consumer", &series(metric, &matcher)));
    vec![
        Panel::heading(
            "Refusals",
            "Who is refused, and where. What the application refused is held against the network that it came from, not the name it bore.",
        ),
        Panel::series(
            "Refused requests by consumer",
            "Requests a second that were answered with 401 or 403, the fifteen largest. Worry when __unkeyed__ or __unregistered__ \
             grows: keys are being guessed.",
        )
        .unit(Unit::Requests)
        .stacked()
        .ask(top(&sum("consumer", &refused)), "{{consumer}}"),
        Panel::series(
            "Refused requests by route",
            "Requests a second that were answered with 401 or 403, the fifteen routes with the most. One route only: its check \
             changed, or it is the one that is tried.",
        )
        .unit(Unit::Requests)
        .stacked()
        .ask(top(&sum("route", &refused)), "{{route}}"),
        Panel::series(
            "Auth errors, beside what is usual",
            "Share of a consumer's requests that were refused in the last five minutes; dashed is what is usual. Worry where the first \
             leaves the second.",
        )
        .unit(Unit::Share)
        .ask(of("error_ratio"), "{{consumer}}")
        .ask_all([Target::new(of("error_ratio_baseline"), "{{consumer}} usual").dashed()]),
        Panel::series(
            "Share of refused requests",
            "Share of all requests that were answered with 401 or 403. A step up with the same number of requests is a change of \
             yours; one with more requests is somebody who tries.",
        )
        .wide(12)
        .unit(Unit::Share)
        .ask(share("", REFUSED, CONSUMER), "401, 403"),
        Panel::series(
            "Limited requests by consumer",
            "Requests a second that were answered with 429, the fifteen largest. Worry about a consumer that does not slow down.",
        )
        .wide(12)
        .unit(Unit::Requests)
        .stacked()
        .ask(
            top(&sum(
                "consumer",
                &rate("http_requests_total", &and(CONSUMER, r#"status="429""#)),
            )),
            "{{consumer}}",
        ),
    ]
}

fn responses() -> Vec<Panel> {
    vec![
        Panel::heading(
            "Responses",
            "`observer block`, `limit` and `unblock` act; `observer responses log` says who had what done, when and why.",
        ),
        Panel::series(
            "Responses in force by verb",
            "Keys, accounts and networks that are shut off or limited. Each ends by itself; worry when there are more than you know of.",
        )
        .ask(sum("verb", &series("response_actions_active", "")), "{{verb}}"),
        Panel::series(
            "Dropped and refused",
            "Packets that were dropped and requests that were refused for a block or a limit, a second. When it does not fall, \
             whoever is meant has not noticed.",
        )
        .unit(Unit::PerSecond)
        .ask(
            sum("verb", &rate("response_dropped_packets_total", "")),
            "{{verb}}",
        ),
        Panel::series(
            "Frames of HTTP/2",
            "Frames a second by type; empty without HTTP/2. Floods consist of rst_stream, ping, settings or continuation: worry when one \
             of them outgrows headers and data.",
        )
        .unit(Unit::PerSecond)
        .ask(sum("type", &rate("http2_frames_total", "")), "{{type}}"),
    ]
}

fn tls() -> Vec<Panel> {
    let agreed = |by: &str, more: &str| sum(by, &rate("tls_agreements_total", more));
    let table =
        |title: &str, description: &str, columns: &[(&'static str, &'static str)], asked| {
            let mut columns = labels(columns);
            columns.push(Column::query(
                "Handshakes",
                asked,
                Unit::Count,
                Levels::None,
            ));
            Panel::table(title, description, columns, "Handshakes").wide(8)
        };
    let most = |by: &str, metric: &str| top(&sum(by, &in_period(metric, "")));
    let agreements = sum(
        "version, cipher, alpn",
        &in_period("tls_agreements_total", ""),
    );
    vec![
        Panel::heading(
            "TLS",
            "What handshakes agree on, and what clients say in the clear. `observer posture --tls` has it by port.",
        ),
        Panel::series(
            "Versions agreed on",
            "Handshakes a second by version. Worry about anything but 1.2 and 1.3.",
        )
        .unit(Unit::PerSecond)
        .stacked()
        .ask(agreed("version", ""), "TLS {{version}}"),
        Panel::series(
            "Weak versions and suites",
            "Handshakes that agreed on SSL 3.0, TLS 1.0 or 1.1 (RFC 8996), or on a suite that must not be used (RFC 9325). Have those \
             clients updated, then leave 1.2 and 1.3 only.",
        )
        .barred()
        .ask(
            format!(
                "{} > 0",
                sum("version, cipher", &in_step("tls_agreements_total", OBSOLETE))
            ),
            "TLS {{version}} {{cipher}}",
        )
        .ask(
            format!(
                "{} > 0",
                sum("version, cipher", &in_step("tls_agreements_total", WEAK))
            ),
            "TLS {{version}} {{cipher}}",
        ),
        Panel::series(
            "Handshakes by result",
            "Handshakes a second: read are decrypted, opaque are not, refused failed. Worry when refused grows: certificates that \
             expired, or somebody who probes.",
        )
        .unit(Unit::PerSecond)
        .stacked()
        .ask(
            sum("result", &rate("tls_handshakes_total", "")),
            "{{result}}",
        ),
        table(
            "Agreements",
            "Handshakes of the period by version, suite and protocol. Worry about rows with an old version or a weak suite.",
            &[("version", "Version"), ("cipher", "Suite"), ("alpn", "Protocol")],
            agreements,
        ),
        table(
            "Server names",
            "Handshakes of the period by the server that the client asked for, the most used. Names that are none of yours come from \
             scans, or from entries in the DNS that nobody took away.",
            &[("server_name", "Server name")],
            most("server_name", "tls_server_names_total"),
        ),
        table(
            "Clients",
            "Handshakes of the period by the client's JA4 fingerprint, the most used. One that is new and busy is another program than \
             before.",
            &[("ja4", "JA4")],
            most("ja4", "tls_clients_total"),
        ),
    ]
}
