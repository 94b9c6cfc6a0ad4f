//! Tokens by their text, where their probabilities are reported.

use std::{collections::BTreeMap, sync::Arc};

use blindllama_engine::TokenLogprob;

use crate::{
    openai::{
        error::ApiError,
        logprobs::{ChatLogprobs, PromptLogprobs, RankedLogprob, TextLogprob, TokenLogprobs},
    },
    text::Tokenizer,
};

/// What JSON has instead of negative infinity, as with vLLM.
const LEAST: f64 = -9999.0;
/// Tokens before one that can have begun its first character.
const CONTEXT: usize = 4;

/// Writes the tokens of one answer, or of one prompt, in order.
#[derive(Clone)]
pub(crate) struct TokenTexts {
    tokenizer: Arc<Tokenizer>,
    /// Whether tokens are named by their ids instead, so that each can be told from all others.
    as_ids: bool,
    before: Vec<u32>,
}

/// A token in its place, with those that could have stood there.
pub(crate) struct Position {
    pub(crate) chosen: TextLogprob,
    /// Most likely first.
    pub(crate) top: Vec<TextLogprob>,
}

impl TokenTexts {
    pub(crate) const fn new(tokenizer: Arc<Tokenizer>, as_ids: bool) -> Self {
        Self { tokenizer, as_ids, before: Vec::new() }
    }

    /// The next places, with the `top` likeliest tokens of each.
    ///
    /// # Errors
    /// 500 if the tokenizer fails.
    pub(crate) fn positions(&mut self, rows: &[Vec<TokenLogprob>], top: u32) -> Result<Vec<Position>, ApiError> {
        rows.iter().map(|row| self.position(row, top)).collect()
    }

    /// [`TokenTexts::positions`], as chat completions report them.
    ///
    /// # Errors
    /// 500 if the tokenizer fails.
    pub(crate) fn chat(&mut self, rows: &[Vec<TokenLogprob>], top: u32) -> Result<ChatLogprobs, ApiError> {
        let positions = self.positions(rows, top)?.into_iter();
        Ok(ChatLogprobs {
            content: positions.map(|position| TokenLogprobs { chosen: position.chosen, top_logprobs: position.top }).collect(),
        })
    }

    /// The text of a token that nothing predicts: a prompt's first.
    ///
    /// # Errors
    /// 500 if the tokenizer fails.
    pub(crate) fn unpredicted(&mut self, id: u32) -> Result<TextLogprob, ApiError> {
        let first = self.text(&TokenLogprob { token_id: id, logprob: 0.0, rank: 1 })?;
        self.passed(id);
        Ok(first)
    }

    /// The tokens of a prompt, with the `top` likeliest of each place.
    ///
    /// # Errors
    /// 500 if the tokenizer fails.
    pub(crate) fn prompt(&mut self, rows: &[Vec<TokenLogprob>], top: u32) -> Result<PromptLogprobs, ApiError> {
        let mut places = vec![None];
        for row in rows {
            let Some((chosen, likeliest)) = row.split_first() else { continue };
            let mut place = BTreeMap::new();
            for logprob in likeliest.iter().filter(|logprob| logprob.rank <= top).chain([chosen]) {
                let ranked = RankedLogprob {
                    logprob: logprob.logprob.max(LEAST),
                    rank: logprob.rank,
                    decoded_token: self.decoded(logprob.token_id)?,
                };
                place.insert(logprob.token_id, ranked);
            }
            self.passed(chosen.token_id);
            places.push(Some(place));
        }
        Ok(places)
    }

    fn position(&mut self, row: &[TokenLogprob], top: u32) -> Result<Position, ApiError> {
        let Some((chosen, likeliest)) = row.split_first() else {
            return Err(ApiError::internal("the engine reported no probability where one was asked for"));
        };
        let likeliest = likeliest.iter().filter(|logprob| logprob.rank <= top);
        let position =
            Position { chosen: self.text(chosen)?, top: likeliest.map(|logprob| self.text(logprob)).collect::<Result<_, _>>()? };
        self.passed(chosen.token_id);
        Ok(position)
    }

    fn text(&self, logprob: &TokenLogprob) -> Result<TextLogprob, ApiError> {
        let decoded = self.decoded(logprob.token_id)?;
        let bytes = decoded.as_bytes().to_vec();
        let token = if self.as_ids { format!("token_id:{}", logprob.token_id) } else { decoded };
        Ok(TextLogprob { token, logprob: logprob.logprob.max(LEAST), bytes })
    }

    fn decoded(&self, id: u32) -> Result<String, ApiError> {
        self.tokenizer.token_text(&self.before, id).map_err(|error| ApiError::internal(error.to_string()))
    }

    fn passed(&mut self, id: u32) {
        if self.before.len() == CONTEXT {
            self.before.remove(0);
        }
        self.before.push(id);
    }
}
