"""vLLM's EngineCore alone: no server, no clients, no text. What any server around it in one process can reach at best.

    .state/python/bin/python benches/serving/bare_loop.py MODEL DTYPE KV_CACHE_BYTES

Each line of standard input is a round: `PLACES PROMPT_TOKENS TOKENS ANSWERS`. The engine is stepped until each of PLACES places
has given ANSWERS answers of TOKENS tokens (the first of them shorter, so that places do not go in step, as in load.rs); then
are printed the seconds that took, and the median of those from adding a request to its first token.
"""

import os
import statistics
import sys
import time

os.environ |= {"VLLM_ENABLE_V1_MULTIPROCESSING": "0", "HF_HUB_OFFLINE": "1", "VLLM_NO_USAGE_STATS": "1", "VLLM_LOGGING_LEVEL": "ERROR"}


class BareLoop:
    def __init__(self, model, dtype, kv_cache_bytes):
        from vllm import SamplingParams
        from vllm.engine.arg_utils import EngineArgs
        from vllm.inputs.engine import tokens_input
        from vllm.usage.usage_lib import UsageContext
        from vllm.v1.engine.llm_engine import LLMEngine

        arguments = EngineArgs(
            model=model,
            dtype=dtype,
            kv_cache_memory_bytes=kv_cache_bytes,
            enforce_eager=True,
            disable_log_stats=True,
            enable_prefix_caching=False,
            distributed_executor_backend="uni",
        )
        llm = LLMEngine.from_engine_args(arguments, UsageContext.OPENAI_API_SERVER)
        self._core = llm.engine_core.engine_core
        self._params = SamplingParams
        self._process = lambda request_id, prompt, params: llm.input_processor.process_inputs(
            request_id, tokens_input(prompt), params, supported_tasks=("generate",)
        )

    def _add(self, place, answer, prompt_tokens, tokens):
        self._waiting[place] = time.perf_counter()
        params = self._params(max_tokens=tokens, temperature=0.0, ignore_eos=True, detokenize=False)
        prompt = [3 + (place * 7 + answer * 13 + index) % 200 for index in range(prompt_tokens)]
        request = self._process(f"{place}:{answer}", prompt, params)
        self._core.add_request(*self._core.preprocess_add_request(request))

    def round(self, places, prompt_tokens, tokens, answers):
        started = time.perf_counter()
        # When a place's request was added, until its first token is there.
        self._waiting, first = {}, []
        for place in range(places):
            self._add(place, 0, prompt_tokens, -(-tokens * (place + 1) // places))
        while self._core.scheduler.has_requests():
            outputs, executed = self._core.step_fn()
            self._core.post_step(executed)
            for output in (output for batch in (outputs or {}).values() for output in batch.outputs):
                place, answer = map(int, output.request_id.split("-")[0].split(":"))
                if place in self._waiting:
                    first.append(time.perf_counter() - self._waiting.pop(place))
                if output.finish_reason is not None and answer + 1 < answers:
                    self._add(place, answer + 1, prompt_tokens, tokens)
        return time.perf_counter() - started, statistics.median(first)


def main(model, dtype, kv_cache_bytes):
    # vLLM prints there too.
    results, sys.stdout = sys.stdout, sys.stderr
    loop = BareLoop(model, dtype, int(kv_cache_bytes))
    print("ready", file=results, flush=True)
    for line in sys.stdin:
        print(*loop.round(*map(int, line.split())), file=results, flush=True)


main(*sys.argv[1:])
