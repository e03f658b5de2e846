//! A report for programs: numbers are numbers, what is nothing is null, and times are RFC 3339 in UTC.

use serde_json::{Map, Value, json};

use super::super::plain;
use super::{Report, Section};

/// Writes a report as one JSON object: `title`, `audience`, `from`, `to`, `before`, `written`, `completeness`, `observed`,
/// `complete`, and `sections` of `id`, `heading`, `text`, `caption`, `columns`, `rows` (objects by column) and `plot`.
pub fn json(report: &Report) -> String {
    let time = plain::time;
    let value = json!({
        "title": report.title,
        "audience": report.audience,
        "from": time(report.period.from),
        "to": time(report.period.until),
        "before": {"from": time(report.before.from), "to": time(report.before.until)},
        "written": time(report.written),
        "completeness": report.completeness.value(),
        "observed": report.observed.value(),
        "complete": report.complete,
        "sections": report.sections.iter().map(section).collect::<Vec<_>>(),
    });
    plain::printable(&format!("{value:#}\n"))
}

fn section(section: &Section) -> Value {
    let (caption, columns, rows) = match &section.table {
        None => (Value::Null, Vec::new(), Vec::new()),
        Some(table) => {
            let row = |row: &Vec<super::Cell>| {
                let cells = table.columns.iter().zip(row);
                let fields = cells.map(|(name, cell)| ((*name).to_owned(), cell.value()));
                Value::Object(fields.collect::<Map<_, _>>())
            };
            let caption = Value::from(table.caption.as_str());
            (
                caption,
                table.columns.clone(),
                table.rows.iter().map(row).collect(),
            )
        }
    };
    json!({
        "id": section.id,
        "heading": section.heading,
        "text": section.text,
        "caption": caption,
        "columns": columns,
        "rows": rows,
        "plot": section.plot.as_ref().map(|plot| json!({"title": plot.title, "series": plot.series})),
    })
}
