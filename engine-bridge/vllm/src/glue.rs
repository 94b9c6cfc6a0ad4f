//! The Python of this crate as modules of the interpreter.

use std::ffi::{CStr, CString};

use pyo3::prelude::*;

use crate::log_relay;

/// Each imports those before it. Modules that are made from code are found by `import` as any other.
const MODULES: [(&CStr, &CStr, &str); 7] = [
    (c"blindllama_silence.py", c"blindllama_silence", include_str!("../python/blindllama_silence.py")),
    (c"blindllama_adapters.py", c"blindllama_adapters", include_str!("../python/blindllama_adapters.py")),
    (c"blindllama_guards.py", c"blindllama_guards", include_str!("../python/blindllama_guards.py")),
    (c"blindllama_records.py", c"blindllama_records", include_str!("../python/blindllama_records.py")),
    (c"blindllama_core.py", c"blindllama_core", include_str!("../python/blindllama_core.py")),
    (c"blindllama_processes.py", c"blindllama_processes", include_str!("../python/blindllama_processes.py")),
    (c"blindllama_engine.py", c"blindllama_engine", include_str!("../python/blindllama_engine.py")),
];

/// Makes the modules, and connects the log relay, which is the only way out of them. Imports nothing of vLLM yet.
///
/// # Errors
/// Python's, which are defects of the modules.
pub(crate) fn install(py: Python<'_>) -> PyResult<()> {
    for (file, name, code) in MODULES {
        PyModule::from_code(py, &CString::new(code)?, file, name)?;
    }
    py.import("blindllama_silence")?.call_method1("quieten", (log_relay::relay(py)?,))?;
    Ok(())
}
