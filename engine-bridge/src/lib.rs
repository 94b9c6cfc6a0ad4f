//! The engine seam: token ids in, token ids out.
//!
//! The gateway knows engines only through [`Engine`]; it never sees Python, tensors or devices. Dropping a
//! [`TokenStream`] aborts its request: the engine finds the stream's channel closed before its next step.

mod model;
mod request;
mod stream;

pub use model::{ModelInfo, SamplingDefaults};
pub use request::{Constraint, GenerateRequest, Logprobs, Sampling, Stopping};
pub use stream::{FinishReason, Finished, OutputSender, StreamClosed, TokenLogprob, TokenOutput, TokenStream, token_stream};

/// A running engine that serves one model.
pub trait Engine: Send + Sync + 'static {
    /// What the engine has loaded.
    fn model(&self) -> &ModelInfo;

    /// Queues a request. Never blocks.
    ///
    /// # Errors
    /// [`EngineError::Overloaded`] if the command queue is full, [`EngineError::Stopped`] after a fatal error.
    fn generate(&self, request: GenerateRequest) -> Result<TokenStream, EngineError>;

    /// Whether the engine's loop is alive.
    fn is_alive(&self) -> bool;

    /// Requests that the engine holds now, waiting or running: those whose abort it has not yet seen included.
    fn active_requests(&self) -> usize;
}

/// Why a request got no tokens.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EngineError {
    /// The engine's queue is full; the client may try again.
    #[error("the engine's queue is full")]
    Overloaded,
    /// The engine refused this request's parameters; the text is safe to show to the client who sent them.
    #[error("the engine refused the request: {0}")]
    Rejected(String),
    /// The engine has died or is shutting down.
    #[error("the engine has stopped")]
    Stopped,
}
