//! From a consumer or a route down to single exchanges, and back.

use super::*;
use crate::daemon::top::seen::Exchange;

#[test]
fn one_goes_from_a_consumer_to_its_exchanges_and_back() {
    let mut state = state(120, 40);
    press(&mut state, "_\n");
    let need = state.need().unwrap();
    assert_eq!(
        (&need.look, need.keys_of.as_deref()),
        (&Look::Incidents, Some("acme"))
    );
    let asked = serde_json::to_string(need.history.as_ref().unwrap()).unwrap();
    assert_eq!(asked, r#"{"window":"1h","consumer":"acme"}"#);
    let key = |key: &str, registered| json!({"consumer": "acme", "key": key, "registered": registered, "first": 1, "last": 1_795_947_300 - 320, "networks": 1, "requests": 9, "success": 0.69});
    let keys = serde_json::from_value(json!([
        key("k-2026-01", true),
        key("k1_4QX7M2ZC5T6JH3WA", false)
    ]));
    let seen = Seen {
        frame: Frame {
            consumers: None,
            ..frame()
        },
        keys: Some(Ok(keys.unwrap())),
        history: Some(Ok(history())),
        ..Seen::default()
    };
    answer(&mut state, &need, seen.clone());
    let row = line(&state, "> k-2026-01");
    for text in ["1,204", "306", "69.0", "5m 20s", "/v1/widgets/{id}"] {
        assert!(row.contains(text), "{text} in {row}");
    }
    // The last hour is not asked for every time, and stays.
    let need = state.need().unwrap();
    assert_eq!(need.history, None);
    answer(
        &mut state,
        &need,
        Seen {
            history: None,
            ..seen
        },
    );
    line(&state, "> k-2026-01");

    // A key's routes, and its exchanges on one of them.
    press(&mut state, "\n");
    let need = state.need().unwrap();
    assert_eq!(
        need.history.as_ref().unwrap().key.as_deref(),
        Some("k-2026-01")
    );
    let seen = Seen {
        frame: frame(),
        history: Some(Ok(history())),
        ..Seen::default()
    };
    answer(&mut state, &need, seen);
    press(&mut state, "\n");
    let need = state.need().unwrap();
    let asked = serde_json::to_string(need.exchanges.as_ref().unwrap()).unwrap();
    assert_eq!(
        asked,
        r#"{"consumer":"acme","key":"k-2026-01","api":"orders","route":"/v1/widgets/{id}"}"#
    );
    let exchange = Exchange {
        time: "2026-11-29T10:15:00.9Z".to_owned(),
        duration_us: 812,
        client: "192.0.2.2:40000".to_owned(),
        method: Some("GET".to_owned()),
        target: Some("/v1/widgets/42".to_owned()),
        status: Some(404),
        outcome: "not_found".to_owned(),
        ..Exchange::default()
    };
    let seen = Seen {
        frame: frame(),
        exchanges: Some(Ok(vec![exchange])),
        ..Seen::default()
    };
    answer(&mut state, &need, seen);
    let row = line(&state, "/v1/widgets/42");
    for text in [
        "10:15:00.900",
        "192.0.2.2:40000",
        "GET",
        "404",
        "not_found",
        "0.8",
    ] {
        assert!(row.contains(text), "{text} in {row}");
    }
    line(
        &state,
        "Consumers > acme > key k-2026-01 > orders /v1/widgets/{id} > exchanges: 1",
    );
    // From the other table: the consumer's exchanges on a route, whatever the key.
    press(&mut state, "<<>\n");
    assert_eq!(state.need().unwrap().exchanges.unwrap().key, None);
    press(&mut state, "<<");
    assert_eq!(state.path(), ["Consumers"]);
}

/// What is said to a view that is not shown any more is not shown in another.
#[test]
fn an_answer_for_another_view_is_of_no_use() {
    let mut state = state(80, 24);
    press(&mut state, "2\n");
    let need = state.need().unwrap();
    assert_eq!(
        need.history.as_ref().unwrap().route.as_deref(),
        Some("/v1/widgets/{id}")
    );
    press(&mut state, "<");
    let late = Seen {
        frame: Frame::default(),
        history: Some(Ok(history())),
        ..Seen::default()
    };
    answer(&mut state, &need, late);
    line(&state, "> orders");
    press(&mut state, "\n");
    let need = state.need().unwrap();
    answer(
        &mut state,
        &need,
        Seen {
            frame: frame(),
            history: Some(Ok(history())),
            ..Seen::default()
        },
    );
    assert_eq!(state.path(), ["Routes", "orders /v1/widgets/{id}"]);
    line(&state, "> acme");
    press(&mut state, "\n");
    assert_eq!(
        state.need().unwrap().exchanges.unwrap().consumer.as_deref(),
        Some("acme")
    );
}
