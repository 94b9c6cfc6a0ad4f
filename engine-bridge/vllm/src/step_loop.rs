//! The engine thread's loop: requests in, steps, outputs out.

use std::{
    collections::HashMap,
    ops::ControlFlow,
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError, TryRecvError},
    },
    time::Duration,
};

use blindllama_engine::Work;

use crate::{
    open_request::{Asked, End, OpenRequest, Output},
    outputs::{ProtocolError, RequestId},
};

/// How long the loop leaves the GIL to vLLM's own threads where nothing could be executed (as vLLM's own loop does).
const YIELD: Duration = Duration::from_millis(1);
/// The most requests taken in before each step, so that a flood of them cannot hold up those that run.
const REQUESTS_PER_STEP: usize = 64;

/// What the loop drives: vLLM's `EngineCore`, or a script in tests.
pub(crate) trait Core {
    /// Hands a request over to the scheduler.
    fn add(&mut self, id: RequestId, asked: &Asked) -> Result<(), AddError>;
    /// Frees requests; those that are unknown or finished are ignored. They give no further output.
    fn abort(&mut self, ids: &[RequestId]) -> Result<(), Fatal>;
    /// Runs one step.
    fn step(&mut self) -> Result<Step, Fatal>;
}

/// What one step did.
#[derive(Debug, Default)]
pub(crate) struct Step {
    /// What it made, for each request concerned.
    pub(crate) outputs: Vec<(RequestId, Output)>,
    /// Whether the model ran.
    pub(crate) executed: bool,
    /// Whether another step is due.
    pub(crate) has_work: bool,
    /// How long the engine was at it, without what is done around it.
    pub(crate) took: Duration,
}

/// Why a request was not added.
#[derive(Debug)]
pub(crate) enum AddError {
    /// Its parameters are at fault; the text is for its client alone.
    Refused(String),
    /// Something else failed, which concerns this request only.
    Failed,
    /// The engine is no longer usable.
    Fatal(Fatal),
}

/// The engine is no longer usable. Never holds content.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fatal {
    /// A Python exception: its message could quote content and stays out.
    #[error("{kind} at {source_line}")]
    Exception { kind: String, source_line: String },
    #[error(transparent)]
    Protocol(#[from] ProtocolError),
}

/// How to wait for requests before the next step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wait {
    /// Not at all: the engine has work.
    No,
    /// For a moment: the engine has work that it cannot go on with.
    Briefly,
    /// Until one comes: the engine has none.
    ForRequest,
}

/// The loop's state.
pub(crate) struct StepLoop<C> {
    core: C,
    queue: Receiver<OpenRequest>,
    running: HashMap<RequestId, OpenRequest>,
    next_id: RequestId,
    wait: Wait,
    work: Arc<Work>,
}

impl<C: Core> StepLoop<C> {
    pub(crate) fn new(core: C, queue: Receiver<OpenRequest>, work: Arc<Work>) -> Self {
        Self { core, queue, running: HashMap::new(), next_id: 0, wait: Wait::ForRequest, work }
    }

    /// Steps the engine until the queue's sender is dropped.
    ///
    /// # Errors
    /// [`Fatal`] if the engine can no longer be used.
    pub(crate) fn run(&mut self) -> Result<(), Fatal> {
        while self.take_requests()?.is_continue() {
            self.abort_closed()?;
            if self.wait != Wait::ForRequest {
                self.step()?;
            }
        }
        Ok(())
    }

    /// Ends all streams that are still open, and gives the engine back.
    pub(crate) fn into_core(self) -> C {
        self.core
    }

    fn take_requests(&mut self) -> Result<ControlFlow<()>, Fatal> {
        for _ in 0..REQUESTS_PER_STEP {
            let next = match self.wait {
                Wait::ForRequest => self.queue.recv().map_err(|_| TryRecvError::Disconnected),
                Wait::Briefly => self.queue.recv_timeout(YIELD).map_err(|error| match error {
                    RecvTimeoutError::Timeout => TryRecvError::Empty,
                    RecvTimeoutError::Disconnected => TryRecvError::Disconnected,
                }),
                Wait::No => self.queue.try_recv(),
            };
            match next {
                Ok(request) => self.add(request)?,
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => return Ok(ControlFlow::Break(())),
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    fn add(&mut self, open: OpenRequest) -> Result<(), Fatal> {
        if open.is_closed() {
            return Ok(());
        }
        let id = self.next_id;
        self.next_id += 1;
        match self.core.add(id, open.asked()) {
            Ok(()) => {
                self.running.insert(id, open);
                self.wait = Wait::No;
            }
            Err(AddError::Refused(text)) => open.finish(End::Refused(text)),
            Err(AddError::Failed) => open.finish(End::Failed),
            Err(AddError::Fatal(fatal)) => return Err(fatal),
        }
        Ok(())
    }

    fn abort_closed(&mut self) -> Result<(), Fatal> {
        let closed: Vec<_> = self.running.iter().filter(|(_, open)| open.is_closed()).map(|(id, _)| *id).collect();
        self.abort(&closed)
    }

    fn abort(&mut self, ids: &[RequestId]) -> Result<(), Fatal> {
        if ids.is_empty() {
            return Ok(());
        }
        self.core.abort(ids)?;
        // After the engine: whoever sees the count at zero may rely on the engine's memory being free.
        for id in ids {
            self.running.remove(id);
        }
        Ok(())
    }

    fn step(&mut self) -> Result<(), Fatal> {
        let step = self.core.step()?;
        self.work.stepped(step.executed, step.took);
        let mut unheard = Vec::new();
        for (id, output) in step.outputs {
            if self.deliver(id, output).is_break() {
                unheard.push(id);
            }
        }
        self.abort(&unheard)?;
        if !step.has_work && !self.running.is_empty() {
            return Err(ProtocolError::LostRequests(self.running.len()).into());
        }
        self.wait = match (step.has_work, step.executed) {
            (false, _) => Wait::ForRequest,
            (true, true) => Wait::No,
            (true, false) => Wait::Briefly,
        };
        Ok(())
    }

    /// Breaks where the output could not be handed over: the request should be aborted.
    fn deliver(&mut self, id: RequestId, output: Output) -> ControlFlow<()> {
        if output.is_last() {
            if let Some(open) = self.running.remove(&id) {
                open.finish(End::Output(output));
            }
            return ControlFlow::Continue(());
        }
        match self.running.get(&id).map(|open| open.send(output)) {
            Some(Err(_closed)) => ControlFlow::Break(()),
            // An id that is not running was aborted while the step was under way.
            Some(Ok(())) | None => ControlFlow::Continue(()),
        }
    }
}

#[cfg(test)]
mod tests;
