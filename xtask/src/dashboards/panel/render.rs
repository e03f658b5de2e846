//! Panels as Grafana reads them.

use serde_json::{Value, json};

use super::table::{self, Column};
use super::{Kind, Levels, Look, Panel, Target};

/// The version of the panels' options.
const VERSION: &str = "10.0.0";

/// The data source that the board's reader chose.
pub fn source() -> Value {
    json!({ "type": "prometheus", "uid": "${datasource}" })
}

/// The names of queries.
pub fn letters() -> impl Iterator<Item = String> {
    ('A'..='Z').map(String::from)
}

/// Grafana's thresholds.
pub fn steps(levels: Levels) -> Value {
    let step = |colour: &str, value: Option<f64>| json!({ "color": colour, "value": value });
    let steps = match levels {
        Levels::None => vec![step("blue", None)],
        Levels::Above(worry, act) => vec![
            step("green", None),
            step("yellow", Some(worry)),
            step("red", Some(act)),
        ],
        Levels::From(act) => vec![step("green", None), step("red", Some(act))],
        Levels::Below(worry, act) => vec![
            step("red", None),
            step("yellow", Some(act)),
            step("green", Some(worry)),
        ],
    };
    json!({ "mode": "absolute", "steps": steps })
}

/// The panel with this number at this place.
pub fn panel(panel: &Panel, id: u32, x: u32, y: u32) -> Value {
    let mut value = json!({
        "id": id,
        "type": panel.plugin(),
        "title": panel.title,
        "description": panel.description,
        "gridPos": { "x": x, "y": y, "w": panel.width, "h": panel.height },
        "pluginVersion": VERSION,
        "options": options(panel),
    });
    if panel.is_text() {
        value["transparent"] = json!(true);
        return value;
    }
    value["datasource"] = source();
    value["targets"] = targets(panel);
    value["fieldConfig"] = json!({ "defaults": defaults(panel), "overrides": overrides(panel) });
    if let Kind::Table { columns, .. } = &panel.kind {
        value["transformations"] = table::transformations(columns);
    }
    value
}

fn targets(panel: &Panel) -> Value {
    let (format, is_range) = match panel.kind {
        Kind::Table { .. } => ("table", false),
        Kind::Heatmap => ("heatmap", true),
        Kind::Series { .. } => ("time_series", true),
        Kind::Stat | Kind::Bars | Kind::Text { .. } => ("time_series", false),
    };
    let asked: Vec<(&str, &str)> = match &panel.kind {
        Kind::Table { columns, .. } => {
            let asking = columns.iter().filter_map(Column::expression);
            asking.map(|expression| (expression, "")).collect()
        }
        _ => {
            let asking = panel.targets.iter();
            asking
                .map(|target| (target.expression.as_str(), target.legend.as_str()))
                .collect()
        }
    };
    let targets = asked.iter().zip(letters());
    targets
        .map(|((expression, legend), letter)| {
            json!({
                "refId": letter,
                "datasource": source(),
                "editorMode": "code",
                "expr": expression,
                "legendFormat": legend,
                "format": format,
                "range": is_range,
                "instant": !is_range,
            })
        })
        .collect()
}

/// What holds for all of a panel's series.
fn defaults(panel: &Panel) -> Value {
    let colour = match panel.kind {
        Kind::Stat | Kind::Table { .. } => "thresholds",
        _ => "palette-classic-by-name",
    };
    let mut value = json!({
        "unit": panel.unit.name(),
        "color": { "mode": colour },
        "thresholds": steps(panel.levels),
        "mappings": [],
    });
    if let Some(decimals) = panel.unit.decimals() {
        value["decimals"] = json!(decimals);
    }
    match panel.kind {
        Kind::Series { stacked, bars } => {
            value["min"] = json!(0);
            value["custom"] = drawing(panel, stacked, bars);
        }
        Kind::Bars => value["min"] = json!(0),
        Kind::Table { .. } => value["custom"] = json!({ "filterable": true }),
        Kind::Heatmap | Kind::Stat | Kind::Text { .. } => {}
    }
    if let Some(most) = panel.most {
        value["max"] = json!(most);
    }
    value
}

/// How a graph is drawn.
fn drawing(panel: &Panel, stacked: bool, bars: bool) -> Value {
    let (style, opacity) = match (bars, stacked) {
        (true, _) => ("bars", 80),
        (false, true) => ("line", 30),
        (false, false) => ("line", 5),
    };
    let threshold = match panel.levels {
        Levels::None => "off",
        _ => "dashed",
    };
    json!({
        "drawStyle": style,
        "lineInterpolation": "linear",
        "lineWidth": 1,
        "fillOpacity": opacity,
        "pointSize": 4,
        "showPoints": "auto",
        "spanNulls": false,
        "stacking": { "mode": if stacked { "normal" } else { "none" }, "group": "A" },
        "thresholdsStyle": { "mode": threshold },
    })
}

fn overrides(panel: &Panel) -> Vec<Value> {
    if let Kind::Table { columns, .. } = &panel.kind {
        return columns.iter().filter_map(Column::differs).collect();
    }
    let targets = panel.targets.iter().zip(letters());
    targets
        .filter_map(|(target, letter)| {
            let matcher = json!({ "id": "byFrameRefID", "options": letter });
            Some(json!({ "matcher": matcher, "properties": look(target)? }))
        })
        .collect()
}

fn look(target: &Target) -> Option<Value> {
    match target.look {
        Look::Own => None,
        Look::Colour(name) => Some(json!([
            { "id": "color", "value": { "mode": "fixed", "fixedColor": name } },
        ])),
        Look::Dashed => Some(json!([
            { "id": "custom.lineStyle", "value": { "fill": "dash", "dash": [8, 8] } },
            { "id": "custom.fillOpacity", "value": 0 },
        ])),
    }
}

fn options(panel: &Panel) -> Value {
    let last = json!({ "calcs": ["lastNotNull"], "fields": "", "values": false });
    match &panel.kind {
        Kind::Series { .. } => json!({
            "legend": {
                "showLegend": true,
                "displayMode": "table",
                "placement": "bottom",
                "calcs": ["lastNotNull", "max"],
                "sortBy": "Last *",
                "sortDesc": true,
            },
            "tooltip": { "mode": "multi", "sort": "desc" },
        }),
        Kind::Stat => json!({
            "reduceOptions": last,
            "colorMode": "value",
            "graphMode": "none",
            "justifyMode": "auto",
            "orientation": "auto",
            "textMode": "auto",
        }),
        Kind::Bars => json!({
            "reduceOptions": last,
            "displayMode": "basic",
            "orientation": "horizontal",
            "showUnfilled": true,
            "valueMode": "color",
        }),
        Kind::Table { sorted, .. } => json!({
            "showHeader": true,
            "cellHeight": "sm",
            "footer": { "show": false, "reducer": ["sum"], "countRows": false, "fields": "" },
            "sortBy": [{ "displayName": sorted, "desc": true }],
        }),
        Kind::Heatmap => heat(panel),
        Kind::Text { content } => json!({ "mode": "markdown", "content": content }),
    }
}

/// Buckets come from the query; those without a request stay dark.
fn heat(panel: &Panel) -> Value {
    json!({
        "calculate": false,
        "cellGap": 1,
        "cellValues": { "unit": "short", "decimals": 0 },
        "color": {
            "mode": "scheme",
            "scheme": "Oranges",
            "scale": "exponential",
            "exponent": 0.5,
            "fill": "dark-orange",
            "steps": 64,
            "reverse": false,
        },
        "exemplars": { "color": "rgba(255,0,255,0.7)" },
        "filterValues": { "le": 1e-9 },
        "legend": { "show": true },
        "rowsFrame": { "layout": "auto" },
        "showValue": "never",
        "tooltip": { "show": true, "mode": "single", "yHistogram": false, "showColorScale": false },
        "yAxis": { "axisPlacement": "left", "unit": panel.unit.name(), "reverse": false },
    })
}
