"""vLLM's EngineCore behind a few calls: everything of the gateway that is written in Python.

Runs in the gateway's process, on the thread that owns the interpreter (`src/core.rs` calls it). Only token ids and sampling
parameters come in, and only numbers go out. vLLM is imported by `load`, after its surroundings are set.
"""

import array
import json
import logging
import multiprocessing
import os
import sys
import threading
import time
import traceback

import blindllama_adapters

# Everything that could print content. vLLM's log records quote parameters and, after a crash, whole requests.


class _Sink:
    """Stands in for stdout and stderr: swallows text."""

    encoding = "utf-8"
    errors = "replace"
    closed = False

    def write(self, text):
        return len(text)

    def writelines(self, lines):
        pass

    def flush(self):
        pass

    def isatty(self):
        return False

    def fileno(self):
        raise OSError("the gateway's Python has no standard streams")


_loading = True


def quieten(relay):
    """Leaves `relay(level, logger, source line, message)` as the only way out; the message only while loading."""

    def hand_over(_logger, record):
        message = _text(record) if _loading else ""
        relay(record.levelno, record.name, f"{record.filename}:{record.lineno}", message)

    def uncaught(kind, trace):
        lines = [f"{frame.f_code.co_filename}:{line}" for frame, line in traceback.walk_tb(trace)]
        relay(logging.ERROR, f"uncaught {kind.__name__}", lines[-1] if lines else "an unknown line", "")

    # The one place that each record of each logger passes. Handlers, also those that libraries add later, see nothing.
    logging.Logger.callHandlers = hand_over
    logging.getLogger().setLevel(logging.INFO)
    logging.captureWarnings(True)
    sys.stdout = sys.stderr = sys.__stdout__ = sys.__stderr__ = _Sink()
    sys.excepthook = lambda kind, _, trace: uncaught(kind, trace)
    sys.unraisablehook = lambda event: uncaught(event.exc_type, event.exc_traceback)
    threading.excepthook = lambda event: uncaught(event.exc_type, event.exc_traceback)


def _text(record):
    try:
        return record.getMessage()
    except Exception as error:
        return f"(a log message that does not format: {type(error).__name__})"


def seal():
    """From here on requests come: log messages stay inside."""
    global _loading
    _loading = False


# What vLLM's worker processes log, where there are any (`tensor_parallel_size` above 1): nothing. They have no relay.
_SILENCE = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {"none": {"class": "logging.NullHandler"}},
    "root": {"handlers": ["none"]},
}


# The engine.


def load(settings):
    """Loads vLLM and the model; gives the engine and a description of the model as JSON."""
    settings = json.loads(settings)
    arguments = _engine_args(settings)
    _prepare_process(settings["python"], settings["private"])
    loaded = _load(arguments, settings["adapters"], settings["device"])
    seal()
    return loaded


def _load(arguments, adapters, device):
    import torch
    from vllm import PoolingParams, SamplingParams
    from vllm.config import StructuredOutputsConfig
    from vllm.engine.arg_utils import EngineArgs
    from vllm.exceptions import VLLMClientError
    from vllm.inputs.engine import tokens_input
    from vllm.platforms import current_platform
    from vllm.sampling_params import StructuredOutputsParams
    from vllm.usage.usage_lib import UsageContext
    from vllm.v1.engine.llm_engine import LLMEngine
    from vllm.v1.structured_output.backend_guidance import GuidanceBackend, GuidanceGrammar
    from vllm.version import __version__ as version

    if current_platform.device_type != device:
        raise ValueError(
            f"the configuration asks for {device}, but the installed vLLM {version} runs on"
            f" {current_platform.device_type or 'no device of this machine'}"
        )
    arguments["structured_outputs_config"] = StructuredOutputsConfig(**arguments["structured_outputs_config"])
    if adapters:
        arguments |= blindllama_adapters.engine_args(adapters, arguments)
        blindllama_adapters.guard(device)
    _inspect_models_here()
    # The context in which `vllm serve` chooses its defaults (how many sequences run at a time, for one).
    context = UsageContext.OPENAI_API_SERVER
    config = EngineArgs(**arguments).create_engine_config(context)
    if device == "cpu":
        _ask_for_amx(config.model_config.dtype)
        _choose_threads(config.model_config)
    llm = LLMEngine.from_vllm_config(config, context, disable_log_stats=arguments["disable_log_stats"])
    core = llm.engine_core.engine_core
    _remember_end_of_sequence(llm.renderer)

    model = llm.model_config
    task = _task(llm.get_supported_tasks())
    if adapters and task != "generate":
        raise ValueError("adapters are served with a model that generates, and this one makes embeddings")
    adapter_request = blindllama_adapters.load(core, adapters)

    def prepare(request_id, prompt, task_asked_for, params, constraint, cache_salt, priority, adapter):
        if task_asked_for == "embed":
            params = PoolingParams(task="embed", **params)
        else:
            if constraint is not None:
                params["structured_outputs"] = StructuredOutputsParams(**constraint)
            # Nobody else holds the parameters, so that no deep copy of them is needed.
            params = SamplingParams(detokenize=False, skip_clone=True, **params)
        request = llm.input_processor.process_inputs(
            request_id,
            tokens_input(prompt, cache_salt=cache_salt),
            params,
            supported_tasks=(task,),
            lora_request=None if adapter is None else adapter_request(adapter),
            priority=priority,
        )
        _check_bad_words(request.sampling_params)
        return core.preprocess_add_request(request)

    description = {
        "embedding": _embedding_model(model) if task == "embed" else None,
        "max_model_len": model.max_model_len,
        "vocab_size": model.get_vocab_size(),
        "max_logprobs": model.get_vocab_size() if model.max_logprobs == -1 else model.max_logprobs,
        "schedules_by_priority": llm.vllm_config.scheduler_config.policy == "priority",
        "prefix_caching": bool(llm.vllm_config.cache_config.enable_prefix_caching),
        "dtype": str(model.dtype).removeprefix("torch."),
        "version": version,
        "threads": torch.get_num_threads(),
        "sampling": model.get_diff_sampling_param(),
        "search_path": sys.path,
    }
    _fail_what_is_given_up(GuidanceGrammar)
    _fail_what_panics(GuidanceBackend)
    engine = Engine(core, prepare, (ValueError, VLLMClientError), llm.engine_core.shutdown)
    if task == "generate":
        _warm_up_constraints(engine)
    return engine, json.dumps(description)


def _inspect_models_here():
    """vLLM looks at a model's class in another process, so that no GPU is set up before workers are forked. None are forked here,
    and that process would import everything once more, for nothing: its answer is cached nowhere that outlives a launch."""
    from vllm.model_executor.models import registry

    registry._run_in_subprocess = lambda inspect: inspect()


def _ask_for_amx(dtype):
    """A process has to ask Linux before it uses AMX's tiles (Documentation/arch/x86/xstate.rst), or it dies of SIGILL. vLLM's attention
    uses them in bfloat16 and does not ask; oneDNN does, but only once a product is large enough, which the first need not be."""
    import torch

    if torch.cpu._is_amx_tile_supported() and not torch.cpu._init_amx() and dtype != torch.float32:
        raise RuntimeError("Linux refuses the use of AMX, which the processor has: set `dtype` to float32")


# Weights of a layer that is computed faster than a second thread is woken, and found waiting the rest of the time.
_SMALL_LAYER = 1 << 18


def _choose_threads(model):
    """A thread for each core, unless `OMP_NUM_THREADS` says otherwise or layers are too small for more than one."""
    import torch

    width = model.get_hidden_size()
    inner = getattr(model.hf_text_config, "intermediate_size", None)
    layer = width * (inner if isinstance(inner, int) else width)
    if "OMP_NUM_THREADS" not in os.environ and layer < _SMALL_LAYER:
        torch.set_num_threads(1)


def _remember_end_of_sequence(renderer):
    """vLLM asks its tokenizer for it at each request, which takes longer than all of the request's other parameters."""
    token = renderer.get_eos_token_id()
    renderer.get_eos_token_id = lambda: token


def _fail_what_is_given_up(grammar):
    """A constraint that the backend gives up allows nothing but the answer's end, which would pass for a complete answer."""
    accept = grammar.accept_tokens

    def accept_tokens(self, request_id, tokens):
        return accept(self, request_id, tokens) and not self.ll_matcher.is_error()

    grammar.accept_tokens = accept_tokens


def _fail_what_panics(backend):
    """vLLM fails one request where compiling raises an Exception; a panic of the native library is none."""
    compile_grammar = backend.compile_grammar

    def guarded(self, *arguments, **keywords):
        try:
            return compile_grammar(self, *arguments, **keywords)
        except Exception:
            raise
        except BaseException as panic:
            raise RuntimeError(type(panic).__name__) from None

    backend.compile_grammar = guarded


# What vLLM's model runner for GPUs has room for; beyond it, a step fails rather than the request.
_MOST_BAD_WORD_TOKENS = 1024


def _check_bad_words(params):
    words = (params.bad_words_token_ids if params is not None else None) or []
    tokens = sum(len(word) for word in words)
    if tokens > _MOST_BAD_WORD_TOKENS:
        raise ValueError(f"bad_words make {tokens} tokens; {_MOST_BAD_WORD_TOKENS} are allowed")


def _warm_up_constraints(engine):
    """The first constraint loads libraries and reads the vocabulary, which takes seconds; nobody waits for their step yet."""
    refused = engine.add(-1, [0], "generate", {"max_tokens": 1}, {"regex": "a"}, None, 0, None)
    if refused is not None:
        logging.getLogger("blindllama").warning("structured outputs do not work with this model: %s", refused[1])
        return
    has_work = True
    while has_work:
        _, _, has_work, _ = engine.step()


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


def _prepare_process(python, private):
    """What vLLM and the helper processes it starts read from their surroundings."""
    for name in [name for name in os.environ if name.startswith("PYTHON")]:
        del os.environ[name]
    logging_config = os.path.join(private, "logging.json")
    with open(logging_config, "x", encoding="utf-8") as file:
        json.dump(_SILENCE, file)
    os.environ |= _private_folders(private) | {
        "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
        "VLLM_WORKER_MULTIPROC_METHOD": "spawn",
        "VLLM_CONFIGURE_LOGGING": "1",
        "VLLM_LOGGING_CONFIG_PATH": logging_config,
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
    sys.executable = python
    multiprocessing.set_executable(python)


# Compiled code and other caches, by the variable that says where they are. What has none goes by HOME, XDG or TMPDIR.
_CACHES = {
    "HOME": "home",
    "TMPDIR": "tmp",
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
    if not any(given.get(f"{kind}_parallel_size", 1) > 1 for kind in ("tensor", "pipeline", "data")):
        defaults["distributed_executor_backend"] = "uni"
    elif settings["adapters"]:
        raise ValueError("adapters are not served with several devices: what guards them here does not reach vLLM's workers")
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


class Engine:
    """The four calls of the step loop, over an EngineCore or what stands in for one in tests."""

    def __init__(self, core, prepare, client_errors, shutdown):
        self._core = core
        self._prepare = prepare
        self._client_errors = client_errors
        self.shutdown = shutdown

    def add(self, request_id, prompt, task, params, constraint, cache_salt, priority, adapter):
        """None if the request was added; (True, text) if it is at fault, (False, type) if only its preparation failed."""
        try:
            request = self._prepare(str(request_id), prompt, task, params, constraint, cache_salt, priority, adapter)
        except self._client_errors as refusal:
            return True, str(refusal)
        # A panic of a native library, which a constraint can provoke, is no Exception.
        except BaseException as error:
            return False, type(error).__name__
        self._core.add_request(*request)
        return None

    def abort(self, request_ids):
        self._core.abort_requests([str(request_id) for request_id in request_ids])

    def step(self):
        """(records as read by `src/outputs.rs`, whether the model ran, whether another step is due, seconds in vLLM's step)."""
        started = time.perf_counter()
        outputs, executed = self._core.step_fn()
        took = time.perf_counter() - started
        self._core.post_step(executed)
        records = array.array("q")
        for batch in (outputs or {}).values():
            for output in batch.outputs:
                # Most of all outputs have tokens and nothing else. This is the one loop of ours that runs for each token.
                if (
                    output.finish_reason is None
                    and output.prefill_stats is None
                    and output.new_logprobs is None
                    and output.new_prompt_logprobs_tensors is None
                    and output.pooling_output is None
                ):
                    tokens = output.new_token_ids
                    records.extend((int(output.request_id), -1, -1, -1, len(tokens), *tokens, 0, 0, 0, 0))
                elif output.pooling_output is None:
                    records.extend(_record(output))
                else:
                    records.frombytes(_embedding(output))
        has_work = self._core.scheduler.has_requests() or bool(self._core.batch_queue)
        return records.tobytes(), executed, has_work, took


def _record(output):
    # A stop string cannot occur: vLLM looks for those while detokenising, which is done in Rust.
    stop = output.stop_reason if isinstance(output.stop_reason, int) else -1
    finish = -1 if output.finish_reason is None else int(output.finish_reason)
    cached = -1 if output.prefill_stats is None else output.prefill_stats.num_cached_tokens
    return (
        *(int(output.request_id), cached, finish, stop, len(output.new_token_ids), *output.new_token_ids),
        *_logprobs(output.new_logprobs),
        *_logprobs(output.new_prompt_logprobs_tensors),
    )


def _embedding(output):
    """The record of a vector, marked by -2 in the second place: its length, and its numbers as float32, two to a word."""
    vector = output.pooling_output.float().numpy()
    padding = bytes(-vector.nbytes % 8)
    return array.array("q", (int(output.request_id), -2, len(vector))).tobytes() + vector.tobytes() + padding


def _logprobs(logprobs):
    """`vllm.v1.outputs.LogprobsLists`, or `LogprobsTensors` of the prompt: token ids, logprobs and ranks, in this order."""
    if logprobs is None or len(logprobs[0]) == 0:
        return (0, 0)
    import numpy

    ids, values, ranks = (numpy.asarray(column) for column in logprobs[:3])
    bits = values.astype(numpy.float64).view(numpy.int64)
    return (*ids.shape, *ids.ravel().tolist(), *bits.ravel().tolist(), *ranks.tolist())
