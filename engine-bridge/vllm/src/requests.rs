//! The requests that an engine is at work on, and what its outputs mean to them.

use std::{collections::HashMap, ops::ControlFlow};

use crate::{
    open_request::{Asked, End, OpenRequest, Output},
    outputs::{ProtocolError, RequestId},
};

/// Takes requests and forgets them: vLLM's `EngineCore`, wherever it runs, or a script in tests.
pub(crate) trait Core {
    /// Hands a request over to the scheduler.
    fn add(&mut self, id: RequestId, asked: &Asked) -> Result<(), AddError>;
    /// Frees requests, or has that done where the engine has processes of its own; those that are unknown or finished are ignored.
    fn abort(&mut self, ids: &[RequestId]) -> Result<(), Fatal>;
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
    #[error("nobody reads the outputs of the engine's processes any more; this is a defect")]
    NoOutputs,
}

/// What is running in `core`.
pub(crate) struct Requests<C> {
    pub(crate) core: C,
    running: HashMap<RequestId, OpenRequest>,
    next_id: RequestId,
}

impl<C: Core> Requests<C> {
    pub(crate) fn new(core: C) -> Self {
        Self { core, running: HashMap::new(), next_id: 0 }
    }

    pub(crate) fn running(&self) -> usize {
        self.running.len()
    }

    /// Hands a request over, unless nobody waits for it any more or it is at fault, which it is told. Says whether it runs.
    pub(crate) fn add(&mut self, open: OpenRequest) -> Result<bool, Fatal> {
        if open.is_closed() {
            return Ok(false);
        }
        let id = self.next_id;
        self.next_id += 1;
        match self.core.add(id, open.asked()) {
            Ok(()) => {
                self.running.insert(id, open);
                return Ok(true);
            }
            Err(AddError::Refused(text)) => open.finish(End::Refused(text)),
            Err(AddError::Failed) => open.finish(End::Failed),
            Err(AddError::Fatal(fatal)) => return Err(fatal),
        }
        Ok(false)
    }

    /// Frees those that nobody waits for any more.
    pub(crate) fn abort_closed(&mut self) -> Result<(), Fatal> {
        let closed: Vec<_> = self.running.iter().filter(|(_, open)| open.is_closed()).map(|(id, _)| *id).collect();
        self.abort(&closed)
    }

    fn abort(&mut self, ids: &[RequestId]) -> Result<(), Fatal> {
        if ids.is_empty() {
            return Ok(());
        }
        self.core.abort(ids)?;
        // After the engine: whoever sees the count at zero may rely on the engine's memory being free, unless it has processes of
        // its own, which learn of it on their next step.
        for id in ids {
            self.running.remove(id);
        }
        Ok(())
    }

    /// Hands over what a step made; those who cannot be told are aborted.
    pub(crate) fn deliver(&mut self, outputs: Vec<(RequestId, Output)>) -> Result<(), Fatal> {
        let mut unheard = Vec::new();
        for (id, output) in outputs {
            if self.deliver_one(id, output).is_break() {
                unheard.push(id);
            }
        }
        self.abort(&unheard)
    }

    /// Breaks where the output could not be handed over: the request should be aborted.
    fn deliver_one(&mut self, id: RequestId, output: Output) -> ControlFlow<()> {
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
