//! Token ids in, one vector out.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use tokio::sync::oneshot;

use crate::EngineError;

/// One sequence to embed.
#[derive(Clone, PartialEq, Eq)]
pub struct EmbedRequest {
    /// The sequence, as token ids; not empty, and not longer than the model's context.
    pub prompt: Vec<u32>,
    /// How many dimensions the vector is to have, where the model offers that; all that it makes otherwise.
    pub dimensions: Option<usize>,
    /// Requests with a smaller number go first, in an engine that schedules by priority; 0 in all others.
    pub priority: i64,
    /// Requests with the same salt may share a prefix cache.
    pub cache_salt: Option<String>,
}

/// Lengths only: the rest is content.
impl fmt::Debug for EmbedRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EmbedRequest").field("prompt_tokens", &self.prompt.len()).finish_non_exhaustive()
    }
}

/// The vector of one sequence: content like the text itself, which can be guessed from it.
#[derive(Clone, Default, PartialEq)]
pub struct Embedding(pub Vec<f32>);

/// Its length only.
impl fmt::Debug for Embedding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Embedding").field("dimensions", &self.0.len()).finish_non_exhaustive()
    }
}

/// The engine's end of a request: the vector goes in, closure is seen.
#[derive(Debug)]
pub struct EmbeddingSender(oneshot::Sender<Result<Embedding, EngineError>>);

impl EmbeddingSender {
    /// Hands the vector over. Where nobody waits for it any more, nothing happens.
    pub fn send(self, embedding: Result<Embedding, EngineError>) {
        let _ = self.0.send(embedding);
    }

    /// Whether the reply was dropped.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.0.is_closed()
    }
}

/// The vector of one request, once it is there. Dropping it aborts the request.
#[derive(Debug)]
pub struct EmbeddingReply(oneshot::Receiver<Result<Embedding, EngineError>>);

impl Future for EmbeddingReply {
    type Output = Result<Embedding, EngineError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        // The sender goes away without a word only where an engine died.
        Pin::new(&mut self.0).poll(context).map(|reply| reply.unwrap_or(Err(EngineError::Stopped)))
    }
}

/// Makes the two ends of a request's way back.
#[must_use]
pub fn embedding_reply() -> (EmbeddingSender, EmbeddingReply) {
    let (sender, receiver) = oneshot::channel();
    (EmbeddingSender(sender), EmbeddingReply(receiver))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_vector_arrives() {
        let (sender, reply) = embedding_reply();
        sender.send(Ok(Embedding(vec![0.5])));
        assert_eq!(reply.await, Ok(Embedding(vec![0.5])));
    }

    #[tokio::test]
    async fn an_engine_that_says_nothing_has_stopped() {
        let (sender, reply) = embedding_reply();
        drop(sender);
        assert_eq!(reply.await, Err(EngineError::Stopped));
    }

    #[test]
    fn dropping_the_reply_is_seen_by_the_engine() {
        let (sender, reply) = embedding_reply();
        assert!(!sender.is_closed());
        drop(reply);
        assert!(sender.is_closed());
    }

    #[test]
    fn content_stays_out_of_debug() {
        let request = EmbedRequest { prompt: vec![4711], dimensions: None, priority: 0, cache_salt: Some("canary".to_owned()) };
        let text = format!("{request:?} {:?}", Embedding(vec![4711.0]));
        assert_eq!(text, "EmbedRequest { prompt_tokens: 1, .. } Embedding { dimensions: 1, .. }");
    }
}
