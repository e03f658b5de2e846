//! Who may ask, by which name, and for what.

use super::super::super::lock;
use super::super::{Change, Deed};
use super::{listen, state};

/// A name that was pointed here reaches neither what there is to read nor what there is to change.
#[test]
fn another_name_is_refused_but_by_scrapers() {
    let listening = listen(state());
    for path in [
        "/",
        "/page/main.js",
        "/api/v1/usage",
        "/api/v1/look?view=all",
        "/api/v1/session",
    ] {
        let got = listening.get_as("rebound.example", path, "");
        assert_eq!(got.status, 421, "{path}");
        assert!(!got.text().contains("acme"));
        assert_eq!(
            listening.get_as("observer.example", path, "").status,
            200,
            "{path}"
        );
        assert_eq!(listening.get_as("web-1:80", path, "").status, 200, "{path}");
    }
    assert_eq!(
        listening.get_as("rebound.example", "/metrics", "").status,
        421
    );
    let probe = listening.get_as("rebound.example", "/healthz", "");
    assert_ne!(probe.status, 421);
    // Nor may another site's page make this one work, but by a link that somebody follows.
    let host = listening.address.to_string();
    for (fields, status) in [
        (
            "Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: no-cors\r\n",
            403,
        ),
        ("Sec-Fetch-Site: same-site\r\nSec-Fetch-Mode: cors\r\n", 403),
        (
            "Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: navigate\r\n",
            200,
        ),
        (
            "Sec-Fetch-Site: same-origin\r\nSec-Fetch-Mode: cors\r\n",
            200,
        ),
    ] {
        let got = listening.get_as(&host, "/api/v1/usage", fields);
        assert_eq!(got.status, status, "{fields}");
    }
    let hostless = listening.send("GET /api/v1/usage HTTP/1.0\r\n\r\n");
    assert_eq!(hostless.status, 200, "no browser asks like that");
    let changing = listening.send("POST /api/v1/responses HTTP/1.0\r\nContent-Length: 2\r\n\r\n{}");
    assert_eq!(changing.status, 403);
}

#[test]
fn a_change_takes_a_session_of_an_own_page() {
    let listening = listen(state());
    let order = "{\"act\":{\"target\":\"acme\"}}";
    let signed_in = listening.sign_in();
    let json = "Content-Type: application/json\r\n";
    let with = |more: &str| format!("{signed_in}{more}");
    let refused: [(&str, String, u16); 8] = [
        ("nobody", json.to_owned(), 401),
        (
            "a wrong token",
            format!("Authorization: Bearer AAAA\r\n{json}"),
            401,
        ),
        ("a cookie", format!("Cookie: token=x\r\n{json}"), 401),
        (
            "a foreign Origin",
            with("Origin: http://evil.example\r\n"),
            403,
        ),
        (
            "another port's Origin",
            with("Origin: http://127.0.0.1:1\r\n"),
            403,
        ),
        (
            "a page of another site",
            with("Sec-Fetch-Site: cross-site\r\n"),
            403,
        ),
        ("a foreign Host", with("Host: evil.example\r\n"), 421),
        (
            "a rebound name",
            with(
                "Host: evil.example:9464\r\nOrigin: http://evil.example:9464\r\nSec-Fetch-Site: same-origin\r\n",
            ),
            421,
        ),
    ];
    for (who, fields, status) in &refused {
        for (path, body) in [
            ("/api/v1/responses", order),
            ("/api/v1/incidents/0123456789abcdef", "{\"deed\":\"close\"}"),
        ] {
            let got = listening.post(path, fields, body);
            assert_eq!(got.status, *status, "{who}: {}", got.text());
        }
    }
    let form = signed_in.replace("application/json", "text/plain");
    assert_eq!(
        listening.post("/api/v1/responses", &form, order).status,
        415
    );
    let long = format!("\"{}\"", "x".repeat(5_000));
    assert_eq!(
        listening
            .post("/api/v1/responses", &signed_in, &long)
            .status,
        413
    );
    assert_eq!(
        listening.post("/api/v1/responses", &signed_in, "{").status,
        400
    );
    assert!(lock(&listening.notes.0).is_empty(), "nothing was changed");

    let own = with(&format!(
        "Origin: http://{}\r\nSec-Fetch-Site: same-origin\r\n",
        listening.address
    ));
    assert_eq!(listening.post("/api/v1/responses", &own, order).status, 200);
    let body = "{\"deed\":\"suppress\",\"seconds\":60}";
    assert_eq!(
        listening.post("/api/v1/incidents/4f1c", &own, body).status,
        204
    );
    let deed = Deed::Suppress { seconds: 60 };
    let changes = [
        Change::Respond(order.to_owned()),
        Change::Incident {
            id: "4f1c".to_owned(),
            deed,
        },
    ];
    let expected = changes.map(|change| ("root".to_owned(), change));
    assert_eq!(*lock(&listening.notes.0), expected);
}

#[test]
fn a_session_is_shown_and_ends() {
    let listening = listen(state());
    let host = listening.address.to_string();
    let shown = |fields: &str| listening.get_as(&host, "/api/v1/session", fields).json();
    assert_eq!(shown("")["signed_in"], false);
    assert_eq!(shown("")["possible"], true);
    let fields = listening.sign_in();
    assert_eq!(shown(&fields)["user"], "root");
    let ended = listening.send(&format!(
        "DELETE /api/v1/session HTTP/1.1\r\nHost: {host}\r\n{fields}Connection: close\r\n\r\n"
    ));
    assert_eq!(ended.status, 204);
    assert_eq!(shown(&fields)["signed_in"], false);
    assert_eq!(
        listening
            .post("/api/v1/session", "", "{\"ticket\":\"x\"}")
            .status,
        401
    );
    assert_eq!(
        listening.post("/api/v1/session", "", "nonsense").status,
        401
    );
}
