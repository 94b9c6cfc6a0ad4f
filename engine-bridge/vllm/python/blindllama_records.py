"""What an EngineCore's outputs look like to `src/outputs.rs`."""

import array


def records(outputs):
    """The numbers of a step's outputs, `vllm.v1.engine.EngineCoreOutput`: first of those that have one token and nothing else, which
    are most."""
    requests, tokens, others = [], [], []
    # This is the one loop of ours that runs for each token.
    for output in outputs:
        if len(output.new_token_ids) == 1 and (
            output.finish_reason
            is output.prefill_stats
            is output.new_logprobs
            is output.new_prompt_logprobs_tensors
            is output.pooling_output
            is None
        ):
            requests.append(output.request_id)
            tokens += output.new_token_ids
        else:
            others.append(output)
    numbers = array.array("q", (len(requests), *map(int, requests), *tokens))
    for output in others:
        if output.pooling_output is None:
            numbers.extend(_record(output))
        else:
            numbers.frombytes(_embedding(output))
    return numbers.tobytes()


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
