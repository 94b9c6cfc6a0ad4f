//! The way of tokens from the engine's thread to a response.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use futures_util::Stream;
use tokio::sync::mpsc;

use crate::EngineError;

/// What one engine step made for one request.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TokenOutput {
    /// New token ids, in order; empty in a step that only finishes.
    pub token_ids: Vec<u32>,
    /// Set in the last output.
    pub finished: Option<Finished>,
    /// Prompt tokens that were found in the prefix cache; known from the first output on.
    pub cached_prompt_tokens: Option<usize>,
    /// For each of `token_ids` its own probability and then those of the likeliest tokens, most likely first, where the
    /// request asked for them. There can be more than it asked for, and the token can be among the likeliest again.
    pub logprobs: Option<Vec<Vec<TokenLogprob>>>,
    /// The same for the prompt's tokens but the first, which nothing predicts; in one output, as soon as it is known. `None` where
    /// the prompt has one token only.
    pub prompt_logprobs: Option<Vec<Vec<TokenLogprob>>>,
}

/// A token that could have stood in a place, and how likely it was.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TokenLogprob {
    /// The token.
    pub token_id: u32,
    /// Natural logarithm of its probability.
    pub logprob: f64,
    /// Its rank among all tokens, from 1.
    pub rank: u32,
}

/// How a request ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finished {
    /// Why.
    pub reason: FinishReason,
    /// The stop token given with the request that ended it, where one did.
    pub stop_token: Option<u32>,
}

/// Why a request ended (`vllm.v1.engine.FinishReason`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FinishReason {
    /// An end-of-sequence or stop token; the token is the last of the output.
    Stop,
    /// The token limit or the model's context was reached.
    Length,
    /// The request was aborted inside the engine.
    Abort,
    /// An internal error of this one request.
    Error,
    /// The engine saw the output repeat itself.
    Repetition,
}

/// The engine's end of a request: outputs go in, closure is seen.
#[derive(Debug)]
pub struct OutputSender(mpsc::Sender<Result<TokenOutput, EngineError>>);

/// The stream's owner has gone: the request should be aborted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the stream's owner has gone")]
pub struct StreamClosed;

impl OutputSender {
    /// Hands an output over, without blocking.
    ///
    /// # Errors
    /// [`StreamClosed`] if nobody listens any more.
    pub fn send(&self, output: Result<TokenOutput, EngineError>) -> Result<(), StreamClosed> {
        self.0.try_send(output).map_err(|_| StreamClosed)
    }

    /// Whether the stream was dropped.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.0.is_closed()
    }
}

/// The tokens of one request. Dropping it aborts the request.
///
/// The stream ends after the output that has `finished`, after an error, or, where an engine died in between, without
/// either: its reader then takes the request for failed.
#[derive(Debug)]
pub struct TokenStream(mpsc::Receiver<Result<TokenOutput, EngineError>>);

impl Stream for TokenStream {
    type Item = Result<TokenOutput, EngineError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_recv(context)
    }
}

/// Makes the two ends of a request's way back.
///
/// The channel is bounded by `max_tokens`: an engine sends at most one output for each token and one last word, so
/// sending never has to wait for a slow reader.
#[must_use]
pub fn token_stream(max_tokens: usize) -> (OutputSender, TokenStream) {
    let (sender, receiver) = mpsc::channel(max_tokens.saturating_add(2));
    (OutputSender(sender), TokenStream(receiver))
}

#[cfg(test)]
mod tests {
    use futures_util::StreamExt as _;

    use super::*;

    #[tokio::test]
    async fn a_whole_answer_fits_without_a_reader() {
        let (sender, stream) = token_stream(3);
        for id in 0..3 {
            assert_eq!(sender.send(Ok(TokenOutput { token_ids: vec![id], ..TokenOutput::default() })), Ok(()));
        }
        drop(sender);
        assert_eq!(stream.count().await, 3);
    }

    #[test]
    fn dropping_the_stream_is_seen_by_the_engine() {
        let (sender, stream) = token_stream(1);
        assert!(!sender.is_closed());
        drop(stream);
        assert!(sender.is_closed());
        assert_eq!(sender.send(Ok(TokenOutput::default())), Err(StreamClosed));
    }
}
