//! What is measured of all servers, and what is aimed at.

use crate::load::{Load, Sample, percentile};

/// A load, and the figures that it gives.
pub(crate) struct Case {
    /// What `--only` names it by.
    pub(crate) name: &'static str,
    pub(crate) load: Load,
    pub(crate) figures: &'static [Figure],
}

/// A figure of a server, and what the gateway's is to be, as a ratio to the better of each peer's two settings.
pub(crate) struct Figure {
    pub(crate) what: &'static str,
    pub(crate) unit: &'static str,
    pub(crate) better: Better,
    /// Against `vllm serve`, in float32 and in bfloat16.
    pub(crate) serve: [f64; 2],
    /// Against `vllm-rs`.
    pub(crate) rust_front_end: [f64; 2],
    pub(crate) of: fn(&Sample) -> f64,
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

const fn tokens_per_second(serve: [f64; 2], rust_front_end: [f64; 2]) -> Figure {
    let of = |sample: &Sample| sample.tokens as f64 / sample.elapsed.as_secs_f64();
    Figure { what: "output tokens/s", unit: "", better: Better::Higher, serve, rust_front_end, of }
}

const FIRST_TOKEN: Figure = Figure {
    what: "time to first token, median",
    unit: "ms",
    better: Better::Lower,
    serve: [0.6; 2],
    rust_front_end: [0.6; 2],
    of: |sample| percentile(&sample.first, 0.5).as_secs_f64() * 1e3,
};

const PROCESSOR_TIME: Figure = Figure {
    what: "processor time per token",
    unit: "µs",
    better: Better::Lower,
    serve: [0.45; 2],
    rust_front_end: [0.6; 2],
    of: |sample| sample.usage.all.as_secs_f64() * 1e6 / sample.tokens as f64,
};

const FRONT_END_TIME: Figure = Figure {
    what: "of that, front end",
    unit: "µs",
    better: Better::Lower,
    serve: [0.1; 2],
    rust_front_end: [0.5; 2],
    of: |sample| sample.usage.front_end.as_secs_f64() * 1e6 / sample.tokens as f64,
};

const ANSWERS: Figure = Figure {
    what: "answers/s",
    unit: "",
    better: Better::Higher,
    serve: [2.0; 2],
    rust_front_end: [2.0; 2],
    of: |sample| sample.answers as f64 / sample.elapsed.as_secs_f64(),
};

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
    Figure {
        what: "start to ready",
        unit: "s",
        better: Better::Lower,
        serve: [0.45; 2],
        rust_front_end: [0.45; 2],
        of: |_| f64::NAN,
    },
    Figure {
        what: "memory, all processes",
        unit: "MiB",
        better: Better::Lower,
        serve: [0.55; 2],
        rust_front_end: [0.55; 2],
        of: |_| f64::NAN,
    },
];
