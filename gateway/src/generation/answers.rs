//! All answers to one HTTP request, as they come.

use std::{
    future::poll_fn,
    sync::Arc,
    task::{Context, Poll},
};

use blindllama_engine::GenerateRequest;

use super::answer::{Answer, Piece};
use crate::{
    App,
    admission::Permit,
    openai::{
        error::ApiError,
        usage::{PromptTokensDetails, Usage},
    },
    text::{Detokenizer, StopStrings, TextOptions},
};

/// The answers to one HTTP request. Dropping it aborts all of them in the engine, and then gives the request's place back.
pub(crate) struct Answers {
    /// `None` once the answer has ended.
    answers: Vec<Option<Answer>>,
    /// Which is asked first next time, so that none waits for the others.
    turn: usize,
    completion_tokens: Vec<usize>,
    prompt_tokens: usize,
    cached_tokens: Option<usize>,
    permit: Permit,
}

/// How the tokens of answers become text.
#[derive(Clone)]
pub(crate) struct Setup {
    pub(crate) stop_strings: StopStrings,
    pub(crate) text: TextOptions,
}

impl Answers {
    /// Queues `requests`, each of which gives one answer. `prompt_tokens` counts each prompt once.
    ///
    /// # Errors
    /// The engine's queue is full, or it has stopped.
    pub(crate) fn start(
        app: &App,
        requests: Vec<GenerateRequest>,
        prompt_tokens: usize,
        setup: &Setup,
        mut permit: Permit,
    ) -> Result<Self, ApiError> {
        permit.running().prompt(prompt_tokens);
        let failed = |error| ApiError::internal(format!("{error}"));
        let start = |request: GenerateRequest| {
            let tokenizer = Arc::clone(&app.model.tokenizer);
            let detokenizer = Detokenizer::after_prompt(tokenizer, &request.prompt, setup.text).map_err(failed)?;
            let min_tokens = request.stopping.min_tokens;
            let tokens = app.engine.generate(request)?;
            Ok(Some(Answer::new(tokens, detokenizer, setup.stop_strings.matcher(), setup.text, min_tokens)))
        };
        let answers = requests.into_iter().map(start).collect::<Result<Vec<_>, ApiError>>()?;
        let completion_tokens = vec![0; answers.len()];
        Ok(Self { answers, turn: 0, completion_tokens, prompt_tokens, cached_tokens: None, permit })
    }

    /// How many there are, ended ones included.
    pub(crate) fn len(&self) -> usize {
        self.answers.len()
    }

    /// The next piece of any answer, with its index; `None` once all have ended.
    ///
    /// # Errors
    /// The engine refused a request, failed, or died. Not to be asked again then.
    pub(crate) async fn next(&mut self) -> Option<Result<(usize, Piece), ApiError>> {
        poll_fn(|context| self.poll_next(context)).await
    }

    /// As [`Answers::next`], for a response body.
    pub(crate) fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<(usize, Piece), ApiError>>> {
        let count = self.answers.len();
        let mut running = false;
        for index in (0..count).map(|offset| (self.turn + offset) % count) {
            let Some(Some(answer)) = self.answers.get_mut(index) else { continue };
            running = true;
            let Poll::Ready(next) = answer.poll_next(context) else { continue };
            self.turn = index + 1;
            return Poll::Ready(Some(next.map(|piece| (index, self.count(index, piece)))));
        }
        if running { Poll::Pending } else { Poll::Ready(None) }
    }

    fn count(&mut self, index: usize, piece: Piece) -> Piece {
        let tokens = piece.token_ids.len();
        self.permit.running().completed(tokens);
        if let Some(count) = self.completion_tokens.get_mut(index) {
            *count = count.saturating_add(tokens);
        }
        self.cached_tokens = piece.cached_prompt_tokens.or(self.cached_tokens);
        if piece.finish.is_some()
            && let Some(answer) = self.answers.get_mut(index)
        {
            *answer = None;
        }
        piece
    }

    /// Tokens so far, of all answers.
    pub(crate) fn usage(&self) -> Usage {
        self.usage_of(self.completion_tokens.iter().sum())
    }

    /// Tokens so far, of one answer.
    pub(crate) fn usage_at(&self, index: usize) -> Usage {
        self.usage_of(self.completion_tokens.get(index).copied().unwrap_or_default())
    }

    fn usage_of(&self, completion_tokens: usize) -> Usage {
        Usage {
            prompt_tokens: self.prompt_tokens,
            completion_tokens,
            total_tokens: self.prompt_tokens.saturating_add(completion_tokens),
            prompt_tokens_details: self.cached_tokens.map(|cached_tokens| PromptTokensDetails { cached_tokens }),
        }
    }
}
