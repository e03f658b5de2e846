use super::*;

fn request(format: &Format, line: &str) -> Line {
    match format.read(line.as_bytes()) {
        Read::Request(line) => line,
        other => panic!("{line}: {other:?}"),
    }
}

/// 2026-11-25T07:11:22Z
const SECOND: Micros = 1_795_590_682_000_000;

fn told(line: &Line) -> (Micros, &str, &str, u16, Option<u64>) {
    (line.time, &line.method, &line.path, line.status, line.bytes)
}

#[test]
fn combined_of_nginx_and_apache() {
    let line = request(
        &Format::Combined,
        r#"192.0.2.7 - alice [25/Nov/2026:08:11:22 +0100] "GET /v1/widgets/7?key=secret HTTP/1.1" 200 153 "-" "curl/8 \"x\"""#,
    );
    assert_eq!(
        told(&line),
        (SECOND, "GET", "/v1/widgets/7", 200, Some(153))
    );
    assert_eq!(line.client, Some("192.0.2.7".parse().expect("an address")));
    assert_eq!(line.consumer.as_deref(), Some("alice"));
    let escaped = request(
        &Format::Combined,
        r#"2001:db8::1 - - [25/Nov/2026:07:11:22 +0000] "GET /a\x22b\\ HTTP/1.0" 404 -"#,
    );
    assert_eq!(told(&escaped), (SECOND, "GET", "/a\"b\\", 404, Some(0)));
    let absolute = request(
        &Format::Combined,
        r#"name.example - - [25/Nov/2026:07:11:22 +0000] "GET http://api.example/x HTTP/1.1" 200 1"#,
    );
    assert_eq!((&*absolute.path, absolute.client), ("/x", None));
    for none in [
        r#"192.0.2.7 - - [25/Nov/2026:07:11:22 +0000] "\x16\x03\x01" 400 150 "-" "-""#,
        r#"192.0.2.7 - - [25/Nov/2026:07:11:22 +0000] "-" 408 0 "-" "-""#,
        r#"192.0.2.7 - - [25/Nov/2026:07:11:22 +0000] "" 400 0 "-" "-""#,
    ] {
        assert_eq!(
            Format::Combined.read(none.as_bytes()),
            Read::NoRequest,
            "{none}"
        );
    }
}

#[test]
fn haproxy_with_and_without_syslog() {
    for line in [
        r#"Nov 25 07:11:22 host haproxy[41]: 192.0.2.7:40000 [25/Nov/2026:07:11:22.123] in back/s1 0/0/1/2/3 200 421 - - ---- 1/1/0/0/0 0/0 "GET /v1/x?q=1 HTTP/1.1""#,
        r#"192.0.2.7:40000 [25/Nov/2026:07:11:22.123] in~ back/s1 0/0/1/2/+3 200 +421 - - ---- 1/1/0/0/0 0/0 {a|b} {c} "GET /v1/x?q=1 HTTP/1.1""#,
    ] {
        let line = request(&Format::Haproxy, line);
        assert_eq!(
            told(&line),
            (SECOND + 123_000, "GET", "/v1/x", 200, Some(421))
        );
    }
    let refused = r#"192.0.2.7:1 [25/Nov/2026:07:11:22.123] in in/<NOSRV> -1/-1/-1/-1/0 400 0 - - PR-- 1/1/0/0/0 0/0 "<BADREQ>""#;
    assert_eq!(Format::Haproxy.read(refused.as_bytes()), Read::NoRequest);
}

#[test]
fn objects_of_several_servers() {
    let nginx = r#"{"time_iso8601":"2026-11-25T07:11:22+00:00","remote_addr":"192.0.2.7","request":"GET /x HTTP/1.1","status":"200","body_bytes_sent":"5","consumer":"acme"}"#;
    let line = request(&Format::NginxJson, nginx);
    assert_eq!(told(&line), (SECOND, "GET", "/x", 200, Some(5)));
    assert_eq!(line.consumer.as_deref(), Some("acme"));
    let caddy = r#"{"ts":1795590682.5,"request":{"remote_ip":"192.0.2.7","method":"GET","uri":"/x?y"},"size":5,"status":200}"#;
    assert_eq!(
        told(&request(&Format::Caddy, caddy)),
        (SECOND + 500_000, "GET", "/x", 200, Some(5))
    );
    let envoy = r#"{"start_time":"2026-11-25T07:11:22.500Z","method":"GET","path":"/x","response_code":200,"bytes_sent":5,"downstream_remote_address":"192.0.2.7:4000"}"#;
    assert_eq!(
        told(&request(&Format::Envoy, envoy)),
        (SECOND + 500_000, "GET", "/x", 200, Some(5))
    );
    let kong = r#"{"started_at":1795590682500,"client_ip":"192.0.2.7","request":{"method":"GET","uri":"/x"},"response":{"status":200,"size":5},"consumer":{"username":"acme"}}"#;
    let line = request(&Format::Kong, kong);
    assert_eq!(told(&line), (SECOND + 500_000, "GET", "/x", 200, Some(5)));
    assert_eq!(line.consumer.as_deref(), Some("acme"));
}

#[test]
fn columns_by_their_names() {
    let columns = Columns::parse("Status,Time,path,method,client_ip").expect("columns");
    let format = Format::Csv(columns);
    let line = request(
        &format,
        "200,2026-11-25T07:11:22Z,\"/a,\"\"b\",GET,192.0.2.7",
    );
    assert_eq!(told(&line), (SECOND, "GET", "/a,\"b", 200, None));
    assert_eq!(Columns::parse("time,method,status"), Err("target"));
    assert_eq!(format.read(b"200,never,/x,GET"), Read::Unreadable);
}

#[test]
fn times_in_their_forms() {
    assert_eq!(time::any("2026-11-25 07:11:22.25Z"), Some(SECOND + 250_000));
    assert_eq!(time::any("2026-11-25T08:11:22+01"), Some(SECOND));
    assert_eq!(time::any("2026-11-25T02:41:22-0430"), Some(SECOND));
    assert_eq!(time::any("1795590682"), Some(SECOND));
    assert_eq!(time::any("1795590682000"), Some(SECOND));
    for none in [
        "",
        "yesterday",
        "2026-13-25T07:11:22Z",
        "32/Nov/2026:07:11:22 +0000",
        "-5",
        "NaN",
        "1e300",
    ] {
        assert_eq!(time::any(none), None, "{none}");
    }
}

proptest::proptest! {
    #[test]
    fn any_line_is_read_or_not(line in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..300)) {
        let columns = Columns::parse("time,method,path,status").expect("columns");
        for format in [
            Format::Combined, Format::Haproxy, Format::NginxJson, Format::Caddy, Format::Envoy, Format::Kong,
            Format::Csv(columns),
        ] {
            let _ = format.read(&line);
        }
    }

    #[test]
    fn damaged_lines_are_read_or_not(cut in 0_usize..130, byte in proptest::prelude::any::<u8>()) {
        let line = r#"192.0.2.7 - alice [25/Nov/2026:08:11:22 +0100] "GET /v1/widgets/7?key=\x41 HTTP/1.1" 200 153 "-" "curl/8 \"x\"""#;
        let mut line = line.as_bytes().to_vec();
        let at = cut % line.len();
        line[at] = byte;
        let _ = Format::Combined.read(&line);
        line.truncate(at);
        let _ = Format::Combined.read(&line);
    }
}
