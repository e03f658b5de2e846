//! The shipped dashboards, on a daemon with traffic and a Prometheus that scrapes it: what they ask for is there.

#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on stops with what went wrong"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use observer_tests::daemon::{Daemon, KEYS, STRANGER, Setup};
use observer_tests::exported::Exported;
use observer_tests::namespace::Link;
use observer_tests::nginx::Nginx;
use observer_tests::process::{run, wait_for};
use observer_tests::prometheus::Prometheus;
use observer_tests::require::require;
use observer_tests::traffic::{curl, key_field};
use serde_json::Value;

const API: &str = "[[api]]\nname = \"shop\"\nhosts = [\"10.77.0.1\"]\n";
const SHOP: &str = "http://10.77.0.1";
const LIMIT: Duration = Duration::from_secs(10);
/// How long there is traffic: longer than what a rate is taken of.
const TRAFFIC: Duration = Duration::from_secs(20);
/// After which what came in it is learned, by the clock.
const MINUTE: Duration = Duration::from_secs(60);
/// What Grafana puts in for a scrape every second, but for the period.
const PERIODS: [(&str, &str); 2] = [("$__rate_interval", "15s"), ("$__range", "5m")];

/// Panels that may have nothing to show with this traffic, which has no gRPC, loses nothing, and is held against no log; those of
/// programs are empty while kernel.bpf_stats_enabled is 0.
const QUIET: [(&str, &str); 12] = [
    ("consumer.json", "Messages of gRPC"),
    ("route.json", "Messages of gRPC"),
    ("data-quality.json", "Lost events by reason"),
    ("data-quality.json", "Missing bytes by instance"),
    ("data-quality.json", "Dropped by stage and reason"),
    ("data-quality.json", "Series folded by metric"),
    ("data-quality.json", "Rows deleted early"),
    ("data-quality.json", "Last comparison by class"),
    ("data-quality.json", "Time since the last comparison"),
    ("data-quality.json", "Time by program"),
    ("data-quality.json", "Time a run"),
    ("data-quality.json", "Runs by program"),
];

/// The shipped dashboards by the names of their files.
fn boards() -> BTreeMap<String, Value> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../observer/dist/grafana");
    let files = fs::read_dir(folder).expect("the folder of dashboards");
    let boards: BTreeMap<String, Value> = files
        .map(|file| {
            let file = file.expect("a file");
            let text = fs::read_to_string(file.path()).expect("reading a dashboard");
            let name = file.file_name().display().to_string();
            (name, serde_json::from_str(&text).expect("JSON"))
        })
        .collect();
    assert_eq!(boards.len(), 5, "{:?}", boards.keys());
    boards
}

fn list<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    value[name].as_array().map_or(&[], Vec::as_slice)
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_default()
}

/// What is chosen for the variables.
struct Choice(Vec<(String, String)>);

impl Choice {
    /// All of everything, in the words of the board.
    fn all(board: &Value) -> Self {
        let variables = list(&board["templating"], "list").iter();
        let variables = variables.filter(|variable| text(variable, "type") == "query");
        Self(
            variables
                .map(|variable| {
                    (
                        text(variable, "name").to_owned(),
                        text(variable, "allValue").to_owned(),
                    )
                })
                .collect(),
        )
    }

    /// One of each, escaped as Grafana does.
    fn one() -> Self {
        let chosen = [
            ("instance", r"127\\.0\\.0\\.1:9464"),
            ("consumer", "acme"),
            ("route", r"/v1/widgets/\\{id\\}"),
        ];
        Self(
            chosen
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .into(),
        )
    }

    fn put_in(&self, expression: &str) -> String {
        let mut expression = expression.to_owned();
        for (name, value) in PERIODS {
            expression = expression.replace(name, value);
        }
        for (name, value) in &self.0 {
            expression = expression.replace(&format!("${name}"), value);
        }
        assert!(
            !expression.contains('$'),
            "{expression}: a variable is left"
        );
        expression
    }
}

/// The series that a target gets, as its panel would ask for them.
fn series(
    prometheus: &Prometheus<'_>,
    target: &Value,
    expression: &str,
) -> Result<Vec<Value>, String> {
    let mut data = if target["range"] == true {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .expect("a time")
            .as_secs();
        let (start, end) = ((now - 15).to_string(), now.to_string());
        let period = [("start", start.as_str()), ("end", &end), ("step", "1")];
        prometheus.ask(
            "query_range",
            &[&[("query", expression)], &period[..]].concat(),
        )?
    } else {
        prometheus.ask("query", &[("query", expression)])?
    };
    Ok(data["result"]
        .as_array_mut()
        .map(std::mem::take)
        .unwrap_or_default())
}

/// The labels that a panel shows of a target: in the legend, or in columns.
fn shown(panel: &Value, target: &Value) -> BTreeSet<String> {
    if text(panel, "type") == "table" {
        let organized = list(panel, "transformations").iter();
        let titles = organized.filter_map(|step| step["options"]["renameByName"].as_object());
        let columns = titles.flat_map(|titles| titles.keys());
        return columns
            .filter(|name| !name.starts_with("Value"))
            .cloned()
            .collect();
    }
    let parts = text(target, "legendFormat").split("{{").skip(1);
    parts
        .filter_map(|part| Some(part.split_once("}}")?.0.to_owned()))
        .collect()
}

/// Asks for everything on a board; the panels that got something.
fn ask_all(
    prometheus: &Prometheus<'_>,
    exported: &Exported,
    file: &str,
    board: &Value,
    choice: &Choice,
) -> BTreeSet<String> {
    let mut filled = BTreeSet::new();
    for panel in list(board, "panels") {
        let title = text(panel, "title");
        let place = format!("{file}: {title}");
        let targets = list(panel, "targets");
        assert_eq!(
            targets.is_empty(),
            text(panel, "type") == "text",
            "{place}: queries"
        );
        for target in targets {
            let expression = choice.put_in(text(target, "expr"));
            exported.check(&place, &expression);
            let found = series(prometheus, target, &expression)
                .unwrap_or_else(|error| panic!("{place}: {expression}: {error}"));
            for one in &found {
                for label in shown(panel, target) {
                    assert!(
                        one["metric"][&label].is_string(),
                        "{place}: no {label}: {one}"
                    );
                }
            }
            if !found.is_empty() {
                filled.insert(title.to_owned());
            }
        }
    }
    filled
}

/// Values of a variable, as Grafana gets them.
fn values(
    prometheus: &Prometheus<'_>,
    exported: &Exported,
    board: &Value,
    variable: &Value,
) -> Vec<Value> {
    let query = Choice::all(board).put_in(text(&variable["query"], "query"));
    assert_eq!(
        text(variable, "definition"),
        text(&variable["query"], "query")
    );
    let inside = query
        .strip_prefix("label_values(")
        .and_then(|rest| rest.strip_suffix(')'));
    let (metric, label) = inside
        .and_then(|inside| inside.rsplit_once(", "))
        .expect("label_values");
    let metric = if metric.contains('{') {
        metric.to_owned()
    } else {
        format!("{metric}{{}}")
    };
    exported.check("a variable", &format!("max by ({label}) ({metric})"));
    let answer = prometheus.ask(&format!("label/{label}/values"), &[("match[]", &metric)]);
    let values = answer.expect("values");
    values.as_array().cloned().unwrap_or_default()
}

/// Several consumers, errors of each class, requests of nobody, a key in a URL, hops, and TLS that can be read and that cannot.
fn make_traffic(link: &Link) {
    let get = |target: &str, fields: &[&str]| {
        let fields = fields.iter().flat_map(|field| ["-H", *field]);
        let url = format!("{SHOP}{target}");
        let arguments: Vec<&str> = fields.chain([url.as_str()]).collect();
        curl(&link.client, &arguments);
    };
    let (first, _) = KEYS[0];
    for (number, (key, _)) in KEYS.iter().enumerate() {
        let field = key_field(key);
        get(&format!("/v1/widgets/{number}"), &[&field]);
        for target in [
            "/v1/secret",
            "/v1/conflict",
            "/v1/limited",
            "/v1/broken",
            "/v1/moved",
        ] {
            get(target, &[&field]);
        }
    }
    get("/v1/widgets/1", &[]);
    get("/v1/widgets/2", &[&key_field(STRANGER)]);
    get(&format!("/v1/widgets/3?api_key={first}"), &[]);
    let field = key_field(first);
    let relayed = format!("{SHOP}/v1/relayed/{}", std::process::id());
    curl(
        &link.client,
        &["-T", "/etc/hostname", "-H", &field, &relayed],
    );
    curl(
        &link.client,
        &["-k", "-H", &field, "https://10.77.0.1:8443/"],
    );
    let old = [
        "-k",
        "--tls-max",
        "1.0",
        "--tlsv1.0",
        "--ciphers",
        "ALL:@SECLEVEL=0",
    ];
    let address = [
        "--resolve",
        "old.example:8444:10.77.0.1",
        "https://old.example:8444/",
    ];
    curl(&link.client, &[&old[..], &address].concat());
    // Somebody leaves before the answer.
    let mut hasty = link.client.command("curl");
    hasty.args(["-s", "-o", "/dev/null", "--max-time", "0.05", "-H", &field]);
    let slow = hasty
        .arg(format!("{SHOP}/v1/download"))
        .args(["--limit-rate", "1k"]);
    assert!(!slow.status().expect("running curl").success());
}

/// The first event of a series is one, also in a period in which the series was born.
fn every_birth_is_counted(daemon: &Daemon<'_>, prometheus: &Prometheus<'_>) {
    let board = &boards()["security.json"];
    let mut panels = list(board, "panels").iter();
    let panel = panels.find(|panel| text(panel, "title") == "Credentials in URLs");
    let expression = text(&panel.expect("a panel")["targets"][0], "expr");
    let expression = Choice::all(board).put_in(expression);
    let counted = daemon.metrics().sum("observer_url_credentials_total", &[]);
    assert!(counted > 1.0, "{counted}");
    wait_for("the last scrape", LIMIT, || {
        prometheus
            .value(&expression)
            .filter(|shown| *shown == counted)
    });
}

#[test]
fn what_the_dashboards_ask_for_is_there() {
    if !require(&[
        "ip",
        "nsenter",
        "nginx",
        "curl",
        "openssl",
        "prometheus",
        "promtool",
        "prometheus-alertmanager",
    ]) {
        return;
    }
    let link = Link::new();
    let _nginx = Nginx::start(&link.server);
    let _sealed = Nginx::start_tls(&link.server);
    let setup = Setup::new("", API);
    let daemon = setup.start(&link.server);
    let prometheus = Prometheus::start(&link.server);
    wait_for("the first scrape", LIMIT, || {
        prometheus.value("up{job=\"observer\"} == 1")
    });
    run(&mut setup.command(&["limit", "echo", "--rate", "1000/s", "--for", "1m"]));
    // What began before a minute ends is learned then: what goes on after it would be as usual, and no score above zero.
    wait_for("a minute with room for all of it", MINUTE, || {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let second = now.expect("a time").as_secs() % MINUTE.as_secs();
        (second + TRAFFIC.as_secs() < MINUTE.as_secs()).then_some(())
    });
    let begin = Instant::now();
    while begin.elapsed() < TRAFFIC {
        make_traffic(&link);
        thread::sleep(Duration::from_millis(200));
    }
    let told = prometheus.value("count(observer_error_ratio_baseline)");
    assert!(told.is_some(), "no baselines: {}", daemon.log());
    every_birth_is_counted(&daemon, &prometheus);

    let exported = Exported::read(&daemon);
    let mut quiet = BTreeSet::new();
    for (file, board) in &boards() {
        let filled = ask_all(&prometheus, &exported, file, board, &Choice::all(board));
        let asking = list(board, "panels").iter();
        let asking = asking.filter(|panel| text(panel, "type") != "text");
        let empty = asking.map(|panel| text(panel, "title").to_owned());
        let empty = empty.filter(|title| !filled.contains(title));
        quiet.extend(empty.map(|title| (file.clone(), title)));

        let filled = ask_all(&prometheus, &exported, file, board, &Choice::one());
        let needed: &[&str] = match file.as_str() {
            "consumer.json" => &[
                "Requests by consumer",
                "Client errors (4xx)",
                "Completeness by consumer",
            ],
            "route.json" => &[
                "Requests by route",
                "Client errors by route",
                "Durations by quantile",
                "Durations",
            ],
            "data-quality.json" => &["Completeness", "Completeness by instance"],
            "overview.json" => &[
                "Requests by consumer",
                "Error ratio beside its baseline",
                "Durations",
            ],
            _ => &["Credentials in URLs by consumer"],
        };
        for title in needed {
            assert!(
                filled.contains(*title),
                "{file}: {title}: nothing for one of each"
            );
        }
        for variable in list(&board["templating"], "list") {
            if text(variable, "type") == "query" {
                let values = values(&prometheus, &exported, board, variable);
                let chosen = Choice::one().0;
                let chosen = chosen
                    .iter()
                    .find(|(name, _)| name == text(variable, "name"));
                let chosen = chosen.map(|(_, value)| value.replace(r"\\", ""));
                let is_offered = values
                    .iter()
                    .any(|value| value.as_str() == chosen.as_deref());
                assert!(is_offered, "{file}: {variable}: {values:?}");
            }
        }
    }
    quiet.retain(|(file, title)| !QUIET.contains(&(file, title)));
    assert_eq!(quiet, BTreeSet::new(), "panels with nothing to show");
}
