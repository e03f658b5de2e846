//! A board: its variables, the links to the others, and panels that flow from left to right.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::panel::Panel;

/// Grafana's format of boards; 10 and 11 read it.
const SCHEMA: u32 = 39;
/// Columns of a board.
const COLUMNS: u32 = 24;
/// What an import asks for.
const INPUT: &str = "DS_PROMETHEUS";

/// Every board, `(uid, title)`, in the order of the links.
const BOARDS: [(&str, &str); 5] = [
    ("observer-overview", "Overview"),
    ("observer-consumer", "Consumer"),
    ("observer-route", "Route"),
    ("observer-security", "Security"),
    ("observer-data-quality", "Data quality"),
];

/// One dashboard.
pub struct Board {
    /// The file's name.
    pub file: &'static str,
    pub uid: &'static str,
    pub description: &'static str,
    pub variables: &'static [Variable],
    pub panels: Vec<Panel>,
}

/// What a reader chooses, beside the data source.
#[derive(Clone, Copy)]
pub enum Variable {
    Instance,
    Consumer,
    Route,
}

impl Variable {
    /// Its name, its title, and where its values come from.
    fn parts(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::Instance => (
                "instance",
                "Instance",
                "label_values(observer_build_info, instance)",
            ),
            Self::Consumer => (
                "consumer",
                "Consumer",
                r#"label_values(observer_http_requests_total{instance=~"$instance"}, consumer)"#,
            ),
            Self::Route => (
                "route",
                "Route",
                r#"label_values(observer_http_requests_total{instance=~"$instance"}, route)"#,
            ),
        }
    }

    /// All is whatever there is, so that what is born while the board is open is on it, and what is away is not forgotten.
    fn json(self) -> Value {
        let (name, title, query) = self.parts();
        json!({
            "name": name,
            "label": title,
            "type": "query",
            "datasource": { "type": "prometheus", "uid": "${datasource}" },
            "definition": query,
            "query": { "qryType": 1, "query": query, "refId": "PrometheusVariableQueryEditor-VariableQuery" },
            "multi": true,
            "includeAll": true,
            "allValue": ".*",
            "current": { "selected": true, "text": ["All"], "value": ["$__all"] },
            "options": [],
            "refresh": 2,
            "regex": "",
            "sort": 1,
            "hide": 0,
            "skipUrlSync": false,
        })
    }
}

impl Board {
    /// The file's content.
    pub fn text(&self) -> String {
        format!("{:#}\n", self.json())
    }

    fn json(&self) -> Value {
        let title = BOARDS.iter().find(|(uid, _)| *uid == self.uid);
        let title = title.map_or(self.uid, |(_, title)| title);
        json!({
            "__inputs": [{
                "name": INPUT,
                "label": "Prometheus",
                "description": "The Prometheus that scrapes observer",
                "type": "datasource",
                "pluginId": "prometheus",
                "pluginName": "Prometheus",
            }],
            "__elements": {},
            "__requires": self.requires(),
            "id": null,
            "uid": self.uid,
            "title": format!("observer: {title}"),
            "description": self.description,
            "tags": ["observer", "api"],
            "schemaVersion": SCHEMA,
            "version": 1,
            "editable": true,
            "graphTooltip": 1,
            "fiscalYearStartMonth": 0,
            "weekStart": "",
            "timezone": "browser",
            "refresh": "30s",
            "time": { "from": "now-6h", "to": "now" },
            "timepicker": {},
            "liveNow": false,
            "annotations": { "list": [] },
            "links": self.links(),
            "templating": { "list": self.variables() },
            "panels": self.panels(),
        })
    }

    fn requires(&self) -> Vec<Value> {
        let plugins: BTreeSet<&str> = self.panels.iter().map(Panel::plugin).collect();
        let panels = plugins
            .iter()
            .map(|plugin| json!({ "type": "panel", "id": plugin, "name": plugin, "version": "" }));
        let around = [
            json!({ "type": "grafana", "id": "grafana", "name": "Grafana", "version": "10.0.0" }),
            json!({ "type": "datasource", "id": "prometheus", "name": "Prometheus", "version": "1.0.0" }),
        ];
        around.into_iter().chain(panels).collect()
    }

    fn links(&self) -> Vec<Value> {
        let others = BOARDS.iter().filter(|(uid, _)| *uid != self.uid);
        others
            .map(|(uid, title)| {
                json!({
                    "type": "link",
                    "title": title,
                    "url": format!("/d/{uid}"),
                    "icon": "dashboard",
                    "tooltip": "",
                    "tags": [],
                    "asDropdown": false,
                    "includeVars": true,
                    "keepTime": true,
                    "targetBlank": false,
                })
            })
            .collect()
    }

    /// The data source is a variable with the import's answer as its value: where a board is provisioned from its file nobody
    /// answers, and Grafana takes its default.
    fn variables(&self) -> Vec<Value> {
        let source = format!("${{{INPUT}}}");
        let source = json!({
            "name": "datasource",
            "label": "Data source",
            "type": "datasource",
            "query": "prometheus",
            "current": { "selected": true, "text": source, "value": source },
            "multi": false,
            "includeAll": false,
            "options": [],
            "refresh": 1,
            "regex": "",
            "hide": 0,
            "skipUrlSync": false,
        });
        let others = self.variables.iter().map(|variable| variable.json());
        std::iter::once(source).chain(others).collect()
    }

    fn panels(&self) -> Vec<Value> {
        let (mut x, mut y, mut height) = (0, 0, 0);
        let numbered = self.panels.iter().zip(1..);
        numbered
            .map(|(panel, id)| {
                if x + panel.width > COLUMNS {
                    (x, y, height) = (0, y + height, 0);
                }
                let value = panel.json(id, x, y);
                x += panel.width;
                height = height.max(panel.height);
                value
            })
            .collect()
    }
}
