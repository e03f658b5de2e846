//! The columns of a table: labels first, then a query each.

use serde_json::{Value, json};

use super::render;
use super::{Levels, Unit};

/// A column.
pub enum Column {
    /// The values of a label.
    Label {
        label: &'static str,
        title: &'static str,
    },
    /// The answers to a query. Those with equal labels share a row.
    Query {
        title: &'static str,
        expression: String,
        unit: Unit,
        levels: Levels,
    },
}

/// Columns for these labels, `(label, title)`.
pub fn labels(labels: &[(&'static str, &'static str)]) -> Vec<Column> {
    let columns = labels.iter();
    columns
        .map(|&(label, title)| Column::Label { label, title })
        .collect()
}

impl Column {
    /// One that asks.
    pub fn query(
        title: &'static str,
        expression: impl Into<String>,
        unit: Unit,
        levels: Levels,
    ) -> Self {
        Self::Query {
            title,
            expression: expression.into(),
            unit,
            levels,
        }
    }

    /// What it asks.
    pub fn expression(&self) -> Option<&str> {
        match self {
            Self::Label { .. } => None,
            Self::Query { expression, .. } => Some(expression),
        }
    }

    /// How it differs from other columns; nothing where it does not.
    pub fn differs(&self) -> Option<Value> {
        let (title, properties) = match self {
            Self::Label { label, title } => (title, vec![link(label)?]),
            Self::Query {
                title,
                unit,
                levels,
                ..
            } => (title, number(*unit, *levels)),
        };
        Some(json!({
            "matcher": { "id": "byName", "options": title },
            "properties": properties,
        }))
    }
}

/// A consumer and a route lead to their board.
fn link(label: &str) -> Option<Value> {
    if !matches!(label, "consumer" | "route") {
        return None;
    }
    let url = format!(
        "/d/observer-{label}?${{__url_time_range}}&${{datasource:queryparam}}&${{instance:queryparam}}\
         &var-{label}=${{__value.raw}}"
    );
    let links = json!([{ "title": format!("Show this {label}"), "url": url }]);
    Some(json!({ "id": "links", "value": links }))
}

fn number(unit: Unit, levels: Levels) -> Vec<Value> {
    let mut properties = vec![json!({ "id": "unit", "value": unit.name() })];
    if let Some(decimals) = unit.decimals() {
        properties.push(json!({ "id": "decimals", "value": decimals }));
    }
    if !matches!(levels, Levels::None) {
        let cell = json!({ "type": "color-text" });
        properties.push(json!({ "id": "custom.cellOptions", "value": cell }));
        properties.push(json!({ "id": "color", "value": { "mode": "thresholds" } }));
        properties.push(json!({ "id": "thresholds", "value": render::steps(levels) }));
    }
    properties
}

/// Joins the answers to one table, and names its columns in order.
pub fn transformations(columns: &[Column]) -> Value {
    let queries = columns
        .iter()
        .filter(|column| column.expression().is_some());
    let is_alone = queries.count() == 1;
    let mut letters = render::letters();
    let (mut titles, mut places) = (json!({}), json!({}));
    for (place, column) in columns.iter().enumerate() {
        let (name, title) = match column {
            Column::Label { label, title } => ((*label).to_owned(), title),
            Column::Query { title, .. } if is_alone => ("Value".to_owned(), title),
            Column::Query { title, .. } => {
                let letter = letters.next().unwrap_or_default();
                (format!("Value #{letter}"), title)
            }
        };
        titles[name.as_str()] = json!(title);
        places[name.as_str()] = json!(place);
    }
    json!([
        { "id": "merge", "options": {} },
        {
            "id": "organize",
            "options": {
                "excludeByName": { "Time": true },
                "indexByName": places,
                "renameByName": titles,
            },
        },
    ])
}
