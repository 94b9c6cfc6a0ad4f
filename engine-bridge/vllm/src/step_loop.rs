//! The engine thread's loop where the engine runs in this process: requests in, steps, outputs out.

use std::{ops::ControlFlow, sync::Arc, time::Duration};

use blindllama_engine::Work;
use crossbeam_channel::{RecvTimeoutError, TryRecvError};

use crate::{
    open_request::Output,
    outputs::{ProtocolError, RequestId},
    queue::Waiting,
    requests::{Core, Fatal, Requests},
};

/// How long the loop leaves the GIL to vLLM's own threads where nothing could be executed (as vLLM's own loop does).
const YIELD: Duration = Duration::from_millis(1);
/// The most requests taken in before each step, so that a flood of them cannot hold up those that run.
const REQUESTS_PER_STEP: usize = 64;

/// What the loop drives.
pub(crate) trait SteppedCore: Core {
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
    requests: Requests<C>,
    queue: Waiting,
    wait: Wait,
    work: Arc<Work>,
}

impl<C: SteppedCore> StepLoop<C> {
    pub(crate) fn new(core: C, queue: Waiting, work: Arc<Work>) -> Self {
        Self { requests: Requests::new(core), queue, wait: Wait::ForRequest, work }
    }

    /// Steps the engine until the queue is closed.
    ///
    /// # Errors
    /// [`Fatal`] if the engine can no longer be used.
    pub(crate) fn run(&mut self) -> Result<(), Fatal> {
        while self.take_requests()?.is_continue() {
            self.requests.abort_closed()?;
            if self.wait != Wait::ForRequest {
                self.step()?;
            }
        }
        Ok(())
    }

    /// Ends all streams that are still open, those of queued requests too, and gives the engine back.
    pub(crate) fn into_core(self) -> C {
        self.requests.core
    }

    fn take_requests(&mut self) -> Result<ControlFlow<()>, Fatal> {
        for _ in 0..REQUESTS_PER_STEP {
            let next = match self.wait {
                Wait::ForRequest => self.queue.requests.recv().map_err(|_| TryRecvError::Disconnected),
                Wait::Briefly => self.queue.requests.recv_timeout(YIELD).map_err(|error| match error {
                    RecvTimeoutError::Timeout => TryRecvError::Empty,
                    RecvTimeoutError::Disconnected => TryRecvError::Disconnected,
                }),
                Wait::No => self.queue.requests.try_recv(),
            };
            match next {
                Ok(request) => {
                    if self.requests.add(request)? {
                        self.wait = Wait::No;
                    }
                }
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => return Ok(ControlFlow::Break(())),
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    fn step(&mut self) -> Result<(), Fatal> {
        let step = self.requests.core.step()?;
        self.work.stepped(step.executed, step.took);
        self.requests.deliver(step.outputs)?;
        if !step.has_work && self.requests.running() > 0 {
            return Err(ProtocolError::LostRequests(self.requests.running()).into());
        }
        self.wait = match (step.has_work, step.executed) {
            (false, _) => Wait::ForRequest,
            (true, true) => Wait::No,
            (true, false) => Wait::Briefly,
        };
        Ok(())
    }
}

#[cfg(test)]
mod tests;
