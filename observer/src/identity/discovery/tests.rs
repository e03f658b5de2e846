use super::*;
use crate::http::tests as request;
use crate::identity::Pepper;

fn discovery() -> Discovery {
    Discovery::new(Fingerprinter::new(&Pepper::new(&mut [7; 32])))
}

/// Observes a request to the only API there is.
fn observe(discovery: &mut Discovery, target: &str, fields: &[(&str, &str)], status: u16) {
    let fields = request::fields(fields);
    let head = request::head(target, &fields);
    let seen = discovery.look(&head);
    discovery.observe(&"api".into(), seen, status);
}

fn places(discovery: &Discovery) -> Vec<Ranked> {
    let ranked = discovery.ranked().remove(0);
    ranked.1
}

#[test]
fn what_is_refused_when_it_is_absent_comes_first() {
    let mut discovery = discovery();
    for number in 0..200_u32 {
        let key = format!("Zk39fLq0Xw7sPd{:04}", number % 20 * 37);
        let tenant = format!("8d7c6b5a-0000-4000-8000-{:012}", number % 20);
        let id = format!("7f{number:030x}");
        let mut fields = vec![("X-Request-Id", &*id), ("X-Tenant", &tenant)];
        if number % 10 > 0 {
            fields.push(("X-Acme", &key));
        }
        let status = if number % 10 > 0 { 200 } else { 401 };
        observe(&mut discovery, "/v1/a?page=1", &fields, status);
    }
    let places = places(&discovery);
    assert_eq!(places[0].location, "header:x-acme");
    assert_eq!(
        (
            places[0].requests,
            places[0].length,
            places[0].refused_without
        ),
        (180, 18, Some(1.0))
    );
    assert!(places[0].is_proposed() && places[0].score > 4.0 * places[1].score);
    assert_eq!(
        places[0].stanza(),
        "[[identity.credential]]\nheader = \"x-acme\"\n"
    );
}

#[test]
fn a_key_in_a_path_is_a_pattern_that_a_configuration_takes() {
    let mut discovery = discovery();
    for number in 0..200_u32 {
        let target = match number % 10 {
            0 => "/bot/getMe".to_owned(),
            _ => format!(
                "/bot{}:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw/getMe",
                110_201_543 + number % 20
            ),
        };
        let status = if number % 10 == 0 { 401 } else { 200 };
        observe(&mut discovery, &target, &[], status);
    }
    let best = &places(&discovery)[0];
    assert_eq!(best.location, "path:/bot{key}");
    let pattern = crate::identity::PathPattern::parse("/bot{key}").unwrap();
    assert_eq!(pattern.find("/bot1:A/getMe"), Some(4..7));
}

#[test]
fn nothing_is_kept_of_a_value_or_of_a_rare_name() {
    let mut discovery = discovery();
    for number in 0..9 {
        observe(
            &mut discovery,
            &format!("/?canary{number}=canary"),
            &[("x-canary", "canary")],
            200,
        );
    }
    assert!(places(&discovery).is_empty());
    for _ in 0..9 {
        observe(
            &mut discovery,
            "/",
            &[("x-canary", "canary-value"), ("Cookie", "a=canary-value")],
            200,
        );
    }
    let places = places(&discovery);
    assert_eq!(places[0].location, "header:x-canary");
    assert!(!format!("{places:?}{discovery:?}").contains("canary-value"));
}

#[test]
fn bounds_hold() {
    let mut discovery = discovery();
    for number in 0..2 * PLACES {
        observe(&mut discovery, &format!("/?a{number}=1"), &[], 200);
    }
    assert_eq!(discovery.left_out(), PLACES as u64);
    let fields: Vec<_> = (0..200).map(|number| format!("x-{number}")).collect();
    let fields: Vec<_> = fields.iter().map(|name| (&**name, "v")).collect();
    observe(&mut discovery, "/", &fields, 200);
    for number in 0..2 * APIS {
        let api: Arc<str> = format!("api-{number}").into();
        discovery.observe(&api, Sightings(Vec::new()), 200);
    }
    assert_eq!(discovery.ranked().len(), APIS);
}
