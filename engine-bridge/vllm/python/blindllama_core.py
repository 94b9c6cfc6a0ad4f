"""vLLM's EngineCore behind the few calls of `src/core.rs`."""

import time

import blindllama_records


class Engine:
    """What is done alike wherever the EngineCore runs. `core` has its methods `add_request` and `abort_requests`; `prepare` makes the
    arguments of the first."""

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


class EngineHere(Engine):
    """An EngineCore in this process, or what stands in for one in tests: whoever calls `step` computes."""

    def step(self):
        """(records as read by `src/outputs.rs`, whether the model ran, whether another step is due, seconds in vLLM's step)."""
        started = time.perf_counter()
        outputs, executed = self._core.step_fn()
        took = time.perf_counter() - started
        self._core.post_step(executed)
        outputs = (output for batch in (outputs or {}).values() for output in batch.outputs)
        has_work = self._core.scheduler.has_requests() or bool(self._core.batch_queue)
        return blindllama_records.records(outputs), executed, has_work, took

    def finish_all(self):
        """Until nothing is left to do. What fails here does so while it is added, or ends the engine."""
        has_work = True
        while has_work:
            _, _, has_work, _ = self.step()
        return True
