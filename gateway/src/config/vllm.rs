//! `[engine.vllm]`: which of vLLM's arguments may be set.

use serde::{Deserialize, Deserializer, de::Error as _};
use serde_json::{Map, Value};

/// Arguments by the names of `vllm.EngineArgs`, passed on as they are.
///
/// Only names that are known to change how the measured model is computed are let through: others load files or code that
/// nobody measured, send data to other machines, or hold secrets, and vLLM gets more of them with each release.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct VllmArguments(Map<String, Value>);

impl VllmArguments {
    /// The arguments, by name.
    #[must_use]
    pub const fn as_map(&self) -> &Map<String, Value> {
        &self.0
    }
}

/// Numbers, types and switches of the computation, its memory and its schedule.
const ALLOWED: [&str; 41] = [
    "async_scheduling",
    "attention_backend",
    "block_size",
    "calculate_kv_scales",
    "convert",
    "cpu_offload_gb",
    "cudagraph_capture_sizes",
    "data_parallel_size",
    "disable_custom_all_reduce",
    "disable_sliding_window",
    "dtype",
    "enable_chunked_prefill",
    "enable_prefix_caching",
    "enforce_eager",
    "generation_config",
    "gpu_memory_utilization",
    "kv_cache_dtype",
    "kv_cache_memory_bytes",
    "load_format",
    "long_prefill_token_threshold",
    "max_cudagraph_capture_size",
    "max_logprobs",
    "max_loras",
    "max_long_partial_prefills",
    "max_model_len",
    "max_num_batched_tokens",
    "max_num_partial_prefills",
    "max_num_seqs",
    "max_parallel_loading_workers",
    "num_gpu_blocks_override",
    "override_generation_config",
    "pipeline_parallel_size",
    "quantization",
    "runner",
    "scheduling_policy",
    "seed",
    "stream_interval",
    "structured_outputs_config",
    "swap_space",
    "tensor_parallel_size",
    "use_tqdm_on_load",
];
/// Formats that read the measured model's own files, and no other.
const LOAD_FORMATS: [&str; 3] = ["auto", "safetensors", "hf"];
/// What models are run as: those that this gateway has an API for.
const RUNNERS: [&str; 3] = ["auto", "generate", "pooling"];
/// What a model that generates can be turned into.
const CONVERSIONS: [&str; 3] = ["auto", "none", "embed"];
/// Sources of sampling defaults: the measured model's own file, or none.
const GENERATION_CONFIGS: [&str; 2] = ["auto", "vllm"];
/// Members of `structured_outputs_config`: the others load parsers of reasoning, from files too.
const STRUCTURED_OUTPUTS: [&str; 2] = ["backend", "disable_any_whitespace"];
/// What compiles constraints: part of vLLM's packages, either of them.
const STRUCTURED_OUTPUTS_BACKENDS: [&str; 2] = ["guidance", "xgrammar"];

impl<'de> Deserialize<'de> for VllmArguments {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let arguments = Map::deserialize(deserializer)?;
        if let Some(name) = arguments.keys().find(|name| !ALLOWED.contains(&name.as_str())) {
            return Err(D::Error::custom(refusal(name)));
        }
        let measured = "read nothing but the measured model";
        let served = "are served";
        for (name, allowed, reason) in [
            ("load_format", LOAD_FORMATS.as_slice(), measured),
            ("generation_config", &GENERATION_CONFIGS, measured),
            ("runner", &RUNNERS, served),
            ("convert", &CONVERSIONS, served),
        ] {
            one_of(name, allowed, reason, &arguments).map_err(D::Error::custom)?;
        }
        structured_outputs(&arguments).map_err(D::Error::custom)?;
        if let Some((name, _)) = arguments.iter().find(|(_, value)| !is_plain(value)) {
            return Err(D::Error::custom(format!("{name} is refused: no path and no address belongs there")));
        }
        Ok(Self(arguments))
    }
}

fn refusal(name: &str) -> String {
    let reason = match name {
        "model" | "served_model_name" => "the model and its name are set in [model]",
        "enable_lora" | "lora_modules" | "max_lora_rank" | "max_cpu_loras" => {
            "it follows from the adapters under [[model.adapters]]"
        }
        _ => "only arguments that change how the measured model is computed may be set, so that nothing beside it is loaded",
    };
    format!("{name} is refused: {reason}; these may be set: {}", ALLOWED.join(", "))
}

/// Names of types and methods are short words; nothing that is let through is a path, an address or a secret.
fn is_plain(value: &Value) -> bool {
    match value {
        Value::String(text) => !text.contains(['/', ':', '\\']) && text.len() <= 64,
        Value::Array(values) => values.iter().all(is_plain),
        Value::Object(values) => values.values().all(is_plain),
        _ => true,
    }
}

fn one_of(name: &str, allowed: &[&str], reason: &str, arguments: &Map<String, Value>) -> Result<(), String> {
    match arguments.get(name) {
        Some(value) if !value.as_str().is_some_and(|value| allowed.contains(&value)) => {
            Err(format!("{name} = {value} is refused: only {} {reason}", allowed.join(", ")))
        }
        _ => Ok(()),
    }
}

fn structured_outputs(arguments: &Map<String, Value>) -> Result<(), String> {
    let name = "structured_outputs_config";
    let config = match arguments.get(name) {
        None => return Ok(()),
        Some(Value::Object(config)) => config,
        Some(_) => return Err(format!("{name} is refused: it has to be a table of {}", STRUCTURED_OUTPUTS.join(", "))),
    };
    if let Some(member) = config.keys().find(|member| !STRUCTURED_OUTPUTS.contains(&member.as_str())) {
        return Err(format!("{name} is refused: {member} may not be set, only {}", STRUCTURED_OUTPUTS.join(", ")));
    }
    one_of("backend", &STRUCTURED_OUTPUTS_BACKENDS, "read nothing but what is measured", config)
        .map_err(|reason| format!("{name} is refused: {reason}"))?;
    match config.get("disable_any_whitespace") {
        None | Some(Value::Bool(_)) => Ok(()),
        Some(value) => Err(format!("{name} is refused: disable_any_whitespace = {value} is neither true nor false")),
    }
}
