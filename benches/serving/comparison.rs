//! All servers on one model, each in its turn.

use crate::{
    Arguments,
    bare_loop::BareLoop,
    cases::{ALONE, Case, SIXTY_FOUR},
    gateway_alone,
    load::{Load, Sample},
    overload::overload,
    report::Report,
    server::{Kind, Model, Server, Threads},
    table::{Column, Row},
};

/// With the engine in the gateway's process, and in one of its own.
const GATEWAYS: [Kind; 2] = [Kind::Gateway, Kind::GatewayApart];
const PEERS: [Kind; 4] = [
    Kind::Serve(Threads::Default),
    Kind::Serve(Threads::All),
    Kind::RustFrontEnd(Threads::Default),
    Kind::RustFrontEnd(Threads::All),
];
/// Both of vLLM's servers as they are by default, for what takes long.
const DEFAULTS: [Kind; 3] = [Kind::Gateway, Kind::Serve(Threads::Default), Kind::RustFrontEnd(Threads::Default)];

const TINY_CHAT: &str = "tiny-chat";

/// A server's first load is slower than all others, and its memory grows with it.
const WARM_UP: Load = Load { clients: 16, tokens: 32, answers: 4, stream: true };

/// What is to be measured of one model.
pub(crate) struct Comparison<'a> {
    arguments: &'a Arguments,
    model: &'a Model,
    cases: Vec<&'static Case>,
}

impl<'a> Comparison<'a> {
    pub(crate) fn new(arguments: &'a Arguments, model: &'a Model, cases: &'static [Case]) -> Self {
        Self { arguments, model, cases: cases.iter().filter(|case| arguments.wants(case.name)).collect() }
    }

    /// Measures, and reports each figure as soon as it is there.
    pub(crate) async fn run(&self, report: &mut Report) {
        let tiny = self.model.name == TINY_CHAT;
        let wants = |case| tiny && self.arguments.wants(case);
        // Nothing of it goes by the numbers' format.
        if wants("alone") && self.model.dtype == "float32" {
            self.alone(report).await;
        }
        if self.cases.is_empty() && !["busy", "proof", "overload"].into_iter().any(wants) {
            return;
        }
        let (servers, mut bare_loop) = (self.start().await, BareLoop::start(self.model));
        let gateway = &servers[0];
        gateway.resume().await;
        let prompt_tokens = gateway.prompt_tokens().await;
        gateway.pause();
        for case in &self.cases {
            self.compare(case, &servers, (&mut bare_loop, prompt_tokens), report).await;
        }
        if wants("overload") {
            self.overload(&servers, report).await;
        }
        gateway.resume().await;
        if wants("busy") {
            let rows = gateway_alone::busy(gateway, self.model, self.arguments.rounds).await;
            rows.into_iter().for_each(|row| report.add(row));
        }
        if wants("proof") {
            let rows = gateway_alone::proof(gateway, self.model, self.arguments.rounds).await;
            rows.into_iter().for_each(|row| report.add(row));
        }
    }

    /// Starts all servers, the gateway first, and stops them until it is their turn.
    async fn start(&self) -> Vec<Server> {
        let peers: &[_] = if self.arguments.without_peers { &[] } else { &PEERS };
        let mut servers = Vec::new();
        // What the engine's own process costs is what the tiny model shows.
        let gateways = if self.model.name == TINY_CHAT { &GATEWAYS[..] } else { &GATEWAYS[..1] };
        for kind in gateways.iter().chain(peers) {
            let server = Server::start(*kind, self.model).await;
            eprintln!("{} {} {}: ready", self.model.name, self.model.dtype, kind.name());
            WARM_UP.measure(&server).await;
            server.pause();
            servers.push(server);
        }
        servers
    }

    async fn compare(
        &self,
        case: &'static Case,
        servers: &[Server],
        (bare_loop, prompt_tokens): (&mut BareLoop, usize),
        report: &mut Report,
    ) {
        let mut samples: Vec<Vec<Sample>> = servers.iter().map(|_| Vec::new()).collect();
        let mut bare = Vec::new();
        for round in 0..self.arguments.rounds {
            for turn in 0..servers.len() {
                // Each round begins with another server.
                let index = (round + turn) % servers.len();
                let sample = measured(&servers[index], case.load).await;
                eprintln!(
                    "{} round {round}: {:.0} tokens/s, clients busy {:.0} %, {}",
                    case.name,
                    sample.tokens as f64 / sample.elapsed.as_secs_f64(),
                    sample.clients.as_secs_f64() * 100.0 / sample.elapsed.as_secs_f64(),
                    servers[index].kind.name(),
                );
                samples[index].push(sample);
            }
            bare.push(bare_loop.measure(case.load, prompt_tokens, &samples[0][0]));
        }
        for (figure, of) in case.figures {
            let column = |(server, samples): (&Server, &Vec<Sample>)| Column::new(server.kind, samples.iter().map(of).collect());
            let mut columns: Vec<_> = servers.iter().zip(&samples).map(column).collect();
            if figure.engine_bounds {
                columns.push(Column::new(Kind::BareLoop, bare.iter().map(of).collect()));
            }
            report.add(Row::compared([self.model.name, self.model.dtype, case.name], figure, columns));
        }
    }

    /// Twice the load that each server sustains, for those that run by default.
    async fn overload(&self, servers: &[Server], report: &mut Report) {
        for server in servers.iter().filter(|server| DEFAULTS.contains(&server.kind)) {
            let sample = measured(server, SIXTY_FOUR).await;
            server.resume().await;
            let rows = overload(server, self.model, sample.tokens as f64 / sample.elapsed.as_secs_f64()).await;
            server.pause();
            rows.into_iter().for_each(|row| report.add(row));
        }
    }

    /// Starts servers alone on the machine, again and again.
    async fn alone(&self, report: &mut Report) {
        let kinds: &[_] = if self.arguments.without_peers { &DEFAULTS[..1] } else { &DEFAULTS };
        let mut figures: [Vec<Vec<f64>>; 2] = [vec![Vec::new(); kinds.len()], vec![Vec::new(); kinds.len()]];
        for round in 0..=self.arguments.rounds {
            for (index, kind) in kinds.iter().enumerate() {
                let server = Server::start(*kind, self.model).await;
                WARM_UP.measure(&server).await;
                let memory = server.memory() as f64 / f64::from(1 << 20);
                eprintln!("{} start {round}: {:.1} s, {memory:.0} MiB", kind.name(), server.start.as_secs_f64());
                // The first start finds the disk's cache cold, and no compiled Python.
                if round > 0 {
                    figures[0][index].push(server.start.as_secs_f64());
                    figures[1][index].push(memory);
                }
            }
        }
        for (figure, values) in ALONE.iter().zip(figures) {
            let columns = kinds.iter().zip(values).map(|(kind, values)| Column::new(*kind, values)).collect();
            report.add(Row::compared([self.model.name, self.model.dtype, "alone"], figure, columns));
        }
    }
}

async fn measured(server: &Server, load: Load) -> Sample {
    server.resume().await;
    let sample = load.measure(server).await;
    server.pause();
    sample
}
