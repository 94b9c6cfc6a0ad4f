//! A request on its way to the engine or in it.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use blindllama_engine::{
    EmbedRequest, Embedding, EmbeddingSender, EngineError, FinishReason, Finished, GenerateRequest, OutputSender, StreamClosed,
    TokenOutput,
};

/// What is to be done.
#[derive(Debug)]
pub(crate) enum Asked {
    Generate(Box<GenerateRequest>),
    Embed(EmbedRequest),
}

/// What an engine step made for one request.
#[derive(Debug, PartialEq)]
pub(crate) enum Output {
    Tokens(TokenOutput),
    /// Always the last.
    Embedding(Embedding),
}

impl Output {
    /// Whether nothing comes after it.
    pub(crate) const fn is_last(&self) -> bool {
        match self {
            Self::Tokens(output) => output.finished.is_some(),
            Self::Embedding(_) => true,
        }
    }
}

/// How a request ends.
#[derive(Debug)]
pub(crate) enum End {
    /// With this output.
    Output(Output),
    /// Its parameters are at fault; the text is for its client alone.
    Refused(String),
    /// Something else failed, which concerns this request only.
    Failed,
    /// With the engine.
    Stopped,
}

#[derive(Debug)]
enum Reply {
    Tokens(OutputSender),
    /// `None` once the request has ended.
    Embedding(Option<EmbeddingSender>),
}

/// A request that has not ended. Dropping it tells its owner the last word.
#[derive(Debug)]
pub(crate) struct OpenRequest {
    asked: Asked,
    reply: Reply,
    end: End,
    active: Arc<AtomicUsize>,
}

impl OpenRequest {
    /// Counts itself in `active` as long as it lives.
    pub(crate) fn generate(request: GenerateRequest, sender: OutputSender, active: Arc<AtomicUsize>) -> Self {
        Self::new(Asked::Generate(Box::new(request)), Reply::Tokens(sender), active)
    }

    /// Counts itself in `active` as long as it lives.
    pub(crate) fn embed(request: EmbedRequest, sender: EmbeddingSender, active: Arc<AtomicUsize>) -> Self {
        Self::new(Asked::Embed(request), Reply::Embedding(Some(sender)), active)
    }

    fn new(asked: Asked, reply: Reply, active: Arc<AtomicUsize>) -> Self {
        active.fetch_add(1, Ordering::Relaxed);
        Self { asked, reply, end: End::Stopped, active }
    }

    pub(crate) const fn asked(&self) -> &Asked {
        &self.asked
    }

    /// Whether nobody waits for it any more.
    pub(crate) fn is_closed(&self) -> bool {
        match &self.reply {
            Reply::Tokens(sender) => sender.is_closed(),
            Reply::Embedding(sender) => sender.as_ref().is_none_or(EmbeddingSender::is_closed),
        }
    }

    /// Hands over an output that is not the last: tokens, for a request that asked for them.
    ///
    /// # Errors
    /// [`StreamClosed`] if nobody listens any more.
    pub(crate) fn send(&self, output: Output) -> Result<(), StreamClosed> {
        match (&self.reply, output) {
            (Reply::Tokens(sender), Output::Tokens(output)) => sender.send(Ok(output)),
            _ => Ok(()),
        }
    }

    /// The last word.
    pub(crate) fn finish(mut self, end: End) {
        self.end = end;
    }
}

impl Drop for OpenRequest {
    fn drop(&mut self) {
        // The count first: whoever has seen the request end must not find it still counted.
        self.active.fetch_sub(1, Ordering::Relaxed);
        let end = std::mem::replace(&mut self.end, End::Stopped);
        match &mut self.reply {
            Reply::Tokens(sender) => {
                // Where nobody listens any more there is nobody to tell.
                let _ = sender.send(last_tokens(end));
            }
            Reply::Embedding(sender) => {
                if let Some(sender) = sender.take() {
                    sender.send(embedding(end));
                }
            }
        }
    }
}

fn last_tokens(end: End) -> Result<TokenOutput, EngineError> {
    match end {
        End::Output(Output::Tokens(output)) => Ok(output),
        End::Output(Output::Embedding(_)) | End::Failed => Ok(TokenOutput {
            finished: Some(Finished { reason: FinishReason::Error, stop_token: None }),
            ..TokenOutput::default()
        }),
        End::Refused(text) => Err(EngineError::Rejected(text)),
        End::Stopped => Err(EngineError::Stopped),
    }
}

fn embedding(end: End) -> Result<Embedding, EngineError> {
    match end {
        End::Output(Output::Embedding(embedding)) => Ok(embedding),
        // As vLLM ends a request that it gives up.
        End::Output(Output::Tokens(_)) | End::Failed => Err(EngineError::Failed),
        End::Refused(text) => Err(EngineError::Rejected(text)),
        End::Stopped => Err(EngineError::Stopped),
    }
}
