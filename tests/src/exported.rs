//! What there is to ask for: the metrics of the page and of README.md, with their labels.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use crate::daemon::Daemon;
use crate::metrics::Metrics;
use crate::promql::{OF_TARGETS, readings};

/// Prometheus's own metrics, which have no labels but the target's.
const OF_PROMETHEUS: [&str; 2] = ["up", "scrape_duration_seconds"];

/// Metrics with their labels, from the table of README.md: `a`, `b` | labels of both, or of each in turn after a semicolon.
/// What stands in parentheses or after a colon says what the values are.
fn documented() -> BTreeMap<String, BTreeSet<String>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md");
    let readme = fs::read_to_string(path).expect("reading README.md");
    let (_, table) = readme.split_once("| name | labels |").expect("the table");
    let rows = table
        .lines()
        .skip(2)
        .take_while(|line| line.starts_with('|'));
    let mut metrics = BTreeMap::new();
    for row in rows {
        let mut cells = row.trim_matches('|').split('|');
        let (names, labels) = (
            cells.next().expect("names"),
            cells.next().unwrap_or_default(),
        );
        let names: Vec<&str> = names
            .split(',')
            .map(|name| name.trim().trim_matches('`'))
            .collect();
        let labels = without_parentheses(labels);
        let parts: Vec<BTreeSet<String>> = labels.split(';').map(names_of_labels).collect();
        for (number, name) in names.iter().enumerate() {
            let of = if names.len() == parts.len() {
                parts[number].clone()
            } else {
                parts.iter().flatten().cloned().collect()
            };
            metrics.insert(format!("observer_{name}"), of);
        }
    }
    metrics
}

fn without_parentheses(text: &str) -> String {
    let mut depth = 0;
    let kept = text.chars().filter(|c| {
        depth += i32::from(*c == '(');
        let is_outside = depth == 0;
        depth -= i32::from(*c == ')');
        is_outside
    });
    kept.collect()
}

fn names_of_labels(text: &str) -> BTreeSet<String> {
    let (names, _) = text.split_once(':').unwrap_or((text, ""));
    let is_name = |name: &&str| {
        !name.is_empty()
            && name
                .chars()
                .all(|c| matches!(c, 'a'..='z' | '0'..='9' | '_'))
    };
    let names = names.split(',').map(str::trim).filter(is_name);
    names.map(str::to_owned).collect()
}

/// What the daemon exports: the types of its families, and the labels of those that have samples.
#[derive(Debug)]
pub struct Exported {
    types: BTreeMap<String, String>,
    labels: BTreeMap<String, BTreeSet<String>>,
    documented: BTreeMap<String, BTreeSet<String>>,
}

impl Exported {
    /// Reads the page, and holds the table of README.md against it.
    ///
    /// # Panics
    /// Where they differ.
    pub fn read(daemon: &Daemon<'_>) -> Self {
        let (status, page) = daemon.get("/metrics").expect("the page");
        assert_eq!(status, 200);
        let types = page.lines().filter_map(|line| {
            let (name, kind) = line.strip_prefix("# TYPE ")?.split_once(' ')?;
            Some((name.to_owned(), kind.to_owned()))
        });
        let types: BTreeMap<String, String> = types.collect();
        let mut labels: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for sample in Metrics::parse(&page).0 {
            let family = labels.entry(sample.name).or_default();
            family.extend(sample.labels.into_keys());
        }
        let exported = Self {
            types,
            labels,
            documented: documented(),
        };
        // Whoever reads the table has to find there what is on the page.
        for (family, kind) in &exported.types {
            let sample = match kind.as_str() {
                "histogram" => format!("{family}_count"),
                _ => family.clone(),
            };
            assert_eq!(
                exported.documented.get(family),
                exported.labels.get(&sample),
                "{family}: README.md, and the page"
            );
        }
        exported
    }

    /// The labels of a metric, of the table where the page has no sample; `None` where there is no such metric.
    fn labels(&self, metric: &str) -> Option<BTreeSet<String>> {
        if OF_PROMETHEUS.contains(&metric) {
            return Some(BTreeSet::new());
        }
        if let Some(labels) = self.labels.get(metric) {
            return Some(labels.clone());
        }
        assert!(
            !self.types.contains_key(metric),
            "{metric}: a histogram, or empty"
        );
        self.documented.get(metric).cloned()
    }

    /// Fails unless every metric of an expression is exported, and has the labels that the expression expects.
    ///
    /// # Panics
    /// As it says, with `place` before it.
    pub fn check(&self, place: &str, expression: &str) {
        let readings = readings(expression);
        assert!(!readings.is_empty(), "{place}: reads nothing: {expression}");
        for reading in readings {
            let metric = &reading.metric;
            let labels = self.labels(metric);
            let labels = labels.unwrap_or_else(|| panic!("{place}: {metric} is not exported"));
            let strange: Vec<&String> = reading
                .labels
                .iter()
                .filter(|label| !OF_TARGETS.contains(&label.as_str()))
                .filter(|label| !labels.contains(*label))
                .collect();
            assert!(
                strange.is_empty(),
                "{place}: {metric} has no {strange:?}, only {labels:?}"
            );
        }
    }
}
