//! What one choice says: the prompt where it is echoed, the answer, and the probabilities of their tokens.

use blindllama_engine::TokenLogprob;

use crate::{
    generation::{Finish, Piece, TokenTexts},
    openai::{
        chat_response::FinishReason,
        completion_response::CompletionChoice,
        error::ApiError,
        logprobs::{CompletionLogprobs, PromptLogprobs, TextLogprob, TextLogprobs},
    },
    prompt::PlainPrompt,
};

/// Whether the text has the prompt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Echo {
    /// The answer only.
    None,
    /// The prompt, then the answer.
    Before,
    /// The prompt only: the one token that the engine makes is dropped.
    Alone,
}

/// How choices are told; each gets a [`Teller`] of its own.
#[derive(Clone)]
pub(super) struct Telling {
    pub(super) echo: Echo,
    /// Most likely tokens to report in each place of the text.
    pub(super) logprobs: Option<u32>,
    /// Most likely tokens to report in each place of the prompt, in vLLM's form.
    pub(super) prompt_logprobs: Option<u32>,
    /// Whether token ids are told.
    pub(super) token_ids: bool,
    pub(super) texts: TokenTexts,
}

/// Tells one choice.
pub(super) struct Teller {
    telling: Telling,
    /// Until it is told.
    prompt: Option<PlainPrompt>,
    /// Characters of the tokens that were reported.
    offset: usize,
}

/// What a piece of an answer adds to its choice.
#[derive(Default)]
pub(super) struct Told {
    text: String,
    logprobs: Option<CompletionLogprobs>,
    prompt_logprobs: Option<PromptLogprobs>,
    prompt_token_ids: Option<Vec<u32>>,
    token_ids: Option<Vec<u32>>,
    finish: Option<Finish>,
}

impl Telling {
    /// Tells a choice that continues `prompt`.
    pub(super) fn teller(&self, prompt: PlainPrompt) -> Teller {
        Teller { telling: self.clone(), prompt: Some(prompt), offset: 0 }
    }

    /// How many most likely tokens the engine has to report for each place of the prompt: an echo has its own.
    pub(super) fn prompt_rows(&self) -> Option<u32> {
        self.prompt_logprobs.max(self.logprobs.filter(|_| self.echo != Echo::None))
    }

    /// How many it has to report for each place of the answer.
    pub(super) fn answer_rows(&self) -> Option<u32> {
        self.logprobs.filter(|_| self.echo != Echo::Alone)
    }
}

impl Teller {
    /// What the next piece adds.
    ///
    /// # Errors
    /// 500 if the tokenizer fails, or the engine reports no probabilities of a prompt where they were asked for.
    pub(super) fn tell(&mut self, piece: Piece) -> Result<Told, ApiError> {
        let Piece { text, token_ids, logprobs, prompt_logprobs, finish, .. } = piece;
        let mut told = Told { logprobs: self.telling.logprobs.map(|_| CompletionLogprobs::default()), ..Told::default() };
        if let Some(prompt) = self.prompt.take() {
            self.prompt(prompt, prompt_logprobs, &mut told)?;
        }
        if self.telling.echo == Echo::Alone {
            told.token_ids = self.telling.token_ids.then(Vec::new);
            told.finish = finish.map(|_| Finish { reason: FinishReason::Length, stop: None });
            return Ok(told);
        }
        told.text.push_str(&text);
        told.token_ids = self.telling.token_ids.then_some(token_ids);
        told.finish = finish;
        if let (Some(top), Some(reported)) = (self.telling.logprobs, &mut told.logprobs) {
            for position in self.telling.texts.positions(&logprobs.unwrap_or_default(), top)? {
                report(reported, &mut self.offset, position.chosen, Some(position.top));
            }
        }
        Ok(told)
    }

    /// The prompt comes with the first piece.
    fn prompt(&mut self, prompt: PlainPrompt, rows: Option<Vec<Vec<TokenLogprob>>>, told: &mut Told) -> Result<(), ApiError> {
        let PlainPrompt { ids, text } = prompt;
        if self.telling.prompt_rows().is_some() && rows.is_none() {
            return Err(ApiError::internal("the engine reported no probabilities of a prompt where they were asked for"));
        }
        let rows = rows.unwrap_or_default();
        if let Some(top) = self.telling.prompt_logprobs {
            told.prompt_logprobs = Some(self.telling.texts.clone().prompt(&rows, top)?);
        }
        if self.telling.echo != Echo::None {
            told.text = text.unwrap_or_default();
            if let (Some(top), Some(reported), Some(first)) = (self.telling.logprobs, &mut told.logprobs, ids.first()) {
                let mut texts = self.telling.texts.clone();
                report(reported, &mut self.offset, texts.unpredicted(*first)?, None);
                for position in texts.positions(&rows, top)? {
                    report(reported, &mut self.offset, position.chosen, Some(position.top));
                }
            }
        }
        told.prompt_token_ids = self.telling.token_ids.then_some(ids);
        Ok(())
    }
}

/// A token in its place, `top` unless nothing predicts it.
fn report(reported: &mut CompletionLogprobs, offset: &mut usize, chosen: TextLogprob, top: Option<Vec<TextLogprob>>) {
    reported.text_offset.push(*offset);
    *offset += String::from_utf8_lossy(&chosen.bytes).chars().count();
    reported.token_logprobs.push(top.as_ref().map(|_| chosen.logprob));
    reported.top_logprobs.push(top.map(|top| TextLogprobs::new(&chosen, top)));
    reported.tokens.push(chosen.token);
}

impl Told {
    /// Whether there is nothing that a client would miss.
    pub(super) fn is_empty(&self) -> bool {
        self.text.is_empty()
            && self.finish.is_none()
            && self.prompt_token_ids.is_none()
            && self.token_ids.as_ref().is_none_or(Vec::is_empty)
            && self.logprobs.as_ref().is_none_or(|logprobs| logprobs.tokens.is_empty())
    }

    /// Whether the choice has ended.
    pub(super) const fn is_finished(&self) -> bool {
        self.finish.is_some()
    }

    /// Appends what the next piece adds.
    pub(super) fn extend(&mut self, more: Self) {
        self.text.push_str(&more.text);
        if let Some(logprobs) = more.logprobs {
            self.logprobs.get_or_insert_default().extend(logprobs);
        }
        if let Some(ids) = more.token_ids {
            self.token_ids.get_or_insert_default().extend(ids);
        }
        self.prompt_logprobs = more.prompt_logprobs.or(self.prompt_logprobs.take());
        self.prompt_token_ids = more.prompt_token_ids.or(self.prompt_token_ids.take());
        self.finish = more.finish.or(self.finish.take());
    }

    /// As the choice `index`.
    pub(super) fn into_choice(self, index: usize) -> CompletionChoice {
        let Self { text, logprobs, prompt_logprobs, prompt_token_ids, token_ids, finish } = self;
        let (finish_reason, stop_reason) = finish.map(|finish| (finish.reason, finish.stop)).unzip();
        let stop_reason = stop_reason.flatten();
        CompletionChoice { index, text, logprobs, finish_reason, stop_reason, prompt_logprobs, prompt_token_ids, token_ids }
    }
}
