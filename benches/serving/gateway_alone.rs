//! What is measured of the gateway without a peer: how busy its engine is, and what the proof costs.

use std::time::{Duration, Instant};

use blindllama_tests::{http::KeptAlive, shim::Shim};
use tokio::{task::spawn_local, time::sleep};

use crate::{
    cases::{Better, SIXTY_FOUR},
    load::{Load, ask, chat, percentile},
    processes::Usage,
    server::{Kind, Model, Server, Trusted},
    table::{Column, Row},
};

/// More than the 64 that are to run at a time: a client that has its answer is gone for a moment.
const BUSY_CLIENTS: usize = 80;
/// How long the engine's work is watched each time.
const WATCH: Duration = Duration::from_millis(500);
/// Answers of one token that are asked for through the shim, and as many past it.
const FIRST_TOKENS: usize = 500;

/// The share of time that the engine spends inside its steps while at least 64 requests run, and what is left for each step:
/// taking requests in, the way into Python and back, handing tokens out.
pub(crate) async fn busy(server: &Server, model: &Model, rounds: usize) -> [Row; 2] {
    let load = Load { clients: BUSY_CLIENTS, answers: 6, ..SIXTY_FOUR };
    let (mut shares, mut around) = (Vec::new(), Vec::new());
    while shares.len() < rounds {
        let (mut connections, mut clients) = (Vec::new(), Vec::new());
        for _ in 0..load.clients {
            connections.push(server.connect().await);
        }
        for (index, connection) in connections.into_iter().enumerate() {
            clients.push(spawn_local(load.client(connection, index, server.model)));
        }
        // Until the first answers, which are shorter, have ended. The last client to begin is then at its second.
        sleep(WATCH * 2).await;
        while shares.len() < rounds {
            let before = (Work::of(server).await, Instant::now());
            sleep(WATCH).await;
            let after = (Work::of(server).await, Instant::now());
            let running = server.metric("blindllama_engine_requests_active").await;
            // Some clients have had all their answers.
            if running < 64.0 || clients.iter().any(|client| client.is_finished()) {
                break;
            }
            let elapsed = (after.1 - before.1).as_secs_f64();
            let stepping = after.0.stepping - before.0.stepping;
            shares.push(stepping / elapsed);
            around.push((elapsed - stepping) * 1e6 / (after.0.steps - before.0.steps));
        }
        for client in clients {
            client.await.unwrap();
        }
    }
    let names = [model.name, model.dtype, "busy"];
    [
        Row::alone(names, ("engine busy share", ""), Column::new(Kind::Gateway, shares), Some((Better::Higher, 0.95))),
        Row::alone(names, ("outside the engine, per step", "µs"), Column::new(Kind::Gateway, around), None),
    ]
}

/// What the engine has done so far.
struct Work {
    steps: f64,
    /// Seconds inside steps.
    stepping: f64,
}

impl Work {
    async fn of(server: &Server) -> Self {
        let stepping = server.metric("blindllama_engine_stepping_seconds_total").await;
        Self { steps: server.metric("blindllama_engine_steps_total").await, stepping }
    }
}

/// What the shim, TLS and receipts cost together: at most all that the shim and the gateway's own threads do.
pub(crate) async fn proof(server: &Server, model: &Model, rounds: usize) -> [Row; 2] {
    let Trusted { machine, policy } = server.machine.as_ref().expect("the gateway's machine");
    let shim = Shim::start(&machine.url(), policy);
    let through_shim = ThroughShim { shim: &shim, server };
    let mut per_frame = Vec::new();
    for _ in 0..rounds {
        per_frame.push(through_shim.processor_time_per_frame().await);
    }
    let mut first = Vec::new();
    for _ in 0..rounds {
        first.push(through_shim.first_token().await);
    }
    let names = [model.name, model.dtype, "proof"];
    let frame = ("shim, TLS, receipts, HTTP per frame", "µs");
    let token = ("shim, TLS, receipts, HTTP before the first token", "ms");
    [
        Row::alone(names, frame, Column::new(Kind::Gateway, per_frame), Some((Better::Lower, 40.0))),
        Row::alone(names, token, Column::new(Kind::Gateway, first), Some((Better::Lower, 1.0))),
    ]
}

struct ThroughShim<'a> {
    shim: &'a Shim,
    server: &'a Server,
}

impl ThroughShim<'_> {
    async fn connect(&self) -> KeptAlive {
        KeptAlive::connect_plain(self.shim.address()).await
    }

    /// Microseconds of all threads of the shim, and of the gateway's but the engine's, for each piece of 64 clients' answers.
    async fn processor_time_per_frame(&self) -> f64 {
        let mut clients = Vec::new();
        let mut connections = Vec::new();
        for _ in 0..SIXTY_FOUR.clients {
            connections.push(self.connect().await);
        }
        let usage = || (Usage::of(self.shim.process.id(), self.server.kind), self.server.usage());
        let before = usage();
        for (index, mut connection) in connections.into_iter().enumerate() {
            let model = self.server.model;
            clients.push(spawn_local(async move {
                let request = chat(model, (index, 0), SIXTY_FOUR.tokens, true);
                ask(&mut connection, request).await.expect("an answer").gaps.len() + 1
            }));
        }
        let mut frames = 0;
        for client in clients {
            frames += client.await.unwrap();
        }
        let after = usage();
        let used = after.0.since(before.0).all + after.1.since(before.1).front_end;
        used.as_secs_f64() * 1e6 / frames as f64
    }

    /// Milliseconds of the median answer of one token through the shim that are not the engine's: what the gateway itself says of
    /// the time from admission to the first token is taken off, as its mean.
    async fn first_token(&self) -> f64 {
        let mut connection = self.connect().await;
        let engine = async || {
            let sum = self.server.metric("blindllama_time_to_first_token_seconds_sum").await;
            (sum, self.server.metric("blindllama_time_to_first_token_seconds_count").await)
        };
        let (before, mut first) = (engine().await, Vec::new());
        for index in 0..FIRST_TOKENS {
            let request = chat(self.server.model, (0, index), 1, true);
            first.push(ask(&mut connection, request).await.expect("an answer").first);
        }
        let after = engine().await;
        let engine = (after.0 - before.0) / (after.1 - before.1);
        (percentile(&first, 0.5).as_secs_f64() - engine) * 1e3
    }
}
