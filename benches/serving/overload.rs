//! Twice as many requests as a server can answer: how long those wait that it takes, and how many it turns away.

use std::time::{Duration, Instant};

use blindllama_tests::http::KeptAlive;
use tokio::task::JoinSet;

use crate::{
    load::{Arrival, ask, chat, percentile},
    server::{Model, Server},
    table::{Column, Row},
};

/// Tokens of each answer.
const TOKENS: usize = 64;
/// How long requests keep coming.
const DURATION: Duration = Duration::from_secs(8);
/// Connections that are open before the load begins.
const CONNECTIONS: usize = 256;

/// What one server did under twice the load that it can sustain, `sustained` tokens a second.
pub(crate) async fn overload(server: &Server, model: &Model, sustained: f64) -> Vec<Row> {
    let interval = Duration::from_secs_f64(TOKENS as f64 / (2.0 * sustained));
    let mut idle = Vec::new();
    for _ in 0..CONNECTIONS {
        idle.push(server.connect().await);
    }
    let (mut asked, mut answers, mut turned_away) = (JoinSet::new(), Vec::new(), 0_usize);
    let (started, mut next, mut random) = (Instant::now(), Instant::now(), Arrivals(1));
    let mut took = |(connection, arrival): (KeptAlive, Option<Arrival>), idle: &mut Vec<KeptAlive>| {
        idle.push(connection);
        match arrival {
            Some(arrival) => answers.push(arrival),
            None => turned_away += 1,
        }
    };
    let mut count = 0;
    while started.elapsed() < DURATION {
        tokio::time::sleep_until(next.into()).await;
        next += random.pause(interval);
        while let Some(answer) = asked.try_join_next() {
            took(answer.unwrap(), &mut idle);
        }
        // Servers close what is idle for a while.
        idle.retain(KeptAlive::is_open);
        let mut connection = match idle.pop() {
            Some(connection) => connection,
            None => server.connect().await,
        };
        let request = chat(server.model, (count, 0), TOKENS, true);
        asked.spawn_local(async move {
            let arrival = ask(&mut connection, request).await;
            (connection, arrival)
        });
        count += 1;
    }
    while let Some(answer) = asked.join_next().await {
        took(answer.unwrap(), &mut idle);
    }
    let first: Vec<_> = answers.iter().map(|arrival| arrival.first).collect();
    let gaps: Vec<_> = answers.iter().flat_map(|arrival| arrival.gaps.iter().copied()).collect();
    let row = |what, unit, value| {
        Row::alone([model.name, model.dtype, "overload"], (what, unit), Column::new(server.kind, vec![value]), None)
    };
    let milliseconds = |values: &[Duration], share| percentile(values, share).as_secs_f64() * 1e3;
    vec![
        row("turned away", "%", turned_away as f64 * 100.0 / count as f64),
        row("time to first token, p50", "ms", milliseconds(&first, 0.5)),
        row("time to first token, p99", "ms", milliseconds(&first, 0.99)),
        row("time to first token, p99.9", "ms", milliseconds(&first, 0.999)),
        row("between tokens, p50", "ms", milliseconds(&gaps, 0.5)),
        row("between tokens, p99", "ms", milliseconds(&gaps, 0.99)),
        row("between tokens, p99.9", "ms", milliseconds(&gaps, 0.999)),
    ]
}

/// Requests come as if nobody knew of the others (a Poisson process), and the same in each run.
struct Arrivals(u64);

impl Arrivals {
    fn pause(&mut self, mean: Duration) -> Duration {
        // Knuth's MMIX generator; its upper bits are good enough for a load.
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let uniform = ((self.0 >> 11) as f64 + 1.0) / (1_u64 << 53) as f64;
        mean.mul_f64(-uniform.ln())
    }
}
