//! All answers to one HTTP request, as they come.

use std::{
    future::poll_fn,
    task::{Context, Poll},
};

use blindllama_engine::GenerateRequest;

use super::{
    answer::{Answer, Piece, TOKEN_BYTES},
    asked::Generation,
};
use crate::{
    App,
    admission::Permit,
    openai::{
        error::ApiError,
        usage::{PromptTokensDetails, Usage},
    },
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
    /// About how many bytes the pieces so far say.
    bytes: usize,
}

impl Answers {
    /// Queues what `generation` asks for.
    ///
    /// # Errors
    /// The engine's queue is full, or it has stopped.
    pub(crate) fn start(app: &App, generation: Generation, mut permit: Permit) -> Result<Self, ApiError> {
        let Generation { requests, per_prompt, beginnings, stop_strings, text } = generation;
        let begun = |request: &GenerateRequest| Counts { prompt: request.prompt.len(), cached: None, completion: 0, bytes: 0 };
        let counts: Vec<_> = requests.iter().map(begun).collect();
        let constrained = requests.iter().any(|request| request.constraint.is_some());
        app.admission.widen(&mut permit, requests.len(), constrained)?;
        let beginnings = beginnings.into_iter().flat_map(|beginning| std::iter::repeat_n(beginning, per_prompt));
        let start = |(request, beginning)| Answer::start(app, request, beginning, &stop_strings, text).map(Some);
        let answers = requests.into_iter().zip(beginnings).map(start).collect::<Result<Vec<_>, ApiError>>()?;
        permit.running().prompt(total(&counts, per_prompt).prompt);
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

    fn count(&mut self, index: usize, mut piece: Piece) -> Piece {
        let tokens = piece.token_ids.len();
        self.permit.running().completed(tokens);
        if let Some(counts) = self.counts.get_mut(index) {
            // The first piece can come with the prompt, and what is written at the end can repeat all of the answer.
            if counts.bytes == 0 {
                piece.bytes = piece.bytes.saturating_add(counts.prompt.saturating_mul(TOKEN_BYTES));
            }
            counts.bytes = counts.bytes.saturating_add(piece.bytes);
            if piece.finish.is_some() {
                piece.bytes = counts.bytes;
            }
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

    /// About how many bytes all answers so far say, prompts included.
    pub(crate) fn bytes(&self) -> usize {
        self.counts.iter().map(|counts| counts.bytes.max(counts.prompt.saturating_mul(TOKEN_BYTES))).sum()
    }

    /// The place at admission, where nothing is left but to send what was said.
    pub(crate) fn into_permit(self) -> Permit {
        self.permit
    }

    /// Tokens so far, of all answers; each prompt counts once.
    pub(crate) fn usage(&self) -> Usage {
        total(&self.counts, self.per_prompt).into()
    }

    /// Tokens so far, of one answer.
    pub(crate) fn usage_at(&self, index: usize) -> Usage {
        self.counts.get(index).copied().unwrap_or(Counts { prompt: 0, cached: None, completion: 0, bytes: 0 }).into()
    }
}

fn total(counts: &[Counts], per_prompt: usize) -> Counts {
    let prompts = || counts.iter().step_by(per_prompt);
    Counts {
        prompt: prompts().map(|counts| counts.prompt).sum(),
        cached: prompts().filter_map(|counts| counts.cached).reduce(usize::saturating_add),
        completion: counts.iter().map(|counts| counts.completion).sum(),
        bytes: counts.iter().map(|counts| counts.bytes).sum(),
    }
}

impl From<Counts> for Usage {
    fn from(Counts { prompt, cached, completion, .. }: Counts) -> Self {
        Self {
            prompt_tokens: prompt,
            completion_tokens: completion,
            total_tokens: prompt.saturating_add(completion),
            prompt_tokens_details: cached.map(|cached_tokens| PromptTokensDetails { cached_tokens }),
            completion_tokens_details: None,
        }
    }
}
