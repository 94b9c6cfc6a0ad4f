"""An EngineCore that has every step's tokens ready (`crossing.rs`)."""

from types import SimpleNamespace

import blindllama_core


class _Output:
    """What is read of `vllm.v1.engine.EngineCoreOutput`."""

    __slots__ = (
        "request_id",
        "new_token_ids",
        "finish_reason",
        "prefill_stats",
        "new_logprobs",
        "new_prompt_logprobs_tensors",
        "pooling_output",
    )

    def __init__(self, request_id):
        self.request_id = request_id
        self.new_token_ids = [17]
        self.finish_reason = self.prefill_stats = self.new_logprobs = None
        self.new_prompt_logprobs_tensors = self.pooling_output = None


def engine(sequences):
    outputs = {0: SimpleNamespace(outputs=[_Output(str(sequence)) for sequence in range(sequences)])}
    core = SimpleNamespace(
        step_fn=lambda: (outputs, True),
        post_step=lambda executed: None,
        scheduler=SimpleNamespace(has_requests=lambda: True),
        batch_queue=None,
    )
    return blindllama_core.EngineHere(core, None, (), None)
