//! The gateway against vLLM's own servers: same machine, model, engine settings and load, in turns.
//!
//! `make bench-serving` sets everything up; ../README.md says what is measured, and how.

// A benchmark fails by panicking, and prints what it finds.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

mod bare_loop;
mod cases;
mod chart;
mod comparison;
mod gateway_alone;
mod load;
mod overload;
mod processes;
mod report;
mod server;
mod table;

use std::path::PathBuf;

use clap::Parser;

use cases::{SMOLLM2, TINY};
use comparison::Comparison;
use report::Report;
use server::Model;

const CASES: [&str; 9] = ["64-clients", "16-clients", "1-client", "one-token", "overload", "busy", "proof", "smollm2", "alone"];
const DTYPES: [&str; 2] = ["float32", "bfloat16"];

/// Compares the gateway with vLLM's own servers.
#[derive(Debug, Parser)]
struct Arguments {
    /// Only this case, several times for several. All where left out.
    #[arg(long, value_parser = CASES)]
    only: Vec<String>,
    /// Both where left out.
    #[arg(long, value_parser = DTYPES)]
    dtype: Option<String>,
    /// How often each server is measured.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// The gateway and the bare loop, without the peers.
    #[arg(long)]
    without_peers: bool,
    /// A variable for the gateway, for trying things out.
    #[arg(long, value_name = "NAME=VALUE")]
    gateway: Vec<String>,
    /// Writes all figures and a chart there: <date>-<machine>.json and .svg.
    #[arg(long)]
    results: Option<PathBuf>,
    /// `cargo bench` says so.
    #[arg(long, hide = true)]
    bench: bool,
    /// `cargo test --benches` asks only whether this builds.
    #[arg(long, hide = true)]
    test: bool,
}

impl Arguments {
    fn wants(&self, case: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|only| only == case)
    }
}

fn main() {
    let arguments = Arguments::parse();
    if arguments.test {
        return;
    }
    load::on_own_thread(async || run(&arguments).await);
}

async fn run(arguments: &Arguments) {
    let cores = std::thread::available_parallelism().unwrap().get();
    let mut report = Report::new(arguments.rounds, arguments.results.clone());
    for dtype in DTYPES {
        if arguments.dtype.as_deref().is_some_and(|only| only != dtype) {
            continue;
        }
        let tiny = model("tiny-chat", dtype, 64 << 20, 1, arguments);
        Comparison::new(arguments, &tiny, &TINY).run(&mut report).await;
        let smollm2 = model("smollm2-135m-instruct", dtype, 1 << 30, cores, arguments);
        Comparison::new(arguments, &smollm2, &SMOLLM2).run(&mut report).await;
    }
}

fn model(name: &'static str, dtype: &'static str, kv_cache_bytes: u64, threads: usize, arguments: &Arguments) -> Model {
    let variable = |text: &String| {
        let (name, value) = text.split_once('=').expect("--gateway NAME=VALUE");
        (name.to_owned(), value.to_owned())
    };
    Model { name, dtype, kv_cache_bytes, threads, gateway: arguments.gateway.iter().map(variable).collect() }
}
