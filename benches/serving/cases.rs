//! What is measured, and what is aimed at.

use crate::{
    load::{Load, Sample, percentile},
    server::{Kind, Server},
};

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
    value: fn(&Sample) -> f64,
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
    Figure {
        what: "output tokens/s",
        unit: "",
        better: Better::Higher,
        serve,
        rust_front_end,
        value: |sample| sample.tokens as f64 / sample.elapsed.as_secs_f64(),
    }
}

const FIRST_TOKEN: Figure = Figure {
    what: "time to first token, median",
    unit: "ms",
    better: Better::Lower,
    serve: [0.6; 2],
    rust_front_end: [0.6; 2],
    value: |sample| percentile(&sample.first, 0.5).as_secs_f64() * 1e3,
};

const PROCESSOR_TIME: Figure = Figure {
    what: "processor time per token",
    unit: "µs",
    better: Better::Lower,
    serve: [0.45; 2],
    rust_front_end: [0.6; 2],
    value: |sample| sample.usage.all.as_secs_f64() * 1e6 / sample.tokens as f64,
};

const FRONT_END_TIME: Figure = Figure {
    what: "of that, front end",
    unit: "µs",
    better: Better::Lower,
    serve: [0.1; 2],
    rust_front_end: [0.5; 2],
    value: |sample| sample.usage.front_end.as_secs_f64() * 1e6 / sample.tokens as f64,
};

const ANSWERS: Figure = Figure {
    what: "answers/s",
    unit: "",
    better: Better::Higher,
    serve: [2.0; 2],
    rust_front_end: [2.0; 2],
    value: |sample| sample.answers as f64 / sample.elapsed.as_secs_f64(),
};

/// Share of the time in which the clients' thread ran: near 1 it is the clients that are measured.
pub(crate) fn clients_share(sample: &Sample) -> f64 {
    sample.clients.as_secs_f64() / sample.elapsed.as_secs_f64()
}

const fn streaming(clients: usize, answers: usize) -> Load {
    Load { clients, tokens: 128, answers, stream: true }
}

/// The tiny model's cases.
pub(crate) const TINY: [Case; 4] = [
    Case {
        name: "64-clients",
        load: streaming(64, 4),
        figures: &[tokens_per_second([2.0, 1.6], [1.5, 2.0]), PROCESSOR_TIME, FRONT_END_TIME, FIRST_TOKEN],
    },
    Case { name: "16-clients", load: streaming(16, 8), figures: &[tokens_per_second([1.5; 2], [1.5; 2])] },
    Case { name: "1-client", load: streaming(1, 16), figures: &[tokens_per_second([1.5; 2], [1.5; 2]), FIRST_TOKEN] },
    Case {
        name: "one-token",
        load: Load { clients: 64, tokens: 1, answers: 20, stream: false },
        figures: &[ANSWERS],
    },
];

/// The default model's.
pub(crate) const SMOLLM2: [Case; 1] =
    [Case { name: "smollm2", load: streaming(16, 2), figures: &[tokens_per_second([1.2; 2], [1.2; 2])] }];

impl Figure {
    pub(crate) fn of(&self, sample: &Sample) -> f64 {
        (self.value)(sample)
    }
}

/// How long a server took until it answered.
pub(crate) const START: Figure = Figure {
    what: "start to ready",
    unit: "s",
    better: Better::Lower,
    serve: [0.45; 2],
    rust_front_end: [0.45; 2],
    value: |_| f64::NAN,
};

/// How much memory it holds after all that.
pub(crate) const MEMORY: Figure = Figure {
    what: "memory, all processes",
    unit: "MiB",
    better: Better::Lower,
    serve: [0.55; 2],
    rust_front_end: [0.55; 2],
    value: |_| f64::NAN,
};

/// A server's memory in MiB.
pub(crate) fn memory(server: &Server) -> f64 {
    server.memory() as f64 / f64::from(1 << 20)
}

/// Whether a column is one of `vllm serve`.
pub(crate) const fn is_serve(kind: Kind) -> bool {
    matches!(kind, Kind::Serve(_))
}

/// Whether a column is one of `vllm-rs`.
pub(crate) const fn is_rust_front_end(kind: Kind) -> bool {
    matches!(kind, Kind::RustFrontEnd(_))
}
