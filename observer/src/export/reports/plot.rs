//! A plot of some columns of a table, as SVG that takes its colours from the page around it.

use plotters::prelude::*;

use super::{Cell, Plot, Table};

/// What is drawn lies between nothing and this: the library counts in points, which have to be numbers of 32 bits.
const MOST: f64 = 1e18;

/// Its size; a page scales it.
const SIZE: (u32, u32) = (760, 220);
/// Labels along the lower edge.
const LABELS: usize = 8;

/// Colours that stand for the page's own: bars, the line over them, words and axes, the grid. A style sheet tells them by these.
const BARS: RGBColor = RGBColor(0x00, 0x00, 0xA1);
const LINE: RGBColor = RGBColor(0x00, 0x00, 0xA2);
const WORDS: RGBColor = RGBColor(0x00, 0x00, 0xA3);
const GRID: RGBColor = RGBColor(0x00, 0x00, 0xA4);

/// The style sheet that gives them the page's.
pub const STYLE: &str = "\
svg [fill=\"#0000A1\"]{fill:var(--bars)}svg [stroke=\"#0000A1\"]{stroke:var(--bars)}
svg [fill=\"#0000A2\"]{fill:var(--line)}svg [stroke=\"#0000A2\"]{stroke:var(--line)}
svg [fill=\"#0000A3\"]{fill:var(--soft)}svg [stroke=\"#0000A3\"]{stroke:var(--soft)}
svg [fill=\"#0000A4\"]{fill:var(--rule)}svg [stroke=\"#0000A4\"]{stroke:var(--rule)}
";

/// Why there is no plot.
#[derive(Debug, thiserror::Error)]
#[error("drawing `{title}`: {why}")]
pub struct PlotError {
    /// Which.
    pub title: String,
    /// What the plotting library said.
    pub why: String,
}

/// Draws a plot. Numbers that are none are no bar, and break no line.
///
/// # Errors
/// What the plotting library refuses.
pub fn svg(plot: &Plot, table: &Table) -> Result<String, PlotError> {
    draw(plot, table).map_err(|error| PlotError {
        title: plot.title.clone(),
        why: error.to_string(),
    })
}

fn draw(plot: &Plot, table: &Table) -> Result<String, Box<dyn std::error::Error>> {
    let first = || table.rows.iter().filter_map(|row| row.first());
    let is_midnight =
        |cell: &Cell| matches!(cell, Cell::Time(second) if second.is_multiple_of(86_400));
    let days = first().all(is_midnight);
    let labels: Vec<String> = first().map(|cell| label(cell, days)).collect();
    let series: Vec<Vec<Option<f64>>> =
        plot.series.iter().map(|name| column(table, name)).collect();
    let most = series
        .iter()
        .flatten()
        .flatten()
        .fold(0.0, |most: f64, one| most.max(*one));
    let width = labels.len() as f64;
    let mut text = String::new();
    {
        let root = SVGBackend::with_string(&mut text, SIZE).into_drawing_area();
        let words = || ("sans-serif", 13).into_font().color(&WORDS);
        let mut chart = ChartBuilder::on(&root)
            .margin(6)
            .x_label_area_size(24)
            .y_label_area_size(64)
            // An axis without length has no places.
            .build_cartesian_2d(
                0.0..width,
                0.0..(if most > 0.0 { most * 1.05 } else { 1.0 }),
            )?;
        chart
            .configure_mesh()
            .disable_x_mesh()
            .light_line_style(TRANSPARENT)
            .bold_line_style(GRID)
            .axis_style(WORDS)
            .label_style(words())
            .x_labels(labels.len().min(LABELS))
            .y_labels(5)
            .x_label_formatter(&|at| {
                let at = at.floor();
                // Between two labels there is nothing to name.
                labels.get(at as usize).cloned().unwrap_or_default()
            })
            .y_label_formatter(&|number| short(*number))
            .draw()?;
        if let Some(bars) = series.first() {
            let bar = |(at, number): (usize, &Option<f64>)| {
                let at = at as f64;
                let corners = [(at + 0.12, 0.0), (at + 0.88, (*number)?)];
                Some(Rectangle::new(corners, BARS.filled()))
            };
            chart.draw_series(bars.iter().enumerate().filter_map(bar))?;
        }
        if let Some(line) = series.get(1) {
            let points: Vec<(f64, f64)> = line
                .iter()
                .enumerate()
                .filter_map(|(at, number)| Some((at as f64 + 0.5, (*number)?)))
                .collect();
            chart.draw_series(LineSeries::new(points, LINE.stroke_width(2)))?;
        }
        root.present()?;
    }
    Ok(text)
}

fn column(table: &Table, name: &str) -> Vec<Option<f64>> {
    let at = table.columns.iter().position(|column| *column == name);
    let cells = table.rows.iter().map(|row| at.and_then(|at| row.get(at)));
    let number = |cell: &Cell| Some(cell.value().as_f64()?.clamp(0.0, MOST));
    cells.map(|cell| cell.and_then(number)).collect()
}

/// The day or the hour of a time; else the text.
fn label(cell: &Cell, days: bool) -> String {
    match cell {
        Cell::Time(second) => {
            let part = if days { 5..10 } else { 11..16 };
            super::plain::time(*second)
                .get(part)
                .unwrap_or_default()
                .to_owned()
        }
        cell => cell.words(""),
    }
}

/// A number as an axis has it.
fn short(number: f64) -> String {
    for (size, unit) in [(1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")] {
        if number >= size {
            return format!("{}{unit}", (number / size * 100.0).round() / 100.0);
        }
    }
    format!("{}", (number * 100.0).round() / 100.0)
}
