use super::*;
use crate::http::tests as request;
use proptest::prelude::*;

fn nets(texts: &[&str]) -> Vec<IpNet> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

fn seen(fields: &[(&str, &str)]) -> String {
    let fields = request::fields(fields);
    let trusted = nets(&["10.0.0.0/8", "2001:db8:1::/48"]);
    client(&fields, "10.0.0.1:4000".parse().unwrap(), &trusted).to_string()
}

#[test]
fn x_forwarded_for_is_walked_from_right_to_left_past_trusted_proxies() {
    for (list, expected) in [
        ("192.0.2.7", "192.0.2.7:0"),
        ("192.0.2.7, 10.0.0.9", "192.0.2.7:0"),
        ("198.51.100.1, 192.0.2.7, 10.0.0.9", "192.0.2.7:0"),
        ("192.0.2.7:5123, 10.0.0.9:80", "192.0.2.7:5123"),
        ("2001:db8::7,2001:db8:1::5", "[2001:db8::7]:0"),
        ("[2001:db8::7]:99", "[2001:db8::7]:99"),
        ("[2001:db8::7]", "[2001:db8::7]:0"),
        ("::ffff:192.0.2.7", "192.0.2.7:0"),
        ("10.0.0.8, 10.0.0.9", "10.0.0.8:0"),
    ] {
        assert_eq!(seen(&[("X-Forwarded-For", list)]), expected, "{list}");
    }
    assert_eq!(
        seen(&[
            ("X-Forwarded-For", "203.0.113.1"),
            ("x-forwarded-for", "192.0.2.7")
        ]),
        "192.0.2.7:0"
    );
}

#[test]
fn what_is_no_address_ends_the_walk_at_the_last_sure_one() {
    for (list, expected) in [
        ("", "10.0.0.1:4000"),
        ("unknown", "10.0.0.1:4000"),
        ("192.0.2.7, garbage", "10.0.0.1:4000"),
        ("192.0.2.7, garbage, 10.0.0.9", "10.0.0.9:0"),
        ("192.0.2.7, , 10.0.0.9", "10.0.0.9:0"),
        ("192.0.2.999", "10.0.0.1:4000"),
    ] {
        assert_eq!(seen(&[("X-Forwarded-For", list)]), expected, "{list}");
    }
}

#[test]
fn forwarded_is_read_as_rfc_7239_writes_it() {
    for (list, expected) in [
        ("for=192.0.2.43", "192.0.2.43:0"),
        (
            "For=\"[2001:db8:cafe::17]:4711\"",
            "[2001:db8:cafe::17]:4711",
        ),
        ("for=192.0.2.60;proto=http;by=203.0.113.43", "192.0.2.60:0"),
        ("for=192.0.2.43, for=198.51.100.17", "198.51.100.17:0"),
        ("for=192.0.2.43, for=10.0.0.9;proto=https", "192.0.2.43:0"),
        ("for=192.0.2.43, for=unknown", "10.0.0.1:4000"),
        ("for=_secret, for=10.0.0.9", "10.0.0.9:0"),
        ("for=\"_a,for=192.0.2.43\"", "10.0.0.1:4000"),
        ("for=192.0.2.43;for=192.0.2.44", "10.0.0.1:4000"),
        ("for=\"192.0.2.43", "10.0.0.1:4000"),
        ("by=10.0.0.2", "10.0.0.1:4000"),
    ] {
        assert_eq!(seen(&[("Forwarded", list)]), expected, "{list}");
    }
}

#[test]
fn fields_that_contradict_each_other_name_nobody() {
    assert_eq!(
        seen(&[
            ("X-Forwarded-For", "192.0.2.7"),
            ("Forwarded", "for=192.0.2.8")
        ]),
        "10.0.0.1:4000"
    );
    assert_eq!(
        seen(&[
            ("X-Forwarded-For", "192.0.2.7"),
            ("Forwarded", "for=\"192.0.2.7:80\"")
        ]),
        "192.0.2.7:80"
    );
}

#[test]
fn the_last_proxy_says_how_its_client_came() {
    let said = |fields: &[(&str, &str)]| {
        let fields = request::fields(fields);
        let Forwarding { present, https } = forwarding(&fields);
        (present, https)
    };
    assert_eq!(said(&[]), (false, false));
    assert_eq!(said(&[("X-Forwarded-Proto", "https")]), (true, true));
    assert_eq!(said(&[("X-Forwarded-Proto", "https, http")]), (true, false));
    assert_eq!(said(&[("X-Forwarded-For", "192.0.2.7")]), (true, false));
    assert_eq!(
        said(&[("Forwarded", "for=192.0.2.43;proto=https")]),
        (true, true)
    );
}

proptest! {
    #[test]
    fn any_bytes_leave_an_address(values in prop::collection::vec((prop::sample::select(vec!["forwarded", "x-forwarded-for", "x-forwarded-proto"]), "[ -~]{0,60}|[0-9a-f.:,; =\"for\\[\\]]{0,60}"), 0..5)) {
        let fields: Vec<_> = values.iter().map(|(name, value)| Header { name, value: value.as_bytes() }).collect();
        client(&fields, "10.0.0.1:4000".parse().unwrap(), &nets(&["0.0.0.0/0", "::/0"]));
        forwarding(&fields);
    }

    /// Whatever a client writes in front, the address that the proxy appended is the one that counts.
    #[test]
    fn a_client_cannot_choose_its_address(front in "[ -~]{0,60}") {
        let list = format!("{front}, 192.0.2.7");
        prop_assert_eq!(seen(&[("X-Forwarded-For", &list)]), "192.0.2.7:0");
    }
}
