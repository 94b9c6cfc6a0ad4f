//! vLLM inside this process: the only crate that knows Python.
//!
//! One thread owns the interpreter and drives vLLM's `EngineCore` (`step_loop`). Requests reach it through a bounded queue;
//! each step's outputs come back in one call (`outputs`). No other thread of ours takes the GIL. Token ids and sampling
//! parameters cross, never text, and nothing that Python prints after loading leaves it but a record's origin
//! (`python/blindllama_engine.py`).

mod core;
mod engine;
mod environment;
mod interpreter;
mod log_relay;
mod open_request;
mod outputs;
mod private_folder;
mod settings;
mod step_loop;

pub use engine::{Exit, StartError, VllmEngine};
pub use environment::{EnvironmentError, PythonEnvironment, SearchPathEntry};
pub use settings::{AdapterSettings, Device, VllmSettings};
