//! A panel: what it asks, and how the answers look.
//!
//! Each has a description, which says what it shows and when to worry.

mod render;
mod table;

use serde_json::Value;

pub use table::{Column, labels};

/// One square of a board.
pub struct Panel {
    pub title: String,
    description: String,
    kind: Kind,
    pub width: u32,
    pub height: u32,
    unit: Unit,
    levels: Levels,
    targets: Vec<Target>,
    /// The value at the top of a graph whose values have one.
    most: Option<f64>,
}

enum Kind {
    Series {
        stacked: bool,
        bars: bool,
    },
    Stat,
    Table {
        columns: Vec<Column>,
        sorted: String,
    },
    Bars,
    Heatmap,
    Text {
        content: String,
    },
}

/// A query.
pub struct Target {
    expression: String,
    /// The series' name, with labels in double braces.
    legend: String,
    look: Look,
}

/// How the series of a query stand out.
#[derive(Clone, Copy)]
enum Look {
    /// A colour by name of the series.
    Own,
    Colour(&'static str),
    /// What is usual, beside what is.
    Dashed,
}

/// What a number counts, by Grafana's name.
#[derive(Clone, Copy)]
pub enum Unit {
    Count,
    Requests,
    PerSecond,
    Share,
    Seconds,
    Bytes,
    BytesPerSecond,
    None,
}

/// From where on a value is one to worry about.
#[derive(Clone, Copy)]
pub enum Levels {
    /// Nowhere.
    None,
    /// Yellow from the first on, red from the second.
    Above(f64, f64),
    /// Red from here on.
    From(f64),
    /// Yellow below the first, red below the second.
    Below(f64, f64),
}

impl Panel {
    fn new(kind: Kind, title: &str, description: &str, width: u32, height: u32) -> Self {
        Self {
            title: title.to_owned(),
            description: description.to_owned(),
            kind,
            width,
            height,
            unit: Unit::Count,
            levels: Levels::None,
            targets: Vec::new(),
            most: None,
        }
    }

    /// Lines over time, a third of the board wide.
    pub fn series(title: &str, description: &str) -> Self {
        let kind = Kind::Series {
            stacked: false,
            bars: false,
        };
        Self::new(kind, title, description, 8, 8)
    }

    /// One number, as it is now.
    pub fn stat(title: &str, description: &str) -> Self {
        Self::new(Kind::Stat, title, description, 4, 4)
    }

    /// A row for each combination of labels, the largest of the column `sorted` first.
    pub fn table(title: &str, description: &str, columns: Vec<Column>, sorted: &str) -> Self {
        let kind = Kind::Table {
            columns,
            sorted: sorted.to_owned(),
        };
        Self::new(kind, title, description, 24, 9)
    }

    /// A bar for each query.
    pub fn bars(title: &str, description: &str) -> Self {
        Self::new(Kind::Bars, title, description, 8, 8)
    }

    /// Buckets over time; its one query is of a histogram, by `le`.
    pub fn heatmap(title: &str, description: &str) -> Self {
        Self::new(Kind::Heatmap, title, description, 12, 8)
    }

    /// The line above a group of panels, in Markdown.
    pub fn heading(title: &str, content: &str) -> Self {
        let kind = Kind::Text {
            content: format!("**{title}.** {content}"),
        };
        Self::new(kind, "", content, 24, 2)
    }

    /// As wide as this, of 24.
    pub fn wide(mut self, width: u32) -> Self {
        self.width = width;
        self
    }

    /// As high as this.
    pub fn tall(mut self, height: u32) -> Self {
        self.height = height;
        self
    }

    /// What its numbers count.
    pub fn unit(mut self, unit: Unit) -> Self {
        self.unit = unit;
        self
    }

    /// From where on to worry.
    pub fn levels(mut self, levels: Levels) -> Self {
        self.levels = levels;
        self
    }

    /// The top of its scale.
    pub fn most(mut self, most: f64) -> Self {
        self.most = Some(most);
        self
    }

    /// With the series on top of each other.
    pub fn stacked(mut self) -> Self {
        if let Kind::Series { stacked, .. } = &mut self.kind {
            *stacked = true;
        }
        self
    }

    /// With bars on top of each other, for what happens now and then.
    pub fn barred(mut self) -> Self {
        self.kind = Kind::Series {
            stacked: true,
            bars: true,
        };
        self
    }

    /// Asks this, too.
    pub fn ask(mut self, expression: impl Into<String>, legend: &str) -> Self {
        self.targets.push(Target::new(expression, legend));
        self
    }

    /// Asks all of these, too.
    pub fn ask_all(mut self, targets: impl IntoIterator<Item = Target>) -> Self {
        self.targets.extend(targets);
        self
    }

    /// The name of its plugin.
    pub fn plugin(&self) -> &'static str {
        match self.kind {
            Kind::Series { .. } => "timeseries",
            Kind::Stat => "stat",
            Kind::Table { .. } => "table",
            Kind::Bars => "bargauge",
            Kind::Heatmap => "heatmap",
            Kind::Text { .. } => "text",
        }
    }

    /// Whether it asks for nothing.
    pub fn is_text(&self) -> bool {
        matches!(self.kind, Kind::Text { .. })
    }

    /// As Grafana reads it, with this number at this place.
    pub fn json(&self, id: u32, x: u32, y: u32) -> Value {
        render::panel(self, id, x, y)
    }
}

impl Target {
    /// Asks this; `legend` names its series.
    pub fn new(expression: impl Into<String>, legend: &str) -> Self {
        Self {
            expression: expression.into(),
            legend: legend.to_owned(),
            look: Look::Own,
        }
    }

    /// In this colour, whatever the series' name.
    pub fn colour(mut self, colour: &'static str) -> Self {
        self.look = Look::Colour(colour);
        self
    }

    /// As what is usual.
    pub fn dashed(mut self) -> Self {
        self.look = Look::Dashed;
        self
    }
}

impl Unit {
    fn name(self) -> &'static str {
        match self {
            Self::Count => "locale",
            Self::Requests => "reqps",
            Self::PerSecond => "cps",
            Self::Share => "percentunit",
            Self::Seconds => "s",
            Self::Bytes => "bytes",
            Self::BytesPerSecond => "binBps",
            Self::None => "none",
        }
    }

    /// Places after the point, where Grafana's own choice is none to read.
    fn decimals(self) -> Option<u32> {
        matches!(self, Self::Count).then_some(0)
    }
}
