//! A page of metrics in the Prometheus text format, read back.

use std::collections::BTreeMap;

/// One sample: name, labels, value.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// With its prefix.
    pub name: String,
    /// By name.
    pub labels: BTreeMap<String, String>,
    /// The number.
    pub value: f64,
}

/// All samples of a page.
#[derive(Clone, Debug, Default)]
pub struct Metrics(pub Vec<Sample>);

impl Metrics {
    /// Reads a page.
    ///
    /// # Panics
    /// When a line is no sample.
    pub fn parse(page: &str) -> Self {
        Self(
            page.lines()
                .filter(|line| !line.starts_with('#') && !line.is_empty())
                .map(|line| sample(line).unwrap_or_else(|| panic!("no sample: {line}")))
                .collect(),
        )
    }

    /// The samples of one family.
    pub fn family<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Sample> {
        self.0.iter().filter(move |sample| sample.name == name)
    }

    /// The sum of a family's samples that carry these labels.
    pub fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        self.family(name)
            .filter(|sample| {
                labels
                    .iter()
                    .all(|(label, value)| sample.label(label) == *value)
            })
            .map(|sample| sample.value)
            .sum()
    }
}

impl Sample {
    /// A label's value; empty where there is none.
    pub fn label(&self, name: &str) -> &str {
        self.labels.get(name).map_or("", String::as_str)
    }
}

fn sample(line: &str) -> Option<Sample> {
    let (series, value) = line.rsplit_once(' ')?;
    let (name, labels) = match series.split_once('{') {
        Some((name, labels)) => (name, labels.strip_suffix('}')?),
        None => (series, ""),
    };
    let mut rest = labels;
    let mut labels = BTreeMap::new();
    while let Some((label, quoted)) = rest.split_once("=\"") {
        let mut text = String::new();
        let mut characters = quoted.char_indices();
        let end = loop {
            match characters.next()? {
                (at, '"') => break at,
                (_, '\\') => text.push(match characters.next()?.1 {
                    'n' => '\n',
                    other => other,
                }),
                (_, other) => text.push(other),
            }
        };
        labels.insert(label.trim_start_matches(',').to_owned(), text);
        rest = quoted.get(end + 1..)?;
    }
    Some(Sample {
        name: name.to_owned(),
        labels,
        value: value.parse().ok()?,
    })
}
