//! Building blocks of a metric family.

use portolan_core::UnixTime;
use prometheus::proto::{Counter, Gauge, LabelPair, Metric, MetricFamily, MetricType};

/// One series: its labels and its value.
pub(super) type Row = (Vec<(&'static str, String)>, f64);

/// Families in the making.
#[derive(Default)]
pub(super) struct Families(Vec<MetricFamily>);

impl Families {
    /// Adds a family of gauges; nothing where there is no row.
    pub(super) fn gauge(&mut self, name: &str, help: &str, rows: impl IntoIterator<Item = Row>) {
        let metrics = rows.into_iter().map(|(labels, value)| {
            let mut gauge = Gauge::default();
            gauge.set_value(value);
            let mut metric = Metric::from_label(pairs(labels));
            metric.set_gauge(gauge);
            metric
        });
        self.push(name, help, MetricType::GAUGE, metrics.collect());
    }

    /// Adds a family of counters; nothing where there is no row.
    pub(super) fn counter(&mut self, name: &str, help: &str, rows: impl IntoIterator<Item = Row>) {
        let metrics = rows.into_iter().map(|(labels, value)| {
            let mut counter = Counter::default();
            counter.set_value(value);
            let mut metric = Metric::from_label(pairs(labels));
            metric.set_counter(counter);
            metric
        });
        self.push(name, help, MetricType::COUNTER, metrics.collect());
    }

    /// Adds ready-made families.
    pub(super) fn extend(&mut self, families: Vec<MetricFamily>) {
        self.0.extend(families);
    }

    /// All families by name.
    pub(super) fn into_sorted(mut self) -> Vec<MetricFamily> {
        self.0.sort_by(|a, b| a.name().cmp(b.name()));
        self.0
    }

    fn push(&mut self, name: &str, help: &str, kind: MetricType, metrics: Vec<Metric>) {
        // The encoder refuses a family without series.
        if metrics.is_empty() {
            return;
        }
        let mut family = MetricFamily::default();
        family.set_name(name.to_owned());
        family.set_help(help.to_owned());
        family.set_field_type(kind);
        family.set_metric(metrics);
        self.0.push(family);
    }
}

fn pairs(labels: Vec<(&'static str, String)>) -> Vec<LabelPair> {
    let pair = |(name, value): (&str, String)| {
        let mut pair = LabelPair::default();
        pair.set_name(name.to_owned());
        pair.set_value(value);
        pair
    };
    labels.into_iter().map(pair).collect()
}

/// A count as Prometheus has numbers; exact up to 2^53.
#[expect(clippy::cast_precision_loss, reason = "samples are doubles; counts this large are rates")]
pub(super) fn number(n: impl TryInto<u64>) -> f64 {
    n.try_into().unwrap_or(u64::MAX) as f64
}

/// Seconds since the epoch, with their fraction.
#[expect(clippy::cast_precision_loss, reason = "milliseconds of this era fit a double")]
pub(super) fn seconds(at: UnixTime) -> f64 {
    at.as_millis() as f64 / 1_000.0
}
