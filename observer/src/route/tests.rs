//! Requests and the routes that they get.

use proptest::prelude::*;

use super::*;

fn routes() -> Routes {
    Routes::new(Settings::default(), &[]).expect("valid")
}

fn configured(apis: &[Api]) -> Routes {
    Routes::new(Settings::default(), apis).expect("valid")
}

fn get(routes: &mut Routes, target: &str, status: u16) -> String {
    routes
        .resolve("GET", Some("api.example"), target, Some(status))
        .route
        .to_string()
}

const WIDGETS: &str = r#"
openapi: 3.0.3
servers:
  - url: https://api.example/{version}
    variables: { version: { default: v1 } }
x-internal: true
paths:
  x-note: [1, 2]
  /widgets:
    get: { responses: { 200: { description: ok } } }
  /widgets/mine: { get: {} }
  /widgets/{id}: { get: {} }
  /widgets/{id}/parts/{partId}: { get: {} }
  /widgets/mine/colour: { get: {} }
  /reports/{name}.pdf: { get: {} }
  /operations/{id}:cancel: { post: {} }
  /a b: {}
"#;

fn widgets() -> Api {
    Api {
        name: "widgets".into(),
        hosts: vec!["api.example".into(), "*.widgets.example".into()],
        base_path: "/v1".into(),
        openapi: Some(WIDGETS.into()),
        public: vec!["GET /v1/status".into(), "/v1/widgets/{id}".into()],
    }
}

#[test]
fn declared_paths_are_the_routes() {
    let mut routes = configured(&[widgets()]);
    for (target, route) in [
        ("/v1/widgets", "/v1/widgets"),
        ("/v1/widgets?page=2#top", "/v1/widgets"),
        ("/v1/widgets/mine", "/v1/widgets/mine"),
        ("/v1/widgets/blue", "/v1/widgets/{id}"),
        ("/v1/widgets/42/parts/x", "/v1/widgets/{id}/parts/{partId}"),
        // The literal branch has no parts: the templated one answers.
        (
            "/v1/widgets/mine/parts/x",
            "/v1/widgets/{id}/parts/{partId}",
        ),
        ("/v1/widgets/mine/colour", "/v1/widgets/mine/colour"),
        ("/v1/reports/may.pdf", "/v1/reports/{name}.pdf"),
        ("/v1/operations/7:cancel", "/v1/operations/{id}:cancel"),
        ("/v1/a%20b", "/v1/a%20b"),
        ("/v1/reports/.pdf", OTHER),
        ("/v1/reports/may.txt", OTHER),
    ] {
        let found = routes.resolve("GET", Some("API.example:8080"), target, Some(404));
        assert_eq!((&*found.api, &*found.route), ("widgets", route), "{target}");
        assert!(!found.learned);
    }
}

#[test]
fn undeclared_paths_are_learned_from_their_answers() {
    let mut routes = configured(&[widgets()]);
    let shadow = routes.resolve("GET", Some("api.example"), "/v1/debug/7", Some(200));
    assert_eq!((&*shadow.route, shadow.learned), ("/v1/debug/{id}", true));
}

#[test]
fn a_document_says_what_is_declared_and_what_is_deprecated() {
    let document = r#"
openapi: 3.1.0
paths:
  /widgets:
    summary: all of them
    get: { deprecated: false }
    post: { deprecated: true, responses: {} }
    parameters: [{ name: page, in: query, deprecated: true }]
  /widgets/{id}: { get: { deprecated: "yes" }, delete: ~ }
  /old/{id}: { get: { deprecated: true } }
  /nothing: ~
"#;
    let api = Api {
        openapi: Some(document.into()),
        public: Vec::new(),
        ..widgets()
    };
    let mut routes = configured(&[api]);
    let mut standing = |method: &str, target: &str| {
        let resolved = routes.resolve(method, Some("api.example"), target, Some(200));
        resolved.standing
    };
    for (method, target, expected) in [
        ("GET", "/v1/widgets", Standing::Declared),
        ("POST", "/v1/widgets?x=1", Standing::Deprecated),
        ("post", "/v1/widgets", Standing::Declared),
        ("PARAMETERS", "/v1/widgets", Standing::Declared),
        ("GET", "/v1/widgets/7", Standing::Declared),
        ("GET", "/v1/old/7", Standing::Deprecated),
        ("GET", "/v1/nothing", Standing::Declared),
        ("GET", "/v1/debug", Standing::Undeclared),
    ] {
        assert_eq!(
            standing(method, target),
            Some(expected),
            "{method} {target}"
        );
    }
    assert_eq!(standing("OPTIONS", "*"), None);
    assert_eq!(standing("GET", "/v2/widgets"), None, "another API's");
    let [document] = &*routes.documents() else {
        panic!("{:?}", routes.documents());
    };
    let declared: Vec<(&str, bool)> = (document.routes.iter())
        .map(|(route, deprecated)| (&**route, *deprecated))
        .collect();
    assert_eq!(
        declared,
        [
            ("/v1/nothing", false),
            ("/v1/old/{id}", true),
            ("/v1/widgets", true),
            ("/v1/widgets/{id}", false),
        ]
    );
    assert_eq!(self::routes().documents(), []);
}

#[test]
fn hosts_and_base_path_choose_the_api() {
    let wide = Api {
        name: "wide".into(),
        hosts: vec!["api.example".into()],
        ..Api::default()
    };
    let mut routes = configured(&[wide, widgets()]);
    for (host, target, api) in [
        ("api.example", "/v1/widgets", "widgets"),
        ("api.example", "/v10/widgets", "wide"),
        ("eu.widgets.example", "/v1/widgets", "widgets"),
        ("widgets.example", "/v1/widgets", "widgets.example"),
        ("api.example", "*", "wide"),
        ("Other.Example.:81", "/", "other.example"),
        ("192.0.2.1:8080", "/", "192.0.2.1"),
        ("[2001:DB8::1]:80", "/", "[2001:db8::1]"),
        ("", "/", OTHER),
        ("a b", "/", OTHER),
        ("a..b", "/", OTHER),
        ("host:port", "/", OTHER),
        ("[::g]", "/", OTHER),
        (
            "api.example",
            "http://other.example/v1/widgets",
            "other.example",
        ),
    ] {
        assert_eq!(
            &*routes.resolve("GET", Some(host), target, Some(200)).api,
            api,
            "{host} {target}"
        );
    }
    assert_eq!(&*routes.resolve("GET", None, "/", Some(200)).api, OTHER);
}

#[test]
fn a_host_is_stray_where_apis_name_theirs_and_none_of_them_is_meant() {
    let stray = |routes: &mut Routes, host: Option<&str>, target: &str| {
        routes.resolve("GET", host, target, Some(200)).stray
    };
    let mut routes = configured(&[widgets()]);
    for (host, target, expected) in [
        (Some("evil.example"), "/v1/widgets", true),
        (Some("192.0.2.1:8080"), "/v1/widgets", true),
        (Some("api.example"), "http://evil.example/v1/widgets", true),
        (Some("evil.example"), "*", true),
        (Some("API.example.:8080"), "/v1/widgets", false),
        (Some("eu.widgets.example"), "/v1/widgets", false),
        // Its path is nobody's, its host is.
        (Some("api.example"), "/v2/widgets", false),
        (Some("a b"), "/v1/widgets", false),
        (None, "/v1/widgets", false),
    ] {
        assert_eq!(
            stray(&mut routes, host, target),
            expected,
            "{host:?} {target}"
        );
    }
    let any = Api {
        name: "any".into(),
        base_path: "/v1".into(),
        ..Api::default()
    };
    let mut routes = configured(&[widgets(), any.clone()]);
    assert!(
        !stray(&mut routes, Some("evil.example"), "/v1/widgets"),
        "an API for every host is meant"
    );
    assert!(stray(&mut routes, Some("evil.example"), "/v2/widgets"));
    assert!(!stray(
        &mut configured(&[any]),
        Some("evil.example"),
        "/v2/widgets"
    ));
    assert!(!stray(
        &mut self::routes(),
        Some("evil.example"),
        "/v1/widgets"
    ));
}

#[test]
fn public_operations_are_marked() {
    let mut routes = configured(&[widgets()]);
    let mut public = |method: &str, target: &str| {
        routes
            .resolve(method, Some("api.example"), target, Some(200))
            .public
    };
    assert!(public("GET", "/v1/status?full=1"));
    assert!(!public("POST", "/v1/status"));
    assert!(public("PUT", "/v1/widgets/9"));
    assert!(!public("GET", "/v1/widgets"));
}

#[test]
fn identifiers_become_placeholders() {
    for (segment, route) in [
        ("42", "{id}"),
        ("978-3-16-148410-0", "{id}"),
        ("6f1a2b3c-4d5e-6f70-8192-a3b4c5d6e7f8", "{id}"),
        ("deadbeefcafebabe", "{id}"),
        ("01ARZ3NDEKTSV4RRFFQ69G5FAV", "{id}"),
        ("cus_9s6XKzkNRiz8i3", "{id}"),
        ("bot123456:ABC-DEF1234ghIkl", "{id}"),
        ("dGhpcyBpcyBhIHRlc3Q", "{id}"),
        ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln", "{id}"),
        ("192.0.2.7", "{id}"),
        ("2026-11-22", "{date}"),
        ("2026-11", "{date}"),
        ("2026-11-22T10:15:00Z", "{date}"),
        ("ann@example.org", "{email}"),
        ("ann%40example.org", "{email}"),
        ("widgets", "widgets"),
        ("v1", "v1"),
        ("1.0", "1.0"),
        ("oauth2", "oauth2"),
        ("en-US", "en-US"),
        ("@ann", "@ann"),
        ("getUserPreferences", "getUserPreferences"),
        ("subscription-items", "subscription-items"),
        ("oauth2-authorization", "oauth2-authorization"),
        ("jquery-3.6.0.min.js", "jquery-3.6.0.min.js"),
        ("john%20doe", "john%20doe"),
        ("list;session=0123456789abcdef", "list"),
    ] {
        let found = get(&mut routes(), &format!("/v1/{segment}/x"), 200);
        assert_eq!(found, format!("/v1/{route}/x"), "{segment}");
    }
}

#[test]
fn a_path_earns_its_template_and_keeps_it() {
    let mut routes = routes();
    for status in [400, 404, 405, 501] {
        assert_eq!(get(&mut routes, "/v1/widgets/1", status), OTHER);
    }
    assert_eq!(
        &*routes
            .resolve("GET", Some("api.example"), "/v1/widgets/1", None)
            .route,
        OTHER
    );
    assert_eq!(get(&mut routes, "/v1/widgets/1", 200), "/v1/widgets/{id}");
    for status in [400, 404, 405, 500] {
        assert_eq!(
            get(&mut routes, "/v1/widgets/2", status),
            "/v1/widgets/{id}"
        );
    }
    assert_eq!(get(&mut routes, "/v1/widgets/2/nothing", 404), OTHER);
    for status in [301, 401, 403, 429, 500, 503] {
        assert_eq!(
            get(&mut routes, &format!("/failing/{status}x"), status),
            format!("/failing/{status}x")
        );
    }
    assert_eq!(
        get(&mut routes, "/pkg.Service/Method", 200),
        "/pkg.Service/Method"
    );
    assert_eq!(get(&mut routes, "/", 200), "/");
    assert_eq!(get(&mut routes, "/v1/widgets/", 200), "/v1/widgets/");
}

#[test]
fn every_form_of_target_has_a_route() {
    let mut routes = routes();
    let mut route = |method: &str, target: &str| {
        routes
            .resolve(method, Some("api.example"), target, Some(200))
            .route
            .to_string()
    };
    assert_eq!(route("OPTIONS", "*"), "*");
    assert_eq!(route("CONNECT", "other.example:443"), OTHER);
    assert_eq!(route("GET", "http://user@api.example/a?b"), "/a");
    assert_eq!(route("GET", "https://api.example"), "/");
    for hostile in [
        "",
        "a",
        "ftp://x/",
        "/a\tb",
        "/\u{e9}",
        "/<script>",
        "/\"b\"",
        "/a`b",
        "/a\\b",
        "/a|b",
        // Sent so, it would pass for a template.
        "/a/{id}",
        "/a/../b",
        "/.",
        &"/a".repeat(17),
        &"/abcdefgh".repeat(900),
    ] {
        assert_eq!(route("GET", hostile), OTHER, "{hostile}");
    }
}

/// What names that look alike differ in.
const LETTERS: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

#[test]
fn values_that_look_alike_collapse_and_names_stay() {
    let mut routes = routes();
    assert_eq!(
        get(&mut routes, "/users/me/settings", 200),
        "/users/me/settings"
    );
    for letter in LETTERS.chars().take(32) {
        let target = format!("/users/name-{letter}/orders");
        assert_eq!(get(&mut routes, &target, 200), target);
    }
    assert_eq!(routes.collapses(), 0);
    assert_eq!(
        get(&mut routes, "/users/zed/orders", 200),
        "/users/{id}/orders"
    );
    assert_eq!(routes.collapses(), 1);
    assert_eq!(
        get(&mut routes, "/users/name-A/orders", 200),
        "/users/{id}/orders"
    );
    assert_eq!(
        get(&mut routes, "/users/me/settings", 200),
        "/users/me/settings"
    );
    assert_eq!(get(&mut routes, "/users/zed/nothing", 404), OTHER);
}

#[test]
fn resources_that_differ_do_not_collapse() {
    let mut routes = routes();
    for index in 0..60u8 {
        let name = format!(
            "{}{}",
            char::from(b'a' + index % 26),
            char::from(b'p' + index / 26)
        );
        let target = format!("/resource-{name}/{name}-only");
        assert_eq!(get(&mut routes, &target, 200), target);
    }
    assert_eq!(routes.collapses(), 0);
}

#[test]
fn locales_stay_literal_however_many() {
    let mut routes = routes();
    for first in b'a'..=b'z' {
        for second in b'a'..=b'c' {
            let target = format!("/{}{}/docs", char::from(first), char::from(second));
            assert_eq!(get(&mut routes, &target, 200), target);
        }
    }
}

#[test]
fn a_scan_that_is_refused_everywhere_does_not_harm_what_exists() {
    let mut routes = routes();
    assert_eq!(get(&mut routes, "/v1/widgets", 200), "/v1/widgets");
    for index in 0..5_000u32 {
        get(&mut routes, &format!("/v1/w{index}x/y{}", index % 7), 401);
    }
    let (templates, _) = routes.size();
    assert!(templates <= 1 + 250, "{templates}");
    assert!(routes.refused().templates > 0);
    assert_eq!(get(&mut routes, "/v1/widgets", 500), "/v1/widgets");
    assert_eq!(get(&mut routes, "/v1/gadgets", 200), "/v1/gadgets");
    assert_eq!(routes.collapses(), 0);
}

#[test]
fn made_up_hosts_leave_room_for_real_ones() {
    let mut routes = routes();
    for index in 0..1_000 {
        routes.resolve("GET", Some(&format!("h{index}.example")), "/", Some(404));
    }
    assert_eq!(
        &*routes
            .resolve("GET", Some("real.example"), "/", Some(200))
            .api,
        "real.example"
    );
    for index in 0..1_000 {
        routes.resolve("GET", Some(&format!("s{index}.example")), "/", Some(200));
    }
    let late = routes.resolve("GET", Some("late.example"), "/", Some(200));
    assert_eq!((&*late.api, &*late.route), (OTHER, "/"));
    assert!(routes.refused().hosts > 1_800);
}

#[test]
fn a_bad_configuration_says_what_is_wrong() {
    let error = |api: Api| {
        Routes::new(Settings::default(), &[api])
            .expect_err("invalid")
            .to_string()
    };
    let named = || Api {
        name: "orders".into(),
        ..Api::default()
    };
    let document = |text: &str| Api {
        openapi: Some(text.into()),
        ..named()
    };
    assert!(
        error(Api {
            hosts: vec!["a b".into()],
            ..named()
        })
        .contains("\"a b\" is no host name")
    );
    assert!(
        error(Api {
            base_path: "v1".into(),
            ..named()
        })
        .contains("\"v1\" does not start with /")
    );
    assert!(
        error(Api {
            public: vec!["GET status".into()],
            ..named()
        })
        .contains("\"status\"")
    );
    assert!(error(document("swagger: '2.0'\npaths: {}")).contains("version \"2.0\""));
    assert!(error(document("paths: {}")).contains("expected OpenAPI 3"));
    assert!(error(document("openapi: 3.1.0\npaths:\n  '/a}b': {}")).contains("brace"));
    assert!(error(document("{")).contains("JSON"));
    assert!(error(document("a: [")).contains("YAML"));
    let twice = Routes::new(Settings::default(), &[named(), named()]);
    assert_eq!(
        twice.expect_err("twice").to_string(),
        "api \"orders\" is configured twice"
    );
}

#[test]
fn servers_combine_with_the_base_path() {
    for (servers, base_path, route) in [
        ("[]", "", "/pets"),
        ("[]", "/shop", "/shop/pets"),
        ("[{url: /}]", "/shop", "/shop/pets"),
        (
            "[{url: 'https://a.example/shop/v2/'}]",
            "/shop",
            "/shop/v2/pets",
        ),
        ("[{url: /v2}]", "/shop", "/shop/v2/pets"),
        ("[{url: /v2}]", "", "/v2/pets"),
    ] {
        let text = format!("openapi: 3.0\nservers: {servers}\npaths: {{ /pets: {{}} }}");
        let api = Api {
            name: "shop".into(),
            base_path: base_path.into(),
            openapi: Some(text),
            ..Api::default()
        };
        let found = configured(&[api]).resolve("GET", None, route, Some(404));
        assert_eq!(
            (&*found.route, found.learned),
            (route, false),
            "{servers} {base_path}"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Whatever is asked for and answered, memory stays under its bounds and labels stay printable.
    #[test]
    fn random_paths_stay_bounded(
        seeds in prop::collection::vec((any::<u64>(), 0u16..4, 1usize..20), 1..400),
        raw in ".{0,40}",
    ) {
        let settings = Settings { max_templates_per_host: 100, max_nodes: 300, max_hosts: 5, max_children: 8 };
        let mut routes = Routes::new(settings, &[]).expect("valid");
        for (seed, status, depth) in seeds {
            let names: String = (0..depth as u64).map(|level| {
                let name = seed.rotate_left(level as u32 * 7) % 2_000;
                if name % 3 == 0 { format!("/{name}") } else { format!("/n{name}x") }
            }).collect();
            let status = [200, 404, 401, 301][usize::from(status)];
            let host = format!("h{}.example", seed % 11);
            let found = routes.resolve("GET", Some(&host), &names, Some(status));
            prop_assert!(found.route.len() <= 256);
        }
        let (templates, nodes) = routes.size();
        prop_assert!(nodes <= 300 + 16, "{} nodes", nodes);
        prop_assert!(templates <= nodes + 1);
        let found = routes.resolve("GET", Some(&raw), &raw, Some(200));
        prop_assert!(found.route.bytes().all(|byte| byte.is_ascii_graphic()));
        prop_assert!(found.api.bytes().all(|byte| byte.is_ascii_graphic()));
    }

    /// A path that was ever answered with success gives the same route for every later status.
    #[test]
    fn routes_are_stable(path in "(/[a-z0-9]{1,6}){1,4}", status in 100u16..600) {
        let mut routes = routes();
        let first = get(&mut routes, &path, 200);
        prop_assert_eq!(first, get(&mut routes, &path, status));
    }
}

#[test]
fn what_was_learned_outlives_a_restart() {
    let mut routes = routes();
    for letter in LETTERS.chars().take(33) {
        get(&mut routes, &format!("/users/name-{letter}/orders"), 200);
    }
    assert_eq!(routes.collapses(), 1);
    let changes = routes.changes();
    let saved = serde_json::to_string(&routes.saved().collect::<Vec<_>>()).unwrap();

    let mut after = Routes::new(Settings::default(), &[]).unwrap();
    after.restore(serde_json::from_str::<Vec<Saved<Learned>>>(&saved).unwrap());
    assert_eq!(after.size(), routes.size());
    assert_eq!(
        get(&mut after, "/users/another/orders", 404),
        "/users/{id}/orders"
    );
    assert_eq!(routes.changes(), changes);
}
