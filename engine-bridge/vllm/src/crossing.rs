//! A step's way from Python to Rust, for benchmarks: in an engine that has every step's tokens ready, so that nothing else takes time.

use std::sync::OnceLock;

use pyo3::{ffi::c_str, prelude::*};

use crate::{PythonEnvironment, core::VllmCore, glue, interpreter, step_loop::SteppedCore as _};

/// An engine whose sequences each make a token in every step.
pub struct Crossing(VllmCore);

impl Crossing {
    /// An engine of so many sequences, in the process's one interpreter, which the first call starts.
    ///
    /// # Panics
    /// If there is no such environment, or the glue does not work in it.
    #[must_use]
    #[allow(clippy::unwrap_used, reason = "a benchmark fails by panicking")]
    pub fn of(python: &PythonEnvironment, sequences: usize) -> Self {
        static STARTED: OnceLock<()> = OnceLock::new();
        STARTED.get_or_init(|| interpreter::start(python).unwrap());
        Python::attach(|py| {
            glue::install(py).unwrap();
            let code = c_str!(include_str!("crossing.py"));
            let module = PyModule::from_code(py, code, c"crossing.py", c"crossing").unwrap();
            Self(VllmCore::of(module.call_method1("engine", (sequences,)).unwrap().unbind()))
        })
    }

    /// One step; gives the number of outputs. The GIL is held all the while.
    ///
    /// # Panics
    /// If the step fails.
    #[allow(clippy::unwrap_used, reason = "a benchmark fails by panicking")]
    pub fn step(&mut self) -> usize {
        self.0.step().unwrap().outputs.len()
    }
}
