//! The Python of this crate as modules of the interpreter.

use std::ffi::{CStr, CString};

use pyo3::prelude::*;

use crate::{environment::INSTALLED_FOR_ALL, log_relay};

/// Each imports those before it. Modules that are made from code are found by `import` as any other.
const MODULES: [(&CStr, &CStr, &str); 8] = [
    (c"blindllama_garbage.py", c"blindllama_garbage", include_str!("../python/blindllama_garbage.py")),
    (c"blindllama_silence.py", c"blindllama_silence", include_str!("../python/blindllama_silence.py")),
    (c"blindllama_adapters.py", c"blindllama_adapters", include_str!("../python/blindllama_adapters.py")),
    (c"blindllama_guards.py", c"blindllama_guards", include_str!("../python/blindllama_guards.py")),
    (c"blindllama_records.py", c"blindllama_records", include_str!("../python/blindllama_records.py")),
    (c"blindllama_core.py", c"blindllama_core", include_str!("../python/blindllama_core.py")),
    (c"blindllama_processes.py", c"blindllama_processes", include_str!("../python/blindllama_processes.py")),
    (c"blindllama_engine.py", c"blindllama_engine", include_str!("../python/blindllama_engine.py")),
];

/// Makes the modules, and connects the log relay, which is the only way out of them. Imports nothing of vLLM yet. From here on no
/// name of a module leads to what is installed for all, which is not measured.
///
/// # Errors
/// Python's, which are defects of the modules.
pub(crate) fn install(py: Python<'_>) -> PyResult<()> {
    let modules = py.import("sys")?.getattr("modules")?;
    for name in INSTALLED_FOR_ALL {
        modules.set_item(name, py.None())?;
    }
    for (file, name, code) in MODULES {
        PyModule::from_code(py, &CString::new(code)?, file, name)?;
    }
    py.import("blindllama_silence")?.call_method1("quieten", (log_relay::relay(py)?,))?;
    Ok(())
}
