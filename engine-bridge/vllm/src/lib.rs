//! vLLM inside this process: the only crate that knows Python.
//!
//! One thread owns the interpreter and drives vLLM's `EngineCore` (`step_loop`). Requests reach it through a bounded queue;
//! each step's outputs come back in one call (`outputs`). No other thread of ours takes the GIL. Token ids and sampling
//! parameters cross, never text, and nothing that Python prints after loading leaves it but a record's origin
//! (`python/blindllama_silence.py`).
//!
//! Where the engine is configured to run in processes of its own, the thread hands requests to vLLM's client instead (`relay_loop`), a
//! second one reads the outputs, and each of those processes is this program again (`helper_process`).

mod core;
#[cfg(feature = "bench")]
pub mod crossing;
mod engine;
mod environment;
mod glue;
mod helper_process;
mod interpreter;
mod log_relay;
mod open_request;
mod outputs;
mod private_folder;
mod queue;
mod relay_loop;
mod requests;
mod settings;
mod step_loop;

pub use engine::{Exit, StartError, VllmEngine};
pub use environment::{EnvironmentError, PythonEnvironment, SearchPathEntry};
pub use helper_process::{Helper, HelperError, NoHelper, run_helper};
pub use settings::{AdapterSettings, Device, VllmSettings};
