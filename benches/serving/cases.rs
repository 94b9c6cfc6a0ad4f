//! What is measured of all servers, and what is aimed at.

use crate::load::{Load, Sample, percentile};

/// A load, and the figures that it gives.
pub(crate) struct Case {
    /// What `--only` names it by.
    pub(crate) name: &'static str,
    pub(crate) load: Load,
    pub(crate) figures: &'static [(Figure, OfSample)],
}

/// Reads a figure off what came.
pub(crate) type OfSample = fn(&Sample) -> f64;

/// A figure of a server, and what the gateway's is to be, as a ratio to the better of each peer's two settings.
pub(crate) struct Figure {
    pub(crate) what: &'static str,
    pub(crate) unit: &'static str,
    pub(crate) better: Better,
    /// Against `vllm serve`, in float32 and in bfloat16.
    pub(crate) serve: [f64; 2],
    /// Against `vllm-rs`.
    pub(crate) rust_front_end: [f64; 2],
    /// Whether the engine without a server has this figure too, which no server betters.
    pub(crate) engine_bounds: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Better {
    Higher,
    Lower,
}

impl Better {
    /// The better of two values.
    pub(crate) fn of(self, left: f64, right: f64) -> f64 {
        match self {
            Self::Higher => left.max(right),
            Self::Lower => left.min(right),
        }
    }

    /// Whether a ratio reaches its goal.
    pub(crate) fn reached(self, ratio: f64, goal: f64) -> bool {
        match self {
            Self::Higher => ratio >= goal,
            Self::Lower => ratio <= goal,
        }
    }
}

impl Figure {
    /// A figure with the same goals in both number formats.
    const fn new(what: &'static str, unit: &'static str, better: Better, serve: f64, rust_front_end: f64) -> Self {
        Self { what, unit, better, serve: [serve; 2], rust_front_end: [rust_front_end; 2], engine_bounds: false }
    }

    const fn bounded_by_the_engine(self) -> Self {
        Self { engine_bounds: true, ..self }
    }
}

const fn tokens_per_second(serve: [f64; 2], rust_front_end: [f64; 2]) -> (Figure, OfSample) {
    let figure = Figure { what: "output tokens/s", unit: "", better: Better::Higher, serve, rust_front_end, engine_bounds: true };
    (figure, |sample| sample.tokens as f64 / sample.elapsed.as_secs_f64())
}

const FIRST_TOKEN: (Figure, OfSample) =
    (Figure::new("time to first token, median", "ms", Better::Lower, 0.6, 0.6).bounded_by_the_engine(), |sample| {
        percentile(&sample.first, 0.5).as_secs_f64() * 1e3
    });

const PROCESSOR_TIME: (Figure, OfSample) = (Figure::new("processor time per token", "µs", Better::Lower, 0.45, 0.6), |sample| {
    sample.usage.all.as_secs_f64() * 1e6 / sample.tokens as f64
});

const FRONT_END_TIME: (Figure, OfSample) = (Figure::new("of that, front end", "µs", Better::Lower, 0.1, 0.5), |sample| {
    sample.usage.front_end.as_secs_f64() * 1e6 / sample.tokens as f64
});

const ANSWERS: (Figure, OfSample) = (Figure::new("answers/s", "", Better::Higher, 2.0, 2.0).bounded_by_the_engine(), |sample| {
    sample.answers as f64 / sample.elapsed.as_secs_f64()
});

const fn streaming(clients: usize, answers: usize) -> Load {
    Load { clients, tokens: 128, answers, stream: true }
}

/// Steady, whole answers: what the other loads take their length from.
pub(crate) const SIXTY_FOUR: Load = streaming(64, 4);

/// The tiny model's cases.
pub(crate) const TINY: [Case; 4] = [
    Case {
        name: "64-clients",
        load: SIXTY_FOUR,
        figures: &[tokens_per_second([2.0, 1.6], [1.5, 2.0]), PROCESSOR_TIME, FRONT_END_TIME, FIRST_TOKEN],
    },
    Case { name: "16-clients", load: streaming(16, 8), figures: &[tokens_per_second([1.5; 2], [1.5; 2])] },
    Case { name: "1-client", load: streaming(1, 8), figures: &[tokens_per_second([1.5; 2], [1.5; 2]), FIRST_TOKEN] },
    Case { name: "one-token", load: Load { clients: 64, tokens: 1, answers: 20, stream: false }, figures: &[ANSWERS] },
];

/// The default model's.
pub(crate) const SMOLLM2: [Case; 1] =
    [Case { name: "smollm2", load: streaming(16, 1), figures: &[tokens_per_second([1.2; 2], [1.2; 2])] }];

/// How long a server takes until it answers, and how much memory it holds after a load; alone on the machine.
pub(crate) const ALONE: [Figure; 2] = [
    Figure::new("start to ready", "s", Better::Lower, 0.45, 0.45),
    Figure::new("memory, all processes", "MiB", Better::Lower, 0.55, 0.55),
];
