"""Loads vLLM and the model, and says what was loaded.

Runs in the gateway's process, on the thread that owns the interpreter (`src/core.rs` calls it), as everything beside it does that says
nothing else. Only token ids and sampling parameters come in, and only numbers go out. vLLM is imported by `load`, after its
surroundings are set.
"""

import json
import logging
import os
import sys

import blindllama_adapters
import blindllama_core
import blindllama_garbage
import blindllama_guards
import blindllama_processes
import blindllama_silence


def load(settings):
    """Loads vLLM and the model; gives the engine and a description of the model as JSON."""
    settings = json.loads(settings)
    blindllama_garbage.look_rarely()
    arguments = _engine_args(settings)
    _prepare_process(settings)
    loaded = _load(arguments, settings)
    blindllama_silence.seal()
    return loaded


def _load(arguments, settings):
    from vllm.config import StructuredOutputsConfig
    from vllm.engine.arg_utils import EngineArgs
    from vllm.exceptions import VLLMClientError
    from vllm.renderers import renderer_from_config
    from vllm.usage.usage_lib import UsageContext
    from vllm.v1.engine.input_processor import InputProcessor

    _check_device(settings["device"])
    adapters = settings["adapters"]
    arguments["structured_outputs_config"] = StructuredOutputsConfig(**arguments["structured_outputs_config"])
    if adapters:
        arguments |= blindllama_adapters.engine_args(adapters, arguments)
    blindllama_guards.inspect_models_here()
    # The context in which `vllm serve` chooses its defaults (how many sequences run at a time, for one).
    config = EngineArgs(**arguments).create_engine_config(UsageContext.OPENAI_API_SERVER)
    # vLLM has the loader of other processes put libraries before all others, which no process of the gateway's is started with.
    os.environ.pop("LD_PRELOAD", None)
    renderer = renderer_from_config(config)
    inputs = InputProcessor(config, renderer)
    blindllama_garbage.keep()
    core = blindllama_processes.Processes(config) if settings["own_process"] else _CoreHere(config)
    # What a model that reads pictures was tried with.
    core.call("reset_mm_cache")
    _remember_end_of_sequence(renderer)

    task = _task(core.call("get_supported_tasks")[0])
    if adapters and task != "generate":
        raise ValueError("adapters are served with a model that generates, and this one makes embeddings")
    adapter_requests = blindllama_adapters.load(core.call, adapters)
    engine = core.engine(_preparing(inputs, task, adapter_requests), (ValueError, VLLMClientError))
    if task == "generate":
        _warm_up_constraints(engine, core.count)
    return engine, json.dumps(_description(config, task) | {"processes": core.call("process_state")})


class _CoreHere:
    """An EngineCore of this process, with the calls of `Processes`."""

    count = 1

    def __init__(self, config):
        from vllm.v1.engine.core_client import InprocClient
        from vllm.v1.executor import Executor

        blindllama_guards.guard(config)
        self._client = InprocClient(config, Executor.get_class(config), log_stats=False)
        self._core = self._client.engine_core

    def call(self, method, *arguments):
        return [getattr(self._core, method)(*arguments)]

    def engine(self, prepare, client_errors):
        preprocess = self._core.preprocess_add_request
        return blindllama_core.EngineHere(
            self._core, lambda *asked: preprocess(prepare(*asked)), client_errors, self._client.shutdown
        )


def _check_device(device):
    from vllm.platforms import current_platform
    from vllm.version import __version__ as version

    if current_platform.device_type != device:
        raise ValueError(
            f"the configuration asks for {device}, but the installed vLLM {version} runs on"
            f" {current_platform.device_type or 'no device of this machine'}"
        )


def _preparing(inputs, task, adapter_requests):
    """What makes vLLM's request, checked, out of what was asked."""
    from vllm import PoolingParams, SamplingParams
    from vllm.inputs.engine import tokens_input
    from vllm.sampling_params import StructuredOutputsParams

    def prepare(request_id, prompt, task_asked_for, params, constraint, cache_salt, priority, adapter):
        if task_asked_for == "embed":
            params = PoolingParams(task="embed", **params)
        else:
            if constraint is not None:
                params["structured_outputs"] = StructuredOutputsParams(**constraint)
            # Nobody else holds the parameters, so that no deep copy of them is needed.
            params = SamplingParams(detokenize=False, skip_clone=True, **params)
        request = inputs.process_inputs(
            request_id,
            tokens_input(prompt, cache_salt=cache_salt),
            params,
            supported_tasks=(task,),
            lora_request=None if adapter is None else adapter_requests[adapter],
            priority=priority,
        )
        _check_bad_words(request.sampling_params)
        return request

    return prepare


def _description(config, task):
    from vllm.version import __version__ as version

    model = config.model_config
    return {
        "embedding": _embedding_model(model) if task == "embed" else None,
        "max_model_len": model.max_model_len,
        "vocab_size": model.get_vocab_size(),
        "max_logprobs": model.get_vocab_size() if model.max_logprobs == -1 else model.max_logprobs,
        "schedules_by_priority": config.scheduler_config.policy == "priority",
        "prefix_caching": bool(config.cache_config.enable_prefix_caching),
        "dtype": str(model.dtype).removeprefix("torch."),
        "version": version,
        "sampling": model.get_diff_sampling_param(),
        "search_path": sys.path,
    }


def _remember_end_of_sequence(renderer):
    """vLLM asks its tokenizer for it at each request, which takes longer than all of the request's other parameters."""
    token = renderer.get_eos_token_id()
    renderer.get_eos_token_id = lambda: token


# What vLLM's model runner for GPUs has room for; beyond it, a step fails rather than the request.
_MOST_BAD_WORD_TOKENS = 1024


def _check_bad_words(params):
    words = (params.bad_words_token_ids if params is not None else None) or []
    tokens = sum(len(word) for word in words)
    if tokens > _MOST_BAD_WORD_TOKENS:
        raise ValueError(f"bad_words make {tokens} tokens; {_MOST_BAD_WORD_TOKENS} are allowed")


def _warm_up_constraints(engine, cores):
    """The first constraint loads libraries and reads the vocabulary, which takes seconds; nobody waits for their step yet."""
    for number in range(cores):
        refused = engine.add(-1 - number, [0], "generate", {"max_tokens": 1}, {"regex": "a"}, None, 0, None)
        if refused is not None:
            logging.getLogger("blindllama").warning("structured outputs do not work with this model: %s", refused[1])
            return
    if not engine.finish_all():
        logging.getLogger("blindllama").warning("structured outputs do not work with this model")


def _task(supported):
    for task in ("generate", "embed"):
        if task in supported:
            return task
    raise ValueError(f"the model neither generates nor embeds: vLLM offers {', '.join(supported) or 'nothing'} for it")


def _embedding_model(model):
    dimensions = model.matryoshka_dimensions
    return {
        "dimensions": model.embedding_size,
        "shortened_to": dimensions if dimensions is not None else ([] if not model.is_matryoshka else None),
        # vLLM does it before it tokenises, so whoever tokenises has to do it.
        "lower_case": bool((model.encoder_config or {}).get("do_lower_case", False)),
    }


def _prepare_process(settings):
    """What vLLM and the processes it starts read from their surroundings."""
    private = settings["private"]
    for name in [name for name in os.environ if name.startswith("PYTHON")]:
        del os.environ[name]
    os.environ |= _private_folders(private) | {
        "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
        "VLLM_WORKER_MULTIPROC_METHOD": "spawn",
        "VLLM_CONFIGURE_LOGGING": "0",
        "VLLM_NO_USAGE_STATS": "1",
        # Its warnings go to standard error past Python, and quote what was generated.
        "LLGUIDANCE_LOG_LEVEL": "0",
        "DO_NOT_TRACK": "1",
        "HF_HUB_OFFLINE": "1",
        "TRANSFORMERS_OFFLINE": "1",
        "PYTHONNOUSERSITE": "1",
        "PYTHONSAFEPATH": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONWARNINGS": "ignore",
    }
    sys.executable = settings["python"]
    blindllama_processes.run_this_program(settings["helper"])


# Compiled code and other caches, by the variable that says where they are. What has none goes by HOME, XDG or TMPDIR.
_CACHES = {
    "HOME": "home",
    "TMPDIR": "tmp",
    # The sockets between processes.
    "VLLM_RPC_BASE_PATH": "sockets",
    "XDG_CACHE_HOME": "cache",
    "XDG_CONFIG_HOME": "config",
    "XDG_DATA_HOME": "data",
    "PYTHONPYCACHEPREFIX": "pycache",
    "VLLM_CACHE_ROOT": "vllm",
    "VLLM_CONFIG_ROOT": "vllm-config",
    "HF_HOME": "hub",
    "HF_MODULES_CACHE": "hub-modules",
    "TORCH_HOME": "torch",
    "TORCH_EXTENSIONS_DIR": "torch-extensions",
    "TORCHINDUCTOR_CACHE_DIR": "inductor",
    "TRITON_HOME": "triton",
    "TRITON_CACHE_DIR": "triton-cache",
    "CUDA_CACHE_PATH": "cuda",
    "NUMBA_CACHE_DIR": "numba",
    "FLASHINFER_WORKSPACE_BASE": "flashinfer",
}


def _private_folders(private):
    folders = {variable: os.path.join(private, name) for variable, name in _CACHES.items()}
    for folder in folders.values():
        os.makedirs(folder, mode=0o700, exist_ok=True)
    return folders


def _engine_args(settings):
    given = settings["engine_args"]
    if given.get("trust_remote_code"):
        raise ValueError("`trust_remote_code` is refused: code out of a model's folder would run unmeasured")
    if "model" in given:
        raise ValueError("`model` is set in its own place, not among the engine's arguments")
    # A prefix cache shared by all clients answers faster, and reports cached tokens, where a guess at somebody else's prompt
    # is right: off as long as requests carry no secret salt of their own.
    defaults = {"enforce_eager": True, "disable_log_stats": True, "enable_prefix_caching": False}
    if not any(given.get(f"{kind}_parallel_size", 1) > 1 for kind in ("tensor", "pipeline")):
        defaults["distributed_executor_backend"] = "uni"
    elif settings["adapters"]:
        raise ValueError("adapters are not served with several devices: what guards them here does not reach vLLM's workers")
    if given.get("data_parallel_size", 1) > 1 and not settings["own_process"]:
        raise ValueError("`data_parallel_size` asks for several engines, and this process has room for one: set `own_process`")
    if "max_loras" in given and not settings["adapters"]:
        raise ValueError("`max_loras` is set, and there are no adapters: add them under [[model.adapters]], or leave it out")
    arguments = defaults | given | {"model": settings["model"]}
    # The one backend that ends a grammar which costs too much; xgrammar holds a step up without end over an ambiguous one.
    constraints = {"backend": "guidance"} | given.get("structured_outputs_config", {})
    # An object has the properties that its schema names and no others, unless it says so, as with vLLM's usual backend.
    constraints["disable_additional_properties"] = constraints["backend"] == "guidance"
    arguments["structured_outputs_config"] = constraints
    if settings["device"] == "cpu" and arguments.get("dtype", "auto") == "auto" and not _bfloat16_is_fast():
        arguments["dtype"] = "float32"
    return arguments


def _bfloat16_is_fast():
    """Whether the processor multiplies bfloat16 itself; emulated, it is several times slower than float32."""
    with open("/proc/cpuinfo", encoding="ascii", errors="replace") as cpuinfo:
        flags = set(cpuinfo.read().split())
    return not flags.isdisjoint({"avx512_bf16", "amx_bf16", "bf16"})
