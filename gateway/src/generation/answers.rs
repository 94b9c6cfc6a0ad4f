//! All answers to one HTTP request, as they come.

use std::{
    future::poll_fn,
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
    text::{StopStrings, TextOptions},
};

/// The answers to one HTTP request. Dropping it aborts all of them in the engine, and then gives the request's place back.
pub(crate) struct Answers {
    /// `None` once the answer has ended.
    answers: Vec<Option<Answer>>,
    /// Which is asked first next time, so that none waits for the others.
    turn: usize,
    counts: Vec<Counts>,
    /// Answers to each prompt: so many in a row have the same.
    per_prompt: usize,
    permit: Permit,
}

/// Tokens of one answer and of its prompt.
#[derive(Clone, Copy)]
struct Counts {
    prompt: usize,
    cached: Option<usize>,
    completion: usize,
}

/// How the tokens of answers become text.
#[derive(Clone)]
pub(crate) struct Setup {
    pub(crate) stop_strings: StopStrings,
    pub(crate) text: TextOptions,
}

impl Answers {
    /// Queues `requests`, each of which gives one answer. So many in a row as there are answers `per_prompt` have the same
    /// prompt.
    ///
    /// # Errors
    /// The engine's queue is full, or it has stopped.
    pub(crate) fn start(
        app: &App,
        requests: Vec<GenerateRequest>,
        per_prompt: u32,
        setup: &Setup,
        mut permit: Permit,
    ) -> Result<Self, ApiError> {
        let per_prompt = usize::try_from(per_prompt).unwrap_or(usize::MAX).max(1);
        let counts: Vec<_> =
            requests.iter().map(|request| Counts { prompt: request.prompt.len(), cached: None, completion: 0 }).collect();
        app.admission.widen(&mut permit, requests.len())?;
        permit.running().prompt(total(&counts, per_prompt).prompt);
        let start = |request| Answer::start(app, request, setup).map(Some);
        let answers = requests.into_iter().map(start).collect::<Result<Vec<_>, ApiError>>()?;
        Ok(Self { answers, turn: 0, counts, per_prompt, permit })
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
        if let Some(counts) = self.counts.get_mut(index) {
            counts.completion = counts.completion.saturating_add(tokens);
            counts.cached = piece.cached_prompt_tokens.or(counts.cached);
        }
        if piece.finish.is_some()
            && let Some(answer) = self.answers.get_mut(index)
        {
            *answer = None;
        }
        piece
    }

    /// Tokens so far, of all answers; each prompt counts once.
    pub(crate) fn usage(&self) -> Usage {
        total(&self.counts, self.per_prompt).into()
    }

    /// Tokens so far, of one answer.
    pub(crate) fn usage_at(&self, index: usize) -> Usage {
        self.counts.get(index).copied().unwrap_or(Counts { prompt: 0, cached: None, completion: 0 }).into()
    }
}

fn total(counts: &[Counts], per_prompt: usize) -> Counts {
    let prompts = || counts.iter().step_by(per_prompt);
    Counts {
        prompt: prompts().map(|counts| counts.prompt).sum(),
        cached: prompts().filter_map(|counts| counts.cached).reduce(usize::saturating_add),
        completion: counts.iter().map(|counts| counts.completion).sum(),
    }
}

impl From<Counts> for Usage {
    fn from(Counts { prompt, cached, completion }: Counts) -> Self {
        Self {
            prompt_tokens: prompt,
            completion_tokens: completion,
            total_tokens: prompt.saturating_add(completion),
            prompt_tokens_details: cached.map(|cached_tokens| PromptTokensDetails { cached_tokens }),
        }
    }
}
