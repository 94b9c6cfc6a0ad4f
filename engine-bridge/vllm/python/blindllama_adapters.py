"""LoRA adapters (ADR 14): all are loaded at start, and none later.

Beside `blindllama_engine.py`, which alone uses it.
"""

import contextlib
from typing import get_args


def engine_args(adapters, given):
    """Room for all of them, so that none ever makes way for another and has to come back from its files."""
    from vllm.config.lora import MaxLoRARanks

    at_once = given.get("max_loras", len(adapters))
    ranks = []
    for adapter in adapters:
        with _naming(adapter):
            ranks.append(_rank(adapter["path"], get_args(MaxLoRARanks)))
    return {
        "enable_lora": True,
        "max_lora_rank": max(ranks),
        "max_loras": at_once,
        "max_cpu_loras": max(at_once, len(adapters)),
    }


def _rank(path, allowed):
    """The smallest rank that vLLM has, and that the adapter fits into."""
    from vllm.lora.peft_helper import PEFTHelper

    config = PEFTHelper.from_local_dir(path, None)
    rank = max([config.r, *config.rank_pattern.values()])
    if rank > max(allowed):
        raise ValueError(f"its rank is {rank}, and vLLM's largest is {max(allowed)}")
    return min(other for other in allowed if other >= rank)


def load(call, adapters):
    """Loads them into each EngineCore, whose methods `call` calls; gives what vLLM wants with a request, for each adapter."""
    from vllm.lora.request import LoRARequest

    loaded = [LoRARequest(adapter["name"], number, adapter["path"]) for number, adapter in enumerate(adapters, start=1)]
    for adapter, request in zip(adapters, loaded):
        with _naming(adapter):
            call("add_lora", request)
    if adapters:
        call("close_adapters")
    return loaded


@contextlib.contextmanager
def _naming(adapter):
    try:
        yield
    except Exception as error:
        raise ValueError(f"the adapter {adapter['name']!r} cannot be loaded: {error}") from error


def guard(device):
    """Keeps vLLM 0.32 from reading adapters later, and from letting them into other requests. In this process only."""
    from vllm.v1.engine.core import EngineCore

    EngineCore.close_adapters = lambda _: _close()
    EngineCore.preprocess_add_request = _refusing_what_is_missing(EngineCore.preprocess_add_request)
    _leave_the_last_layer_alone()
    if device == "cpu":
        _leave_other_tokens_alone()


def _close():
    """Whatever vLLM does with its caches: from here on nothing is read."""
    from vllm.lora.worker_manager import WorkerLoRAManager

    def refuse(self, request):
        raise RuntimeError("adapters are loaded before the launch is sealed, and never again")

    WorkerLoRAManager._load_adapter = refuse


def _refusing_what_is_missing(preprocess):
    """Where vLLM itself finds that an adapter is missing, the step fails, and the engine with it; here, the one request does."""

    def preprocess_add_request(self, request):
        if request.lora_request is not None and request.lora_request.lora_int_id not in _loaded(self):
            raise RuntimeError("vLLM has dropped an adapter")
        return preprocess(self, request)

    return preprocess_add_request


def _loaded(core):
    """Where the EngineCore has its own process, requests are taken in while it steps: adapters may change places meanwhile."""
    for _ in range(100):
        with contextlib.suppress(RuntimeError):
            return core.list_loras()
    return core.list_loras()


def _leave_the_last_layer_alone():
    """Where the last layer can have adapters, a prompt's probabilities, for whatever request, are computed as if its tokens were
    as many requests: the step fails. So none can have it, and vLLM refuses to load an adapter of that layer."""
    from vllm.lora import model_manager

    supported = model_manager.get_supported_lora_modules
    model_manager.get_supported_lora_modules = lambda model: [name for name in supported(model) if name != "lm_head"]


def _leave_other_tokens_alone():
    """-1, the mark of a token without an adapter, is taken for the last adapter's place (vllm-project/vllm#48421). Whatever
    adapters add to a token comes out of these two functions; here, what goes into them is nothing."""
    from vllm.lora.ops.torch_ops import lora_ops
    from vllm.lora.punica_wrapper import punica_cpu

    def guarded(expand):
        def expand_adapted(inputs, weights, output, places, *more, **named):
            return expand(inputs.masked_fill((places < 0).unsqueeze(1), 0), weights, output, places, *more, **named)

        return expand_adapted

    for name in ("bgmv_expand", "bgmv_expand_slice"):
        expand = guarded(getattr(lora_ops, name))
        for module in (lora_ops, punica_cpu):
            setattr(module, name, expand)
