"""An engine whose EngineCores run in processes of their own: started by vLLM's launcher, reached through vLLM's client.

The first half runs in the gateway's process, the second in the others. Each of those is the gateway's own program, which starts the
same isolated interpreter (`src/helper_process.rs`).
"""

import asyncio
import functools
import logging
import multiprocessing
import os
import sys

import blindllama_core
import blindllama_garbage
import blindllama_guards
import blindllama_records
import blindllama_silence


def run_this_program(arguments):
    """Whatever Python starts from now on is this very program, with these arguments before Python's own. A link that the kernel
    resolves: another program that takes its place on the disk is not started."""
    multiprocessing.set_executable("/proc/self/exe")
    multiprocessing.util._args_from_interpreter_flags = lambda: list(arguments)


# `vllm.v1.engine.FinishReason.ERROR`.
_ERROR = 3


class Processes:
    """EngineCores that run, as many as `data_parallel_size` says. Requests go to the one with the least to do."""

    def __init__(self, config):
        from vllm.v1.engine.core_client import EngineCoreClient
        from vllm.v1.executor import Executor

        async def start():
            return EngineCoreClient.make_async_mp_client(config, Executor.get_class(config), log_stats=False)

        self._loop = asyncio.new_event_loop()
        self._client = self._loop.run_until_complete(start())
        self._sending = set()

    @property
    def count(self):
        return len(self._client.core_engines)

    def call(self, method, *arguments):
        """Calls a method of each EngineCore, before anybody reads outputs; gives what each of them returned."""
        return self._loop.run_until_complete(self._call(method, arguments))

    async def _call(self, method, arguments):
        calling = asyncio.ensure_future(self._client.call_utility_all_async(method, *arguments))
        # Where a process dies this ends, and nobody answers the call.
        reading = self._client.resources.output_queue_task
        await asyncio.wait({calling, reading}, return_when=asyncio.FIRST_COMPLETED)
        if not calling.done():
            calling.cancel()
            raise RuntimeError("a process of the engine has died while the model was loaded")
        return calling.result()

    def engine(self, prepare, client_errors):
        return EngineApart(self, lambda *asked: (prepare(*asked),), client_errors, self.shutdown)

    def add_request(self, request):
        self._send(self._client.add_request_async(request))

    def abort_requests(self, request_ids):
        self._send(self._client.abort_requests_async(request_ids))

    def _send(self, sending):
        self._loop.call_soon_threadsafe(self._start_sending, sending)

    def _start_sending(self, sending):
        # One after the other: each is sent by the time that its task first waits.
        task = self._loop.create_task(sending)
        self._sending.add(task)
        task.add_done_callback(self._sent)

    def _sent(self, task):
        self._sending.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            # Its client would wait for ever.
            self._client.outputs_queue.put_nowait(error)

    def outputs(self):
        """The outputs of one step of one EngineCore, once there are any. On one thread at a time, which also sends meanwhile."""
        return self._loop.run_until_complete(self._client.get_output_async()).outputs

    def shutdown(self):
        self._client.shutdown()


class EngineApart(blindllama_core.Engine):
    """EngineCores in other processes, each of which steps whenever it has work."""

    def outputs(self):
        """Records as read by `src/outputs.rs`, once there are any."""
        return blindllama_records.records(self._core.outputs())

    def finish_all(self):
        """Until an answer has ended from each of the processes, which have been given one. Says whether none of them failed."""
        ended = []
        while len(ended) < self._core.count:
            ended += [output.finish_reason for output in self._core.outputs() if output.finish_reason is not None]
        return not any(int(reason) == _ERROR for reason in ended)


def serve(pipe_handle, tracker_fd, arguments):
    """What another process does that `multiprocessing` started: to run an EngineCore, a worker of one, or what balances them."""
    # Python's own arguments of such a process, which it asks for.
    sys.argv = ["", "--multiprocessing-fork"]
    run_this_program(arguments)
    blindllama_garbage.look_rarely()
    blindllama_guards.inspect_models_here()
    _guard_engine_cores()
    _guard_workers()
    from multiprocessing.spawn import spawn_main

    spawn_main(pipe_handle=pipe_handle, tracker_fd=tracker_fd)


def _guard_engine_cores():
    from vllm.v1.engine.core import DPEngineCoreProc, EngineCoreProc

    EngineCoreProc.run_engine_core = staticmethod(_guarded(EngineCoreProc.run_engine_core))
    EngineCoreProc.process_input_sockets = _ending_the_process(EngineCoreProc.process_input_sockets)
    for kind in (EngineCoreProc, DPEngineCoreProc):
        kind.run_busy_loop = _sealed(kind.run_busy_loop)


def _guard_workers():
    from vllm.v1.executor.multiproc_executor import WorkerProc

    WorkerProc.worker_main = staticmethod(_guarded(WorkerProc.worker_main))
    WorkerProc.worker_busy_loop = _sealed(WorkerProc.worker_busy_loop)


def _guarded(main):
    # Under its name: a process that is guarded has others started with it, which look it up.
    @functools.wraps(main)
    def run(*arguments, **named):
        try:
            blindllama_guards.guard(named["vllm_config"])
        except Exception:
            logging.getLogger("blindllama").exception("the engine is not started")
            raise
        blindllama_garbage.keep()
        return main(*arguments, **named)

    return run


def _sealed(loop):
    def run(self):
        _seal()
        return loop(self)

    return run


def _seal():
    """From here on requests come, and native libraries may print them."""
    blindllama_silence.seal()
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):
        os.dup2(nowhere, stream)
    os.close(nowhere)


def _ending_the_process(read):
    """An EngineCore whose thread that takes requests is gone would keep all of them waiting."""

    def run(*arguments):
        try:
            read(*arguments)
        finally:
            logging.getLogger("blindllama").error("an engine has stopped to take requests")
            os._exit(1)

    return run


def track_resources(pipe_handle):
    """What the process does that cleans up after the others."""
    from multiprocessing.resource_tracker import main

    main(pipe_handle)
