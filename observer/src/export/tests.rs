//! What a scrape, a reader of records and a browser get.

use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::Arc;

use super::metrics::{BuildInfo, registry, render};
use super::records::{RecordSink, rfc3339, write_record};
use super::*;
use crate::http::{Malformed, Uncertain};
use crate::tls::{Alpn, Hello, Offer, Terms, Version};
use crate::usage::tests::call;
use crate::usage::{
    Agreements, Call, InterfaceTraffic, LedgerStats, Messages, Opaque, Outcome, ProgramRuns,
    Responses, UNKEYED, Vantage, Visibility,
};

const NOW: u64 = 1_795_342_500_000_000_000;

pub(super) fn state() -> Arc<State> {
    let state = State::new(Counters::new(1_000, NOW), || NOW + 30_000_000_000);
    {
        let mut counters = state.counters();
        counters.record(&call(), NOW);
        counters.record(
            &Call {
                consumer: "<a> \"b\"\n".into(),
                ..call()
            },
            NOW,
        );
        counters.record(
            &Call {
                vantage: Vantage::Hop,
                ..call()
            },
            NOW,
        );
        counters.record(
            &Call {
                consumer: UNKEYED.into(),
                credential: None,
                ..call()
            },
            NOW,
        );
        let failed = Call {
            outcome: Outcome::NoResponse,
            status: None,
            ..call()
        };
        counters.record(&failed, NOW);
    }
    Arc::new(state)
}

fn messages() -> Messages {
    let mut messages = Messages::default();
    messages.add("acme", "demo.Echo/Unary", [1, 2]);
    messages
}

fn capture() -> CaptureStats {
    CaptureStats {
        traffic: vec![InterfaceTraffic {
            interface: "eth0".into(),
            direction: "ingress",
            packets: 7,
            bytes: 700,
        }],
        lost_events: vec![("ring_full".into(), 3)],
        missing_bytes: 11,
        responses: Responses {
            active: [2, 1],
            dropped: [40, 50],
        },
        connections: vec![("http1", 2)],
        http2_frames: vec![("settings", 4)],
        grpc_messages: messages(),
        opaque_connections: vec![Opaque {
            port: 443,
            own: true,
            process: Some("java".into()),
            reason: "tls",
            count: 5,
        }],
        dropped: vec![("route", "host_bound", 1)],
        tls_probe_runs: vec![("libcrypto.so.3".into(), 1)],
        tls_handshakes: vec![("1.3", "keys", 1)],
        tls_agreements: Agreements::default(),
        programs: vec![ProgramRuns {
            program: "ingress".into(),
            nanoseconds: 1_500_000_000,
            runs: 9,
        }],
        ledger: LedgerStats {
            failing: false,
            batches: 7,
            errors: 1,
            waiting: 2,
            nanoseconds: 1_500_000,
            bytes: 4096,
            deleted_early: 0,
        },
        segments: vec![("read", 5, 500)],
        shedding: vec![("payload", 0.0)],
    }
}

pub(super) fn build() -> BuildInfo {
    BuildInfo {
        version: "0.1.0".into(),
        revision: "abc".into(),
        kernel: "6.12".into(),
    }
}

fn exposition(state: Arc<State>) -> String {
    render(&registry(state, build()).expect("valid")).expect("text")
}

/// Whether `promtool` can be asked; where everything is required, its absence is a failure.
fn promtool_is_there() -> bool {
    let there = Command::new("promtool")
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    if there.is_ok_and(|status| status.success()) {
        return true;
    }
    assert!(
        std::env::var("OBSERVER_REQUIRE").as_deref() != Ok("all"),
        "promtool is required and missing"
    );
    println!("skipped: promtool missing");
    false
}

fn promtool(text: &str) {
    let mut child = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("starts");
    child
        .stdin
        .take()
        .expect("piped")
        .write_all(text.as_bytes())
        .expect("written");
    let output = child.wait_with_output().expect("ends");
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.is_empty(), "{said}\n{text}");
}

#[test]
fn the_exposition_is_clean_for_promtool() {
    if promtool_is_there() {
        promtool(&exposition(Arc::new(State::new(
            Counters::new(1_000, NOW),
            || NOW,
        ))));
        let state = state();
        state.set_capture(capture());
        promtool(&exposition(state));
    }
}

#[test]
fn metrics_have_the_names_and_labels_of_the_contract() {
    let state = state();
    state.set_capture(capture());
    let text = exposition(state);
    for line in [
        r#"observer_http_requests_total{consumer="acme",api="orders",route="/v1/widgets/{id}",method="GET",status="200"} 1"#,
        r#"observer_http_requests_total{consumer="acme",api="orders",route="/v1/widgets/{id}",method="GET",status="none"} 1"#,
        r#"observer_http_hop_requests_total{api="orders",route="/v1/widgets/{id}",status="200"} 1"#,
        r#"observer_http_request_duration_seconds_bucket{route="/v1/widgets/{id}",method="GET",le="0.005"} 3"#,
        r#"observer_http_request_duration_seconds_bucket{route="/v1/widgets/{id}",method="GET",le="10"} 3"#,
        r#"observer_http_request_duration_seconds_bucket{route="/v1/widgets/{id}",method="GET",le="+Inf"} 3"#,
        r#"observer_http_request_duration_seconds_count{route="/v1/widgets/{id}",method="GET"} 3"#,
        r#"observer_http_request_body_bytes_total{consumer="acme"} 0"#,
        r#"observer_http_response_body_bytes_total{consumer="acme"} 76"#,
        r#"observer_http_failures_total{consumer="acme",outcome="no_response",reason="before_response"} 1"#,
        r#"observer_http_unkeyed_success_total{route="/v1/widgets/{id}"} 1"#,
        r#"observer_cleartext_credentials_total{consumer="acme"} 2"#,
        r#"observer_url_credentials_total{consumer="acme"} 0"#,
        r#"observer_error_ratio{consumer="acme",class="server"} 0.5"#,
        r#"observer_capture_packets_total{interface="eth0",direction="ingress"} 7"#,
        r#"observer_capture_bytes_total{interface="eth0",direction="ingress"} 700"#,
        r#"observer_capture_lost_events_total{reason="ring_full"} 3"#,
        "observer_capture_missing_bytes_total 11",
        "observer_capture_completeness_ratio 1",
        r#"observer_connections{protocol="http1"} 2"#,
        r#"observer_opaque_connections_total{port="443",process="java",reason="tls"} 5"#,
        r#"observer_tls_probe_runs_total{library="libcrypto.so.3"} 1"#,
        r#"observer_tls_handshakes_total{version="1.3",result="keys"} 1"#,
        r#"observer_http2_frames_total{type="settings"} 4"#,
        r#"observer_grpc_messages_total{consumer="acme",route="demo.Echo/Unary",direction="response"} 2"#,
        r#"observer_bpf_run_seconds_total{program="ingress"} 1.5"#,
        r#"observer_bpf_runs_total{program="ingress"} 9"#,
        r#"observer_pipeline_dropped_total{stage="route",reason="host_bound"} 1"#,
        r#"observer_series_overflow_total{metric="observer_http_requests_total"} 0"#,
        r#"observer_build_info{version="0.1.0",revision="abc",kernel="6.12"} 1"#,
    ] {
        assert!(
            text.lines().any(|found| found == line),
            "{line}\nis not in\n{text}"
        );
    }
}

#[test]
fn a_record_is_the_contract_s_example() {
    let example = concat!(
        r#"{"time":"2026-11-22T10:15:00.123456789Z","duration_us":812,"first_byte_us":640,"#,
        r#""client":"192.0.2.2:40000","peer":"192.0.2.2:40000","server":"192.0.2.1:8080","interface":"eth0","#,
        r#""vantage":"edge","visibility":"plaintext","protocol":"HTTP/1.1","#,
        r#""method":"GET","api":"orders","host":"api.example","target":"/v1/widgets/42","route":"/v1/widgets/{id}","#,
        r#""status":200,"outcome":"ok","responsible":null,"#,
        r#""request_head_bytes":241,"request_body_bytes":0,"response_head_bytes":160,"response_body_bytes":38,"#,
        r#""credential":{"scheme":"api-key","location":"header:x-api-key","fingerprint":"k1_4QX7M2ZC5T6JH3WA","#,
        r#""accepted":true},"consumer":"acme","app":"acme-mobile","key":"k-2026-01","complete":true,"reason":null}"#,
        "\n"
    );
    let mut line = Vec::new();
    write_record(&mut line, &call());
    assert_eq!(String::from_utf8_lossy(&line), example);
}

#[test]
fn a_record_of_what_was_encrypted_says_what_was_agreed_on() {
    let terms = |offer| Terms {
        hello: Hello {
            version: Version::Tls13,
            cipher: 0x1301,
            alpn: Alpn::None,
        },
        offer,
    };
    let offer = Offer {
        server_name: Some("api.example".into()),
        ja4: "t13d1516h2_8daaf6152771_e5627efa2ab1".into(),
        protocols: false,
    };
    let said = |terms| {
        let call = Call {
            visibility: Visibility::Tls,
            tls: Some(Arc::new(terms)),
            ..call()
        };
        let mut line = Vec::new();
        write_record(&mut line, &call);
        let record: serde_json::Value = serde_json::from_slice(&line).expect("JSON");
        record["tls"].clone()
    };
    let mut expected = serde_json::json!({
        "version": "1.3",
        "cipher": "TLS_AES_128_GCM_SHA256",
        "alpn": null,
        "server_name": "api.example",
        "ja4": "t13d1516h2_8daaf6152771_e5627efa2ab1",
    });
    assert_eq!(said(terms(Some(Arc::new(offer)))), expected);
    expected["server_name"] = serde_json::Value::Null;
    expected["ja4"] = serde_json::Value::Null;
    assert_eq!(said(terms(None)), expected);
}

#[test]
fn a_record_of_hostile_bytes_is_one_line_of_json() {
    let hostile = Call {
        target: Some("/\"\\\u{7f}\n\u{1f}\u{2028}é".into()),
        server: "[2001:db8::1]:443".parse().expect("an address"),
        method: None,
        status: None,
        first_byte: None,
        credential: None,
        uncertain: Some(Uncertain::Gap),
        malformed: Some(Malformed::ObsFold),
        outcome: Outcome::Malformed,
        ..call()
    };
    let mut line = Vec::new();
    write_record(&mut line, &hostile);
    assert_eq!(line.iter().filter(|byte| **byte == b'\n').count(), 1);
    let record: serde_json::Value = serde_json::from_slice(&line).expect("JSON");
    assert_eq!(record["target"], "/\"\\\u{7f}\n\u{1f}\u{2028}é");
    assert_eq!(record["server"], "[2001:db8::1]:443");
    assert_eq!(
        (&record["method"], &record["credential"]),
        (&serde_json::Value::Null, &serde_json::Value::Null)
    );
    assert_eq!(
        (&record["complete"], &record["reason"]),
        (&false.into(), &"gap".into())
    );
    assert_eq!(record["responsible"], "consumer");
}

#[test]
fn times_are_those_of_the_calendar() {
    for seconds in (0..9_000_000_000u64).step_by(9_999_991) {
        let timestamp = jiff::Timestamp::from_second(seconds as i64).expect("in range");
        let expected = timestamp
            .strftime("%Y-%m-%dT%H:%M:%S.000000042Z")
            .to_string();
        assert_eq!(
            rfc3339(seconds * 1_000_000_000 + 42, &mut [0; 30]),
            expected
        );
    }
    assert_eq!(
        rfc3339(u64::MAX, &mut [0; 30]),
        "2554-07-21T23:34:33.709551615Z"
    );
}

#[test]
fn records_are_flushed_within_a_second_and_survive_rotation() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("records.jsonl");
    let lines = |path: &std::path::Path| {
        let text = std::fs::read_to_string(path).expect("readable");
        text.lines()
            .filter(|line| serde_json::from_str::<serde_json::Value>(line).is_ok())
            .count()
    };
    let mut sink = RecordSink::open(&path).expect("opened");
    sink.tick(NOW);
    sink.write(&call());
    sink.tick(NOW + 500_000_000);
    assert_eq!(lines(&path), 0);
    sink.tick(NOW + 1_000_000_000);
    assert_eq!(lines(&path), 1);

    let rotated = folder.path().join("records.jsonl.1");
    std::fs::rename(&path, &rotated).expect("renamed");
    sink.write(&call());
    sink.reopen().expect("reopened");
    sink.write(&call());
    drop(sink);
    assert_eq!((lines(&rotated), lines(&path)), (2, 1));

    use std::os::unix::fs::PermissionsExt;
    let mode = std::fs::metadata(&path)
        .expect("there")
        .permissions()
        .mode();
    assert_eq!(mode & 0o137, 0, "{mode:o}");
    let mut again = RecordSink::open(&path).expect("opened");
    again.write(&call());
    drop(again);
    assert_eq!(lines(&path), 2, "appended");
}

#[test]
fn a_full_disk_costs_records_and_nothing_else() {
    let mut sink = RecordSink::open(std::path::Path::new("/dev/full")).expect("opened");
    for _ in 0..20_000 {
        sink.write(&call());
    }
    assert!(sink.lost() > 0 && sink.errors() > 0);
    assert_eq!(sink.lost() + sink.written(), 20_000);
    let error = RecordSink::open(std::path::Path::new("/")).expect_err("a folder");
    assert!(
        error.to_string().starts_with("cannot open / for records: "),
        "{error}"
    );
}
