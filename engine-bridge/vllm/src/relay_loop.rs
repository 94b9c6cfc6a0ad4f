//! The engine thread's loop where the engine runs in processes of its own: requests out to them, and their outputs back, whichever
//! comes first. Another thread waits for the outputs.

use std::{sync::Arc, time::Duration};

use blindllama_engine::Work;
use crossbeam_channel::{Receiver, after, never, select_biased};

use crate::{
    open_request::Output,
    outputs::RequestId,
    queue::Waiting,
    requests::{Core, Fatal, Requests},
};

/// How often requests that nobody waits for are looked for while no outputs come: steps that only read a long prompt give none.
const LOOK_FOR_CLOSED: Duration = Duration::from_millis(50);

/// What one step of one process made, for each request concerned.
pub(crate) type Outputs = Vec<(RequestId, Output)>;

/// The loop's state.
pub(crate) struct RelayLoop<C> {
    requests: Requests<C>,
    queue: Waiting,
    outputs: Receiver<Result<Outputs, Fatal>>,
    work: Arc<Work>,
}

impl<C: Core> RelayLoop<C> {
    pub(crate) fn new(core: C, queue: Waiting, outputs: Receiver<Result<Outputs, Fatal>>, work: Arc<Work>) -> Self {
        Self { requests: Requests::new(core), queue, outputs, work }
    }

    /// Relays until the queue is closed.
    ///
    /// # Errors
    /// [`Fatal`] if the engine can no longer be used.
    pub(crate) fn run(&mut self) -> Result<(), Fatal> {
        loop {
            let look = if self.requests.running() > 0 { after(LOOK_FOR_CLOSED) } else { never() };
            // Outputs first, so that a flood of requests cannot hold up those that run.
            select_biased! {
                recv(self.outputs) -> outputs => match outputs {
                    Ok(outputs) => self.deliver(outputs?)?,
                    // The thread that reads them has ended without a word.
                    Err(_) => return Err(Fatal::NoOutputs),
                },
                recv(self.queue.requests) -> request => match request {
                    Ok(request) => drop(self.requests.add(request)?),
                    Err(_) => return Ok(()),
                },
                recv(look) -> _ => self.requests.abort_closed()?,
            }
        }
    }

    /// Ends all streams that are still open, those of queued requests too, and gives the engine back.
    pub(crate) fn into_core(self) -> C {
        self.requests.core
    }

    fn deliver(&mut self, outputs: Outputs) -> Result<(), Fatal> {
        self.work.stepped(!outputs.is_empty(), Duration::ZERO);
        self.requests.deliver(outputs)?;
        self.requests.abort_closed()
    }
}

#[cfg(test)]
mod tests;
