//! vLLM inside this process: the only crate that knows Python.
//!
//! One thread owns the interpreter and drives vLLM's `EngineCore` ([`step_loop`]). Requests reach it through a bounded
//! queue; each step's outputs come back in one call ([`outputs`]). No other thread ever takes the GIL.
//!
//! [`step_loop`]: self
//! [`outputs`]: self

mod core;
mod engine;
mod interpreter;
mod log_relay;
mod outputs;
mod settings;
mod step_loop;

pub use engine::{Exit, StartError, VllmEngine};
pub use settings::{Device, VllmSettings};
