//! One answer: a request inside the engine, and its tokens as text.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use blindllama_engine::{FinishReason as EngineFinish, Finished, GenerateRequest, TokenLogprob, TokenOutput, TokenStream};
use futures_util::Stream as _;

use crate::{
    App,
    openai::{
        chat_response::{FinishReason, StopReason},
        error::ApiError,
    },
    text::{Detokenizer, StopMatcher, StopStrings, TextOptions},
};

/// One request inside the engine. Dropping it aborts the request there.
pub(super) struct Answer {
    tokens: TokenStream,
    detokenizer: Detokenizer,
    stop: StopMatcher,
    options: TextOptions,
    min_tokens: usize,
    count: usize,
    /// Nothing predicts a prompt's first token, so the engine tells nothing of a prompt that is one token: no rows, once.
    lone_prompt: Option<Vec<Vec<TokenLogprob>>>,
}

/// About what a token takes in an answer, as a text or a number, in bytes.
pub(super) const TOKEN_BYTES: usize = 4;
/// About what a probability takes in an answer with its token's text, in bytes.
const LOGPROB_BYTES: usize = 64;

/// What one step added to an answer.
pub(crate) struct Piece {
    /// About how many bytes there are to be written for it: the first piece of an answer counts its prompt too, and the last
    /// one all others.
    pub(crate) bytes: usize,
    /// New text; empty while a character is incomplete, or could belong to a stop string.
    pub(crate) text: String,
    /// The tokens that came, whether or not their text is out.
    pub(crate) token_ids: Vec<u32>,
    /// For each of `token_ids` its probability and those of the likeliest tokens, where they were asked for.
    pub(crate) logprobs: Option<Vec<Vec<TokenLogprob>>>,
    /// The same for the prompt's tokens, in one of the pieces.
    pub(crate) prompt_logprobs: Option<Vec<Vec<TokenLogprob>>>,
    /// Prompt tokens that were found in the prefix cache, in the first piece.
    pub(crate) cached_prompt_tokens: Option<usize>,
    /// Set in the last piece.
    pub(crate) finish: Option<Finish>,
}

/// How an answer ended.
pub(crate) struct Finish {
    /// In OpenAI's terms: `Stop` or `Length`.
    pub(crate) reason: FinishReason,
    /// What stopped it, where that was given with the request.
    pub(crate) stop: Option<StopReason>,
}

impl Answer {
    /// Queues `request`.
    ///
    /// # Errors
    /// The engine's queue is full, or it has stopped.
    pub(super) fn start(
        app: &App,
        request: GenerateRequest,
        beginning: Detokenizer,
        stop_strings: &StopStrings,
        options: TextOptions,
    ) -> Result<Self, ApiError> {
        let lone_prompt = (request.logprobs.prompt.is_some() && request.prompt.len() == 1).then(Vec::new);
        let (min_tokens, stop) = (request.stopping.min_tokens, stop_strings.matcher());
        Ok(Self {
            tokens: app.engine.generate(request)?,
            detokenizer: beginning,
            stop,
            options,
            min_tokens,
            count: 0,
            lone_prompt,
        })
    }

    /// The next piece; not to be asked for after the last one or an error.
    ///
    /// # Errors
    /// The engine refused the request, failed, or died.
    pub(super) fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Result<Piece, ApiError>> {
        Poll::Ready(match ready!(Pin::new(&mut self.tokens).poll_next(context)) {
            Some(Ok(output)) => self.piece(output),
            Some(Err(error)) => Err(error.into()),
            // A stream that ends without a finish was cut off: the engine has died.
            None => Err(ApiError::engine_stopped()),
        })
    }

    fn piece(&mut self, output: TokenOutput) -> Result<Piece, ApiError> {
        let TokenOutput { mut token_ids, finished, cached_prompt_tokens, mut logprobs, prompt_logprobs } = output;
        let prompt_logprobs = prompt_logprobs.or_else(|| self.lone_prompt.take());
        let stopped = finished.as_ref().is_some_and(|finished| finished.reason == EngineFinish::Stop);
        // The token that stopped the model is no part of what it says.
        let said = if stopped && !self.options.include_stop { token_ids.len().saturating_sub(1) } else { token_ids.len() };
        let mut text = String::new();
        for (index, id) in token_ids.iter().take(said).enumerate() {
            self.count += 1;
            let new = self.detokenizer.push(*id).map_err(|error| ApiError::internal(error.to_string()))?;
            let released = self.stop.push(new, self.count > self.min_tokens);
            text.push_str(&released.text);
            if let Some(stop) = released.stop {
                token_ids.truncate(index + 1);
                if let Some(logprobs) = &mut logprobs {
                    logprobs.truncate(index + 1);
                }
                let finish = Some(Finish { reason: FinishReason::Stop, stop: Some(StopReason::Text(stop)) });
                let bytes = bytes(&text, &token_ids, [&logprobs, &prompt_logprobs]);
                return Ok(Piece { bytes, text, token_ids, logprobs, prompt_logprobs, cached_prompt_tokens, finish });
            }
        }
        let finish = finished.map(finish).transpose()?;
        if finish.is_some() {
            text.push_str(&self.stop.finish());
        }
        let bytes = bytes(&text, &token_ids, [&logprobs, &prompt_logprobs]);
        Ok(Piece { bytes, text, token_ids, logprobs, prompt_logprobs, cached_prompt_tokens, finish })
    }
}

fn bytes(text: &str, token_ids: &[u32], logprobs: [&Option<Vec<Vec<TokenLogprob>>>; 2]) -> usize {
    let cells: usize = logprobs.into_iter().flatten().flatten().map(Vec::len).sum();
    text.len() + token_ids.len() * TOKEN_BYTES + cells * LOGPROB_BYTES
}

/// OpenAI knows two ends; a model caught repeating itself was stopped.
fn finish(finished: Finished) -> Result<Finish, ApiError> {
    let reason = match finished.reason {
        EngineFinish::Stop | EngineFinish::Repetition => FinishReason::Stop,
        EngineFinish::Length => FinishReason::Length,
        reason @ (EngineFinish::Abort | EngineFinish::Error) => {
            return Err(ApiError::internal(format!("the engine ended a request with {reason:?}")));
        }
    };
    Ok(Finish { reason, stop: finished.stop_token.map(StopReason::Token) })
}
