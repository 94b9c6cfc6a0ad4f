//! vLLM's `EngineCore`, seen through `python/blindllama_engine.py`.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use blindllama_engine::{
    AdapterId, Constraint, EmbedRequest, EmbeddingModel, GenerateRequest, Logprobs, ModelInfo, ModelTask, Sampling,
    SamplingDefaults, Shortening, Stopping,
};
use pyo3::{
    intern,
    prelude::*,
    types::{IntoPyDict as _, PyBytes, PyDict, PyList},
};
use serde::Deserialize;
use serde_json::json;

use crate::{
    environment::PythonEnvironment,
    glue,
    open_request::Asked,
    outputs::{self, RequestId},
    relay_loop::Outputs,
    requests::{AddError, Core, Fatal},
    settings::VllmSettings,
    step_loop::{Step, SteppedCore},
};

/// Why vLLM was not loaded. No request has been seen by then: the texts may be shown.
#[derive(Debug, thiserror::Error)]
#[error("{kind}: {message}")]
pub(crate) struct LoadError {
    kind: String,
    message: String,
}

/// What the glue's `load` says of the model.
#[derive(Deserialize)]
struct Loaded {
    /// What the model's vectors are like, if it makes vectors; else it generates.
    embedding: Option<Embeds>,
    max_model_len: usize,
    vocab_size: usize,
    max_logprobs: u32,
    schedules_by_priority: bool,
    prefix_caching: bool,
    dtype: String,
    version: String,
    /// The processes in which the engine runs: this one, or others.
    processes: Vec<ProcessState>,
    sampling: Defaults,
    /// `sys.path` once everything is imported.
    search_path: Vec<PathBuf>,
}

/// What the guards' `process_state` says: with how many threads the engine computes on processors, and what is mapped into the process,
/// in Latin-1.
#[derive(Deserialize)]
struct ProcessState(usize, String);

#[derive(Deserialize)]
struct Embeds {
    dimensions: usize,
    /// The lengths that are offered, `None` for all.
    shortened_to: Option<Vec<usize>>,
    lower_case: bool,
}

/// The defaults as vLLM's `get_diff_sampling_param` names them; what the seam has no place for is left out.
#[derive(Deserialize)]
struct Defaults {
    temperature: Option<f64>,
    top_p: Option<f64>,
    top_k: Option<i64>,
    min_p: Option<f64>,
    presence_penalty: Option<f64>,
    frequency_penalty: Option<f64>,
    repetition_penalty: Option<f64>,
    max_tokens: Option<usize>,
}

/// The running `EngineCore`. Each call takes the GIL and releases it.
#[derive(Clone)]
pub(crate) struct VllmCore(Arc<Py<PyAny>>);

/// An engine that is ready.
pub(crate) struct LoadedCore {
    pub(crate) core: VllmCore,
    pub(crate) model: ModelInfo,
    /// What the kernel says is mapped into each of the engine's own processes; none where it runs in this one.
    pub(crate) mapped: Vec<Vec<u8>>,
}

impl VllmCore {
    /// `engine` is an `Engine` of `python/blindllama_core.py`.
    pub(crate) fn of(engine: Py<PyAny>) -> Self {
        Self(Arc::new(engine))
    }

    /// Loads vLLM and the model; takes seconds to minutes. The interpreter runs already. Caches go to `private`.
    pub(crate) fn load(settings: &VllmSettings, private: &Path) -> Result<LoadedCore, LoadError> {
        let wanted = json!({
            "python": settings.python.executable(),
            "private": private,
            "model": settings.model,
            "adapters": settings.adapters,
            "engine_args": settings.engine_args,
            "own_process": settings.own_process,
            "helper": settings.helper,
            "device": settings.device,
        });
        let (core, info) = Python::attach(|py| {
            let loaded = glue::install(py).and_then(|()| {
                let engine = py.import("blindllama_engine")?;
                engine.call_method1("load", (wanted.to_string(),))?.extract::<(Py<PyAny>, String)>()
            });
            loaded.map_err(|error| load_error(py, &error))
        })?;
        let info: Loaded = serde_json::from_str(&info)
            .map_err(|error| LoadError { kind: "unexpected model description".to_owned(), message: error.to_string() })?;
        check_search_path(&info.search_path, &settings.python)?;
        let threads = info.processes.first().map(|state| state.0);
        let processes = if settings.own_process { info.processes.len() } else { 0 };
        tracing::info!(version = info.version, dtype = info.dtype, threads, processes, "vLLM is loaded");
        let mapped: Option<Vec<_>> = info.processes.iter().take(processes).map(|state| bytes_of_latin_1(&state.1)).collect();
        // What is not reported cannot be checked.
        let mapped = mapped.filter(|mapped| mapped.is_empty() != settings.own_process).ok_or_else(|| LoadError {
            kind: "unexpected report".to_owned(),
            message: "a process of the engine does not say which code is mapped into it".to_owned(),
        })?;
        let adapters = settings.adapters.iter().map(|adapter| adapter.name.clone()).collect();
        Ok(LoadedCore { core: Self::of(core), model: model_info(info, adapters), mapped })
    }

    /// Waits for what the next step of an engine in processes of its own makes. Fails once the engine has died or been shut down.
    pub(crate) fn outputs(&self) -> Result<Outputs, Fatal> {
        Python::attach(|py| {
            let bytes = self.0.bind(py).call_method0(intern!(py, "outputs")).map_err(|error| fatal(py, &error))?;
            let bytes = bytes.cast::<PyBytes>().map_err(|error| fatal(py, &error.into()))?;
            Ok(outputs::parse(bytes.as_bytes())?)
        })
    }

    /// Frees the model and ends vLLM's helpers.
    pub(crate) fn shutdown(self) -> Result<(), Fatal> {
        Python::attach(|py| self.0.bind(py).call_method0("shutdown").map(drop).map_err(|error| fatal(py, &error)))
    }
}

impl Core for VllmCore {
    fn add(&mut self, id: RequestId, asked: &Asked) -> Result<(), AddError> {
        Python::attach(|py| {
            let refused = match asked {
                Asked::Generate(request) => self.try_generate(py, id, request),
                Asked::Embed(request) => self.try_embed(py, id, request),
            };
            let refused = refused.map_err(|error| AddError::Fatal(fatal(py, &error)))?;
            match refused {
                None => Ok(()),
                Some((true, text)) => Err(AddError::Refused(text)),
                Some((false, kind)) => {
                    tracing::error!(request = id, kind, "vLLM failed to prepare a request");
                    Err(AddError::Failed)
                }
            }
        })
    }

    fn abort(&mut self, ids: &[RequestId]) -> Result<(), Fatal> {
        Python::attach(|py| {
            let aborted = PyList::new(py, ids).and_then(|ids| self.0.bind(py).call_method1(intern!(py, "abort"), (ids,)));
            aborted.map(drop).map_err(|error| fatal(py, &error))
        })
    }
}

impl SteppedCore for VllmCore {
    fn step(&mut self) -> Result<Step, Fatal> {
        Python::attach(|py| {
            let (bytes, executed, has_work, took) = self
                .0
                .bind(py)
                .call_method0(intern!(py, "step"))
                .and_then(|step| step.extract::<(Bound<'_, PyBytes>, bool, bool, f64)>())
                .map_err(|error| fatal(py, &error))?;
            let took = Duration::try_from_secs_f64(took).unwrap_or_default();
            Ok(Step { outputs: outputs::parse(bytes.as_bytes())?, executed, has_work, took })
        })
    }
}

impl VllmCore {
    /// `None` where it was added; else whether the client is at fault, and the text for it or the exception's type.
    fn try_generate(&self, py: Python<'_>, id: RequestId, request: &GenerateRequest) -> PyResult<Option<(bool, String)>> {
        // Named in full, so that a new field of the seam cannot be forgotten here.
        let GenerateRequest {
            prompt,
            max_tokens: _,
            adapter,
            sampling: _,
            stopping: _,
            logprobs: _,
            constraint,
            priority,
            cache_salt,
        } = request;
        let prompt = PyList::new(py, prompt)?;
        let constraint = constraint.as_ref().map(|constraint| structured_outputs(py, constraint)).transpose()?;
        let adapter = adapter.map(AdapterId::index);
        let arguments = (id, prompt, "generate", sampling_params(py, request)?, constraint, cache_salt, priority, adapter);
        self.0.bind(py).call_method1(intern!(py, "add"), arguments)?.extract()
    }

    /// The same for a vector.
    fn try_embed(&self, py: Python<'_>, id: RequestId, request: &EmbedRequest) -> PyResult<Option<(bool, String)>> {
        let EmbedRequest { prompt, dimensions, priority, cache_salt } = request;
        let prompt = PyList::new(py, prompt)?;
        let pooling_params = [("dimensions", dimensions)].into_py_dict(py)?;
        let arguments = (id, prompt, "embed", pooling_params, py.None(), cache_salt, priority, py.None());
        self.0.bind(py).call_method1(intern!(py, "add"), arguments)?.extract()
    }
}

/// The keyword arguments of `vllm.SamplingParams`.
fn sampling_params<'py>(py: Python<'py>, request: &GenerateRequest) -> PyResult<Bound<'py, PyDict>> {
    let Sampling {
        temperature,
        top_p,
        top_k,
        min_p,
        presence_penalty,
        frequency_penalty,
        repetition_penalty,
        seed,
        logit_bias,
        bad_words,
        allowed_token_ids,
    } = &request.sampling;
    let Stopping { stop_token_ids, ignore_eos, min_tokens } = &request.stopping;
    let Logprobs { sampled, prompt } = request.logprobs;
    let keywords = PyDict::new(py);
    keywords.set_item("max_tokens", request.max_tokens)?;
    keywords.set_item("temperature", temperature)?;
    keywords.set_item("top_p", top_p)?;
    keywords.set_item("top_k", top_k)?;
    keywords.set_item("min_p", min_p)?;
    keywords.set_item("presence_penalty", presence_penalty)?;
    keywords.set_item("frequency_penalty", frequency_penalty)?;
    keywords.set_item("repetition_penalty", repetition_penalty)?;
    keywords.set_item("seed", seed)?;
    keywords.set_item("ignore_eos", ignore_eos)?;
    keywords.set_item("min_tokens", min_tokens)?;
    keywords.set_item("logprobs", sampled)?;
    keywords.set_item("prompt_logprobs", prompt)?;
    // Most requests have none of these.
    if !logit_bias.is_empty() {
        keywords.set_item("logit_bias", logit_bias.iter().copied().into_py_dict(py)?)?;
    }
    if !bad_words.is_empty() {
        keywords.set_item("bad_words", bad_words)?;
    }
    if !allowed_token_ids.is_empty() {
        keywords.set_item("allowed_token_ids", allowed_token_ids)?;
    }
    if !stop_token_ids.is_empty() {
        keywords.set_item("stop_token_ids", stop_token_ids)?;
    }
    Ok(keywords)
}

/// The keyword arguments of `vllm.sampling_params.StructuredOutputsParams`.
fn structured_outputs<'py>(py: Python<'py>, constraint: &Constraint) -> PyResult<Bound<'py, PyDict>> {
    let keywords = PyDict::new(py);
    match constraint {
        Constraint::Json(schema) => keywords.set_item("json", schema)?,
        Constraint::JsonObject => keywords.set_item("json_object", true)?,
        Constraint::Regex(regex) => keywords.set_item("regex", regex)?,
        Constraint::Choice(texts) => keywords.set_item("choice", texts)?,
        Constraint::Grammar(grammar) => keywords.set_item("grammar", grammar)?,
    }
    Ok(keywords)
}

fn model_info(loaded: Loaded, adapters: Vec<String>) -> ModelInfo {
    let Defaults { temperature, top_p, top_k, min_p, presence_penalty, frequency_penalty, repetition_penalty, max_tokens } =
        loaded.sampling;
    ModelInfo {
        task: loaded.embedding.map_or(ModelTask::Generate, |embeds| ModelTask::Embed(embedding_model(embeds))),
        max_model_len: loaded.max_model_len,
        vocab_size: loaded.vocab_size,
        max_logprobs: loaded.max_logprobs,
        schedules_by_priority: loaded.schedules_by_priority,
        prefix_caching: loaded.prefix_caching,
        dtype: loaded.dtype,
        engine: format!("vllm {}", loaded.version),
        sampling_defaults: SamplingDefaults {
            temperature,
            top_p,
            top_k,
            min_p,
            presence_penalty,
            frequency_penalty,
            repetition_penalty,
            max_tokens,
        },
        adapters,
    }
}

fn embedding_model(Embeds { dimensions, shortened_to, lower_case }: Embeds) -> EmbeddingModel {
    let shortening = match shortened_to {
        None => Shortening::Any,
        Some(lengths) if lengths.is_empty() => Shortening::None,
        Some(lengths) => Shortening::To(lengths),
    };
    EmbeddingModel { dimensions, shortening, lower_case }
}

/// Packages may add folders of their own to `sys.path` (setuptools does); none may lead out of what was measured.
fn check_search_path(search_path: &[PathBuf], measured: &PythonEnvironment) -> Result<(), LoadError> {
    match search_path.iter().find(|entry| !measured.covers(entry)) {
        None => Ok(()),
        Some(entry) => Err(LoadError {
            kind: "unmeasured code".to_owned(),
            message: format!("{entry:?} was added to Python's search path while vLLM was imported, and is not measured"),
        }),
    }
}

/// Latin-1 has the characters up to U+00FF, each a byte. `None` for any other text.
fn bytes_of_latin_1(text: &str) -> Option<Vec<u8>> {
    text.chars().map(|character| u8::try_from(character).ok()).collect()
}

fn load_error(py: Python<'_>, error: &PyErr) -> LoadError {
    LoadError { kind: kind(py, error), message: error.value(py).to_string() }
}

/// The exception's type and the line that raised it: all that may be known of it once requests have come.
fn fatal(py: Python<'_>, error: &PyErr) -> Fatal {
    Fatal::Exception {
        kind: kind(py, error),
        source_line: source_line(py, error).unwrap_or_else(|_| "an unknown line".to_owned()),
    }
}

fn kind(py: Python<'_>, error: &PyErr) -> String {
    error.get_type(py).qualname().map_or_else(|_| "an exception".to_owned(), |name| name.to_string())
}

fn source_line(py: Python<'_>, error: &PyErr) -> PyResult<String> {
    let mut innermost = error.traceback(py).into_pyobject(py)?.into_any();
    loop {
        let next = innermost.getattr("tb_next")?;
        if next.is_none() {
            break;
        }
        innermost = next;
    }
    let file = innermost.getattr("tb_frame")?.getattr("f_code")?.getattr("co_filename")?;
    Ok(format!("{file}:{}", innermost.getattr("tb_lineno")?))
}

#[cfg(test)]
mod tests;
