//! The figures of a run: a line each for people, JSON for machines.

use std::fmt::Write as _;

use serde::Serialize;

use crate::{
    cases::{Better, Figure},
    server::Kind,
};

/// One figure of each server, once for each round.
#[derive(Debug, Serialize)]
pub(crate) struct Row {
    pub(crate) model: &'static str,
    pub(crate) dtype: &'static str,
    pub(crate) case: &'static str,
    pub(crate) what: &'static str,
    pub(crate) unit: &'static str,
    pub(crate) servers: Vec<Column>,
    /// The gateway against others, or against a bound.
    pub(crate) goals: Vec<Goal>,
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

/// What is aimed at, and what it came to.
#[derive(Debug, Serialize)]
pub(crate) struct Goal {
    /// What the gateway's median is divided by.
    pub(crate) against: &'static str,
    pub(crate) ratio: f64,
    pub(crate) goal: f64,
    pub(crate) verdict: Verdict,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Verdict {
    Reached,
    Missed,
    /// Not even the engine without a server is so fast: the busy share counts instead.
    BeyondTheBareLoop,
}

impl Column {
    pub(crate) fn new(kind: Kind, values: Vec<f64>) -> Self {
        Self { server: kind.name(), median: median(&values), values, kind }
    }
}

impl Row {
    /// The figure of several servers.
    pub(crate) fn compared([model, dtype, case]: [&'static str; 3], figure: &Figure, servers: Vec<Column>) -> Self {
        let precision = usize::from(dtype == "bfloat16");
        let median_of = |wanted: fn(Kind) -> bool| {
            let medians = servers.iter().filter(|column| wanted(column.kind)).map(|column| column.median);
            medians.reduce(|left, right| figure.better.of(left, right))
        };
        let bare_loop = median_of(|kind| kind == Kind::BareLoop);
        let goal = |against, wanted: fn(Kind) -> bool, goal: f64| {
            let (ours, peer) = (median_of(|kind| kind == Kind::Gateway)?, median_of(wanted)?);
            let verdict = match figure.better.reached(ours / peer, goal) {
                true => Verdict::Reached,
                false if bare_loop.is_some_and(|bare| !figure.better.reached(bare / peer, goal)) => Verdict::BeyondTheBareLoop,
                false => Verdict::Missed,
            };
            Some(Goal { against, ratio: ours / peer, goal, verdict })
        };
        let goals = [
            goal("vllm serve", |kind| matches!(kind, Kind::Serve(_)), figure.serve[precision]),
            goal("vllm-rs", |kind| matches!(kind, Kind::RustFrontEnd(_)), figure.rust_front_end[precision]),
        ];
        let goals = goals.into_iter().flatten().collect();
        Self { model, dtype, case, what: figure.what, unit: figure.unit, servers, goals }
    }

    /// A figure of one server, which is to be below or above a bound, if there is one.
    pub(crate) fn alone(
        [model, dtype, case]: [&'static str; 3],
        (what, unit): (&'static str, &'static str),
        column: Column,
        bound: Option<(Better, f64)>,
    ) -> Self {
        let goal = |(better, goal): (Better, f64)| {
            let verdict = if better.reached(column.median, goal) { Verdict::Reached } else { Verdict::Missed };
            Goal { against: "bound", ratio: column.median / goal, goal, verdict }
        };
        let goals = bound.map(goal).into_iter().collect();
        Self { model, dtype, case, what, unit, servers: vec![column], goals }
    }

    /// Median and spread of each server, and the goals.
    pub(crate) fn line(&self) -> String {
        let what = format!("{} {}", self.what, self.unit);
        let mut line = format!("{:9} {:12} {what:34}", self.dtype, self.case);
        for Column { server, median, values, .. } in &self.servers {
            let (low, high) = values.iter().fold((f64::MAX, f64::MIN), |(low, high), value| (low.min(*value), high.max(*value)));
            let _ = write!(line, " | {server} {} ({}–{})", short(*median), short(low), short(high));
        }
        for Goal { against, ratio, goal, verdict } in &self.goals {
            let verdict = match verdict {
                Verdict::Reached => "reached",
                Verdict::Missed => "MISSED",
                Verdict::BeyondTheBareLoop => "beyond the bare loop",
            };
            let _ = match *against {
                "bound" => write!(line, " | bound {goal}: {verdict}"),
                peer => write!(line, " | {ratio:.2}× {peer}, goal {goal:.2}: {verdict}"),
            };
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
