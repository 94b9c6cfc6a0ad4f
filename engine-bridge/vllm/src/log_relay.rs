//! Python's log records on their way to `tracing`.

use pyo3::{
    prelude::*,
    types::{PyCFunction, PyDict, PyTuple},
};

/// The function that the glue hands each log record to: `(level number, logger, source line, message)`.
///
/// What it may carry is the glue's decision: once the model is loaded `message` is always empty.
pub(crate) fn relay(py: Python<'_>) -> PyResult<Bound<'_, PyCFunction>> {
    PyCFunction::new_closure(py, Some(c"relay"), None, |record: &Bound<'_, PyTuple>, _: Option<&Bound<'_, PyDict>>| {
        let (level, logger, source, message) = record.extract::<(i64, String, String, String)>()?;
        emit(level, &logger, &source, &message);
        PyResult::Ok(())
    })
}

/// The level numbers are those of Python's `logging`; CRITICAL is tracing's ERROR.
fn emit(level: i64, logger: &str, source: &str, message: &str) {
    match level {
        40.. => tracing::error!(target: "vllm", logger, source, "{message}"),
        30.. => tracing::warn!(target: "vllm", logger, source, "{message}"),
        20.. => tracing::info!(target: "vllm", logger, source, "{message}"),
        _ => tracing::debug!(target: "vllm", logger, source, "{message}"),
    }
}
