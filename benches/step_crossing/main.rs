//! What the gateway adds to each step of the engine: one crossing from Python to Rust, while which the GIL is held.

// A benchmark fails by panicking.
#![allow(clippy::expect_used)]

use std::path::Path;

use blindllama_engine_vllm::{PythonEnvironment, crossing::Crossing};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

fn crossing(criterion: &mut Criterion) {
    let python = PythonEnvironment::find(Path::new(env!("PYO3_PYTHON"))).expect("`make setup` has made it");
    let mut group = criterion.benchmark_group("step crossing");
    for sequences in [1, 64, 256] {
        let mut engine = Crossing::of(&python, sequences);
        group.throughput(Throughput::Elements(sequences as u64));
        group.bench_function(format!("{sequences} sequences"), |bencher| {
            bencher.iter(|| assert_eq!(engine.step(), sequences));
        });
    }
}

criterion_group!(benches, crossing);
criterion_main!(benches);
