"""What stands in for vLLM in the tests of the glue: the same calls, scripted by a prompt's first token."""

import json
import logging
import sys
import threading
import traceback
import warnings
from types import SimpleNamespace

import blindllama_core
import blindllama_processes
import blindllama_silence
import numpy

REFUSED, BROKEN, FATAL, NOTHING_TO_EXECUTE, PANICKING = 901, 902, 903, 904, 905


class Panic(BaseException):
    """As PyO3 raises it for a native library."""


def output(request_id, tokens, **fields):
    names = ("finish_reason", "stop_reason", "prefill_stats", "new_logprobs", "new_prompt_logprobs_tensors", "pooling_output")
    defaults = dict.fromkeys(names)
    return SimpleNamespace(request_id=request_id, new_token_ids=tokens, **(defaults | fields))


class Tensor:
    """What the records know of `torch.Tensor`."""

    def __init__(self, numbers):
        self.numbers = numbers

    def float(self):
        return self

    def numpy(self):
        return numpy.array(self.numbers, numpy.float32)


class Core:
    """An embedding is over at once: as many numbers as there are to be dimensions. Any other request gets two steps: its prompt, max_tokens and seed come back, then it stops at token 2."""

    def __init__(self, canary):
        self.canary = canary
        self.requests = {}
        self.batch_queue = None
        self.scheduler = SimpleNamespace(has_requests=lambda: bool(self.requests))

    def add_request(self, request_id, prompt, sampling):
        self.requests[request_id] = (prompt, sampling, [])

    def abort_requests(self, request_ids):
        for request_id in request_ids:
            self.requests.pop(request_id, None)

    def post_step(self, executed):
        assert isinstance(executed, bool)

    def step_fn(self):
        if any(prompt[0] == FATAL for prompt, _, _ in self.requests.values()):
            raise RuntimeError(self.canary)
        if any(prompt[0] == NOTHING_TO_EXECUTE for prompt, _, _ in self.requests.values()):
            return None, False
        outputs = [self.advance(request_id) for request_id in list(self.requests)]
        return {0: SimpleNamespace(outputs=outputs)}, True

    def advance(self, request_id):
        prompt, sampling, steps = self.requests[request_id]
        if "dimensions" in sampling:
            del self.requests[request_id]
            vector = Tensor([0.5, -1.25, 2.0, 3.0][: sampling["dimensions"]])
            return output(request_id, [], finish_reason=0, pooling_output=vector)
        steps.append(None)
        if len(steps) == 1:
            tokens = [*prompt, sampling["max_tokens"], sampling["seed"]]
            fields = {"prefill_stats": SimpleNamespace(num_cached_tokens=16)}
            if sampling.get("logprobs") is not None:
                ids, values = numpy.array([[7, 8]] * len(tokens)), numpy.array([[-0.5, -1.5]] * len(tokens), numpy.float32)
                fields["new_logprobs"] = (ids, values, numpy.arange(1, len(tokens) + 1), None)
            return output(request_id, tokens, **fields)
        del self.requests[request_id]
        return output(request_id, [2], finish_reason=0, stop_reason=2)


class Processes:
    """Gives a request's prompt back, once, and has then died."""

    def __init__(self, canary):
        self.canary = canary
        self.requests = []

    def add_request(self, request_id, prompt):
        self.requests.append((request_id, prompt))

    def abort_requests(self, request_ids):
        assert request_ids == ["7"]

    def outputs(self):
        if not self.requests:
            raise RuntimeError(self.canary)
        return [output(*self.requests.pop())]


def apart(canary):
    return blindllama_processes.EngineApart(Processes(canary), lambda *asked: asked[:2], (ValueError,), lambda: None)


def engine(canary):
    prepared = {}

    def prepare(request_id, prompt, task, sampling, constraint, cache_salt, priority, adapter):
        rest = {"constraint": constraint, "cache_salt": cache_salt, "priority": priority, "adapter": adapter}
        prepared[request_id] = json.dumps({"prompt": prompt, "task": task, **sampling, **rest})
        if prompt[0] == REFUSED:
            raise ValueError(canary)
        if prompt[0] == BROKEN:
            raise KeyError(canary)
        if prompt[0] == PANICKING:
            raise Panic(canary)
        return request_id, prompt, sampling

    class Leaky(blindllama_core.EngineHere):
        def prepared(self, request_id):
            return prepared[request_id]

        def leak(self, text):
            logging.getLogger("vllm.loading").warning("%s", "shown while loading")
            try:
                raise ValueError("too little memory")
            except ValueError:
                logging.getLogger("vllm.loading").exception("failed to start")
            logging.getLogger("vllm.early").addHandler(logging.StreamHandler(sys.stderr))
            blindllama_silence.seal()
            leak(text)

    return Leaky(Core(canary), prepare, (ValueError,), lambda: None)


def leak(text):
    """Prints `text` in every way that a library might."""
    logging.getLogger("vllm.leaky").error("a message with %s", text, extra={"more": text})
    logging.getLogger("vllm.early").error(text)
    own = logging.getLogger("handled.elsewhere")
    own.addHandler(logging.StreamHandler())
    own.addHandler(logging.StreamHandler(sys.__stderr__))
    own.propagate = False
    own.critical(text)
    warnings.warn(text, stacklevel=1)
    print(text)
    print(text, file=sys.__stderr__)
    sys.stderr.write(text)
    try:
        raise RuntimeError(text)
    except RuntimeError:
        traceback.print_exc()
        logging.getLogger("vllm.leaky").exception(text)
        sys.excepthook(*sys.exc_info())
    thread = threading.Thread(target=raises, args=(text,), name=text)
    thread.start()
    thread.join()
    unraisable(text)


def raises(text):
    raise RuntimeError(text)


def unraisable(text):
    class Dies:
        def __del__(self):
            raise RuntimeError(text)

    Dies()
