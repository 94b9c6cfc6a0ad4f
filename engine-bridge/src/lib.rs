//! The engine seam: token ids in, token ids or a vector out.
//!
//! The gateway knows engines only through [`Engine`]; it never sees Python, tensors or devices. Dropping a
//! [`TokenStream`] or an [`EmbeddingReply`] aborts its request: the engine finds its channel closed before its next step.

mod embedding;
mod model;
mod request;
mod stream;
mod work;

pub use embedding::{EmbedRequest, Embedding, EmbeddingReply, EmbeddingSender, embedding_reply};
pub use model::{AdapterId, EmbeddingModel, ModelInfo, ModelTask, SamplingDefaults, Shortening};
pub use request::{Constraint, GenerateRequest, Logprobs, Sampling, Stopping};
pub use stream::{FinishReason, Finished, OutputSender, StreamClosed, TokenLogprob, TokenOutput, TokenStream, token_stream};
pub use work::{Work, WorkDone};

/// A running engine that serves one model.
pub trait Engine: Send + Sync + 'static {
    /// What the engine has loaded.
    fn model(&self) -> &ModelInfo;

    /// Queues a request. Never blocks.
    ///
    /// # Errors
    /// [`EngineError::Overloaded`] if the command queue is full, [`EngineError::Stopped`] after a fatal error.
    fn generate(&self, request: GenerateRequest) -> Result<TokenStream, EngineError>;

    /// Queues a sequence to embed. Never blocks. A model that generates refuses it, as one that embeds refuses
    /// [`Engine::generate`]: see [`ModelTask`].
    ///
    /// # Errors
    /// As [`Engine::generate`].
    fn embed(&self, request: EmbedRequest) -> Result<EmbeddingReply, EngineError>;

    /// Whether the engine's loop is alive.
    fn is_alive(&self) -> bool;

    /// Requests that the engine holds now, waiting or running: those whose abort it has not yet seen included.
    fn active_requests(&self) -> usize;

    /// How much it has done since it started.
    fn work_done(&self) -> WorkDone;
}

/// Why a request got no tokens, or no vector.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EngineError {
    /// The engine's queue is full; the client may try again.
    #[error("the engine's queue is full")]
    Overloaded,
    /// The engine refused this request's parameters; the text is safe to show to the client who sent them.
    #[error("the engine refused the request: {0}")]
    Rejected(String),
    /// The engine failed at this one request and goes on; of an answer's tokens, [`FinishReason::Error`] says so.
    #[error("the engine failed at the request")]
    Failed,
    /// The engine has died or is shutting down.
    #[error("the engine has stopped")]
    Stopped,
}
