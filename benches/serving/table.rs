//! The figures of a run, as a table and as JSON.

use std::fmt::Write as _;

use serde::Serialize;

use crate::{
    cases::{Figure, is_rust_front_end, is_serve},
    server::Kind,
};

/// One figure, of each server, once for each round.
#[derive(Debug, Serialize)]
pub(crate) struct Row {
    pub(crate) model: &'static str,
    pub(crate) dtype: &'static str,
    pub(crate) case: &'static str,
    pub(crate) what: &'static str,
    pub(crate) unit: &'static str,
    pub(crate) servers: Vec<Column>,
    /// Against `vllm serve` and against `vllm-rs`, where they were measured.
    pub(crate) ratios: [Option<Ratio>; 2],
}

#[derive(Debug, Serialize)]
pub(crate) struct Column {
    pub(crate) server: &'static str,
    pub(crate) median: f64,
    /// One for each round, in their order.
    pub(crate) values: Vec<f64>,
    #[serde(skip)]
    pub(crate) kind: Kind,
}

/// The gateway's median to that of the better of a peer's settings.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Ratio {
    pub(crate) ratio: f64,
    pub(crate) goal: f64,
    pub(crate) reached: bool,
}

impl Row {
    pub(crate) fn new(
        [model, dtype, case]: [&'static str; 3],
        figure: &Figure,
        values: impl IntoIterator<Item = (Kind, Vec<f64>)>,
    ) -> Self {
        let column = |(kind, values): (Kind, Vec<f64>)| Column { server: kind.name(), median: median(&values), values, kind };
        let servers: Vec<_> = values.into_iter().map(column).collect();
        let precision = usize::from(dtype == "bfloat16");
        let ours = servers.iter().find(|column| column.kind == Kind::Gateway).map(|column| column.median);
        let ratio = |peer: fn(Kind) -> bool, goal: f64| {
            let medians = servers.iter().filter(|column| peer(column.kind)).map(|column| column.median);
            let ratio = ours? / medians.reduce(|left, right| figure.better.of(left, right))?;
            Some(Ratio { ratio, goal, reached: figure.better.reached(ratio, goal) })
        };
        let ratios = [ratio(is_serve, figure.serve[precision]), ratio(is_rust_front_end, figure.rust_front_end[precision])];
        Self { model, dtype, case, what: figure.what, unit: figure.unit, servers, ratios }
    }

    /// A line for people: median and spread of each server, and the ratios.
    pub(crate) fn line(&self) -> String {
        let mut line = format!("{:9} {:11} {:28}", self.dtype, self.case, format!("{} {}", self.what, self.unit));
        for Column { server, median, values, .. } in &self.servers {
            let (low, high) = values.iter().fold((f64::MAX, f64::MIN), |(low, high), value| (low.min(*value), high.max(*value)));
            let _ = write!(line, " | {server} {} ({}–{})", short(*median), short(low), short(high));
        }
        for (peer, ratio) in ["vllm serve", "vllm-rs"].iter().zip(&self.ratios) {
            if let Some(Ratio { ratio, goal, reached }) = ratio {
                let verdict = if *reached { "reached" } else { "MISSED" };
                let _ = write!(line, " | {ratio:.2}× {peer}, goal {goal:.2}: {verdict}");
            }
        }
        line
    }
}

/// Three digits that count.
fn short(value: f64) -> String {
    match value {
        value if value >= 100.0 => format!("{value:.0}"),
        value if value >= 10.0 => format!("{value:.1}"),
        value => format!("{value:.2}"),
    }
}

pub(crate) fn median(values: &[f64]) -> f64 {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() % 2 {
        1 => values[middle],
        _ => f64::midpoint(values[middle - 1], values[middle]),
    }
}
