//! Prometheus metrics under the contract's names, collected from the counters at each scrape.
//!
//! Nothing is counted here. Families without labels are always present, also at zero.

mod families;

use std::collections::BTreeMap;
use std::sync::Arc;

use prometheus::core::{Collector, Desc};
use prometheus::proto::{
    Bucket, Counter, Gauge, Histogram, LabelPair, Metric, MetricFamily, MetricType,
};
use prometheus::{Registry, TextEncoder};

use super::{Reconciliation, State};
use crate::awareness::View;
use crate::usage::{BUCKETS, CaptureStats, DurationRow, Snapshot};
use families::FAMILIES;

/// Content type of [`render`] (Prometheus text format 0.0.4).
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Labels of `build_info`.
#[derive(Clone, Debug)]
pub struct BuildInfo {
    /// Version of the crate.
    pub version: String,
    /// Revision of the source.
    pub revision: String,
    /// Release of the running kernel.
    pub kernel: String,
}

/// Collects every family from the state.
pub struct Exporter {
    state: Arc<State>,
    build: BuildInfo,
    descriptions: Vec<Desc>,
}

/// A registry with the exporter in it.
pub fn registry(state: Arc<State>, build: BuildInfo) -> Result<Registry, prometheus::Error> {
    let registry = Registry::new();
    registry.register(Box::new(Exporter::new(state, build)?))?;
    Ok(registry)
}

/// The text that a scrape gets.
pub fn render(registry: &Registry) -> Result<String, prometheus::Error> {
    TextEncoder::new().encode_to_string(&registry.gather())
}

impl Exporter {
    /// Describes the families.
    pub fn new(state: Arc<State>, build: BuildInfo) -> Result<Self, prometheus::Error> {
        let descriptions = FAMILIES
            .iter()
            .map(|family| {
                let labels = family
                    .labels
                    .iter()
                    .map(|label| (*label).to_owned())
                    .collect();
                Desc::new(
                    family.full_name(),
                    family.help.to_owned(),
                    labels,
                    Default::default(),
                )
            })
            .collect::<Result<_, _>>()?;
        Ok(Self {
            state,
            build,
            descriptions,
        })
    }
}

impl Collector for Exporter {
    fn desc(&self) -> Vec<&Desc> {
        self.descriptions.iter().collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let snapshot = self.state.snapshot();
        let capture = self.state.capture();
        let awareness = self.state.awareness();
        let reconciliations = self.state.reconciliations();
        FAMILIES
            .iter()
            .map(|family| {
                let mut samples = Samples {
                    family,
                    metrics: Vec::new(),
                };
                (family.fill)(
                    &mut samples,
                    &Sources {
                        snapshot: &snapshot,
                        capture: &capture,
                        awareness: &awareness,
                        reconciliations: &reconciliations,
                        build: &self.build,
                    },
                );
                samples.finish()
            })
            .collect()
    }
}

struct Sources<'a> {
    snapshot: &'a Snapshot,
    capture: &'a CaptureStats,
    awareness: &'a View,
    reconciliations: &'a BTreeMap<String, Reconciliation>,
    build: &'a BuildInfo,
}

struct Family {
    /// Without the prefix.
    name: &'static str,
    kind: MetricType,
    labels: &'static [&'static str],
    help: &'static str,
    fill: fn(&mut Samples<'_>, &Sources<'_>),
}

impl Family {
    fn full_name(&self) -> String {
        format!("observer_{}", self.name)
    }
}

struct Samples<'a> {
    family: &'a Family,
    metrics: Vec<Metric>,
}

impl Samples<'_> {
    fn add(&mut self, labels: &[&str], value: f64) {
        let mut metric = self.metric(labels);
        if self.family.kind == MetricType::COUNTER {
            let mut counter = Counter::default();
            counter.set_value(value);
            metric.set_counter(counter);
        } else {
            let mut gauge = Gauge::default();
            gauge.set_value(value);
            metric.set_gauge(gauge);
        }
        self.metrics.push(metric);
    }

    fn count(&mut self, labels: &[&str], count: u64) {
        self.add(labels, count as f64);
    }

    fn histogram(&mut self, labels: &[&str], row: &DurationRow) {
        let bucket = |(bound, count): (f64, u64)| {
            let mut bucket = Bucket::default();
            bucket.set_upper_bound(bound);
            bucket.set_cumulative_count(count);
            bucket
        };
        let mut histogram = Histogram::default();
        histogram.set_bucket(
            BUCKETS
                .into_iter()
                .zip(row.cumulative)
                .map(bucket)
                .collect(),
        );
        histogram.set_sample_count(row.count);
        histogram.set_sample_sum(row.sum);
        let mut metric = self.metric(labels);
        metric.set_histogram(histogram);
        self.metrics.push(metric);
    }

    fn metric(&self, values: &[&str]) -> Metric {
        let pair = |(name, value): (&&str, &&str)| {
            let mut pair = LabelPair::default();
            pair.set_name((*name).to_owned());
            pair.set_value((*value).to_owned());
            pair
        };
        Metric::from_label(self.family.labels.iter().zip(values).map(pair).collect())
    }

    fn finish(self) -> MetricFamily {
        let mut family = MetricFamily::default();
        family.set_name(self.family.full_name());
        family.set_help(self.family.help.to_owned());
        family.set_field_type(self.family.kind);
        family.set_metric(self.metrics);
        family
    }
}
