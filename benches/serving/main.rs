//! The gateway against vLLM's own servers: same machine, model, engine settings and load, in turns.
//!
//! `make bench-serving` sets everything up; README.md says what the columns are.

// A benchmark fails by panicking, and prints what it finds.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

mod cases;
mod load;
mod processes;
mod server;
mod table;

use clap::Parser;

use cases::{Case, MEMORY, SMOLLM2, START, TINY};
use server::{Kind, Model, Server, Threads};
use table::Row;

const SERVERS: [Kind; 5] = [
    Kind::Gateway,
    Kind::Serve(Threads::Default),
    Kind::Serve(Threads::All),
    Kind::RustFrontEnd(Threads::Default),
    Kind::RustFrontEnd(Threads::All),
];

/// Compares the gateway with vLLM's own servers.
#[derive(Debug, Parser)]
struct Arguments {
    /// Only this case: 64-clients, 16-clients, 1-client, one-token, start, smollm2. All where left out.
    #[arg(long)]
    only: Vec<String>,
    /// float32 or bfloat16; both where left out.
    #[arg(long)]
    dtype: Option<String>,
    /// How often each server is measured.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// The gateway alone.
    #[arg(long)]
    alone: bool,
    /// A variable for the gateway, for trying things out.
    #[arg(long, value_name = "NAME=VALUE")]
    gateway: Vec<String>,
    /// Writes all figures there, as JSON.
    #[arg(long)]
    json: Option<std::path::PathBuf>,
    /// `cargo bench` says so.
    #[arg(long, hide = true)]
    bench: bool,
    /// `cargo test --benches` asks only whether this builds.
    #[arg(long, hide = true)]
    test: bool,
}

fn main() {
    let arguments = Arguments::parse();
    if arguments.test {
        return;
    }
    let rows = load::on_own_thread(async || run(&arguments).await);
    if let Some(path) = &arguments.json {
        std::fs::write(path, serde_json::to_vec_pretty(&rows).unwrap()).unwrap();
    }
}

async fn run(arguments: &Arguments) -> Vec<Row> {
    let mut rows = Vec::new();
    for dtype in ["float32", "bfloat16"] {
        if arguments.dtype.as_deref().is_some_and(|only| only != dtype) {
            continue;
        }
        rows.extend(compare(arguments, &model("tiny-chat", dtype, arguments), &TINY).await);
        rows.extend(compare(arguments, &model("smollm2-135m-instruct", dtype, arguments), &SMOLLM2).await);
    }
    rows
}

fn model(name: &'static str, dtype: &'static str, arguments: &Arguments) -> Model {
    let kv_cache_bytes = if name == "tiny-chat" { 64 << 20 } else { 1 << 30 };
    let variable = |text: &String| {
        let (name, value) = text.split_once('=').expect("--gateway NAME=VALUE");
        (name.to_owned(), value.to_owned())
    };
    Model { name, dtype, kv_cache_bytes, gateway: arguments.gateway.iter().map(variable).collect() }
}

/// All servers on one model: each case in rounds, in which each server has its turn.
async fn compare(arguments: &Arguments, model: &Model, cases: &'static [Case]) -> Vec<Row> {
    let wanted = |name: &str| arguments.only.is_empty() || arguments.only.iter().any(|only| only == name);
    let cases: Vec<_> = cases.iter().filter(|case| wanted(case.name)).collect();
    if cases.is_empty() {
        return Vec::new();
    }
    let mut servers = Vec::new();
    for kind in if arguments.alone { &SERVERS[..1] } else { &SERVERS } {
        let server = Server::start(*kind, model).await;
        eprintln!("{} {}: ready after {:.1} s", kind.name(), model.dtype, server.start.as_secs_f64());
        server.pause();
        servers.push(server);
    }
    let mut rows = Vec::new();
    for case in cases {
        for row in measure(case, model, &servers, arguments.rounds).await {
            println!("{}", row.line());
            rows.push(row);
        }
    }
    let start = servers.iter().map(|server| (server.kind, vec![server.start.as_secs_f64()]));
    rows.push(Row::new([model.name, model.dtype, "start"], &START, start));
    println!("{}", rows.last().unwrap().line());
    let memory = servers.iter().map(|server| (server.kind, vec![cases::memory(server)]));
    rows.push(Row::new([model.name, model.dtype, "memory"], &MEMORY, memory));
    println!("{}", rows.last().unwrap().line());
    rows
}

async fn measure(case: &'static Case, model: &Model, servers: &[Server], rounds: usize) -> Vec<Row> {
    let mut samples: Vec<Vec<_>> = servers.iter().map(|_| Vec::new()).collect();
    for round in 0..rounds {
        for turn in 0..servers.len() {
            // Each round begins with another server.
            let index = (round + turn) % servers.len();
            servers[index].resume();
            let sample = case.load.measure(&servers[index], model.name).await;
            servers[index].pause();
            eprintln!(
                "{} {} round {round}: {:.0} tokens/s, clients busy {:.0} %",
                case.name,
                servers[index].kind.name(),
                sample.tokens as f64 / sample.elapsed.as_secs_f64(),
                cases::clients_share(&sample) * 100.0
            );
            samples[index].push(sample);
        }
    }
    let names = [model.name, model.dtype, case.name];
    let row = |figure| {
        let values = |samples: &Vec<_>| samples.iter().map(|sample| cases::Figure::of(figure, sample)).collect();
        Row::new(names, figure, servers.iter().zip(&samples).map(|(server, samples)| (server.kind, values(samples))))
    };
    case.figures.iter().map(row).collect()
}
