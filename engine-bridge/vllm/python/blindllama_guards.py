"""What keeps vLLM from doing harm, in each process that computes: the gateway's, or the engine's own."""

import contextlib
import os

import blindllama_adapters


def guard(config):
    """Before the EngineCore of `config`, a `VllmConfig`, or a worker of it, is made."""
    import torch
    from vllm.v1.engine.core import EngineCore
    from vllm.v1.structured_output.backend_guidance import GuidanceBackend, GuidanceGrammar

    if config.device_config.device_type == "cpu":
        _ask_for_amx(config.model_config.dtype)
        _choose_threads(config.model_config)
    if config.lora_config is not None:
        blindllama_adapters.guard(config.device_config.device_type)
    _fail_what_is_given_up(GuidanceGrammar)
    _fail_what_panics(GuidanceBackend)
    _fail_requests_that_panic(EngineCore)
    # Set anew whenever a configuration is made or arrives (see `blindllama_engine.py`).
    os.environ.pop("LD_PRELOAD", None)
    # What is asked of an EngineCore, as vLLM's own calls are, wherever it runs.
    EngineCore.process_state = lambda _: [torch.get_num_threads(), _mapped()]


def inspect_models_here():
    """vLLM looks at a model's class in another process, so that no GPU is set up before workers are forked. None are forked here,
    and that process would import everything once more, for nothing: its answer is cached nowhere that outlives a launch."""
    from vllm.model_executor.models import registry

    registry._run_in_subprocess = lambda inspect: inspect()


def _mapped():
    """What the kernel says is mapped into this process (`proc_pid_maps(5)`), byte for byte."""
    with open("/proc/self/maps", encoding="latin-1") as maps:
        return maps.read()


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
        with _panics_as_errors():
            return compile_grammar(self, *arguments, **keywords)

    backend.compile_grammar = guarded


def _fail_requests_that_panic(engine_core):
    """The same for whatever else is done with a request before it is scheduled."""
    preprocess = engine_core.preprocess_add_request

    def guarded(self, request):
        with _panics_as_errors():
            return preprocess(self, request)

    engine_core.preprocess_add_request = guarded


@contextlib.contextmanager
def _panics_as_errors():
    try:
        yield
    except Exception:
        raise
    except BaseException as panic:
        raise RuntimeError(type(panic).__name__) from None
