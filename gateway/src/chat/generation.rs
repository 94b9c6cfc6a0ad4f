//! An answer in the making: the engine's tokens as text.

use std::{
    future::poll_fn,
    pin::Pin,
    task::{Context, Poll, ready},
};

use blindllama_engine::{FinishReason as EngineFinish, TokenOutput, TokenStream};
use futures_util::Stream as _;

use crate::{
    admission::Permit,
    openai::{
        error::ApiError,
        response::{FinishReason, PromptTokensDetails, Usage},
    },
    text::Detokenizer,
};

/// One request inside the engine. Dropping it aborts the request there, and then gives its place back.
pub(super) struct Generation {
    tokens: TokenStream,
    detokenizer: Detokenizer,
    prompt_tokens: usize,
    completion_tokens: usize,
    cached_tokens: Option<usize>,
    permit: Permit,
}

/// What one step added to the answer.
pub(super) struct Piece {
    /// New text; empty while a character is incomplete.
    pub(super) text: String,
    /// Set in the last piece.
    pub(super) finish: Option<FinishReason>,
}

impl Generation {
    pub(super) fn new(tokens: TokenStream, detokenizer: Detokenizer, prompt_tokens: usize, mut permit: Permit) -> Self {
        permit.running().prompt(prompt_tokens);
        Self { tokens, detokenizer, prompt_tokens, completion_tokens: 0, cached_tokens: None, permit }
    }

    /// The next piece; not to be asked for after the last one or an error.
    ///
    /// # Errors
    /// The engine refused the request, failed, or died.
    pub(super) async fn next(&mut self) -> Result<Piece, ApiError> {
        poll_fn(|context| self.poll_next(context)).await
    }

    /// As [`Generation::next`], for a response body.
    pub(super) fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Result<Piece, ApiError>> {
        Poll::Ready(match ready!(Pin::new(&mut self.tokens).poll_next(context)) {
            Some(Ok(output)) => self.piece(&output),
            Some(Err(error)) => Err(error.into()),
            // A stream that ends without a finish was cut off: the engine has died.
            None => Err(ApiError::engine_stopped()),
        })
    }

    fn piece(&mut self, output: &TokenOutput) -> Result<Piece, ApiError> {
        self.completion_tokens = self.completion_tokens.saturating_add(output.token_ids.len());
        self.cached_tokens = output.cached_prompt_tokens.or(self.cached_tokens);
        self.permit.running().completed(output.token_ids.len());
        let reason = output.finished.as_ref().map(|finished| finished.reason);
        let text = match (reason, output.token_ids.split_last()) {
            // The token that stopped the model is no part of what it says.
            (Some(EngineFinish::Stop), Some((_stop, said))) => self.text(said)?,
            _ => self.text(&output.token_ids)?,
        };
        Ok(Piece { text, finish: reason.map(finish).transpose()? })
    }

    fn text(&mut self, ids: &[u32]) -> Result<String, ApiError> {
        let mut text = String::new();
        for id in ids {
            text.push_str(&self.detokenizer.push(*id).map_err(|error| ApiError::internal(error.to_string()))?);
        }
        Ok(text)
    }

    /// Tokens so far.
    pub(super) fn usage(&self) -> Usage {
        Usage {
            prompt_tokens: self.prompt_tokens,
            completion_tokens: self.completion_tokens,
            total_tokens: self.prompt_tokens.saturating_add(self.completion_tokens),
            prompt_tokens_details: self.cached_tokens.map(|cached_tokens| PromptTokensDetails { cached_tokens }),
        }
    }
}

/// OpenAI knows two ends; a model caught repeating itself was stopped.
fn finish(reason: EngineFinish) -> Result<FinishReason, ApiError> {
    match reason {
        EngineFinish::Stop | EngineFinish::Repetition => Ok(FinishReason::Stop),
        EngineFinish::Length => Ok(FinishReason::Length),
        EngineFinish::Abort | EngineFinish::Error => {
            Err(ApiError::internal(format!("the engine ended a request with {reason:?}")))
        }
    }
}
