//! The whole answer as one JSON document.

use super::{
    prepared::Head,
    telling::{Teller, Told},
};
use crate::{
    generation::Piece,
    openai::{completion_response::CompletionChoice, error::ApiError, usage::Usage},
    whole_answer::{Collector, document},
};

/// Puts the answers together.
pub(super) struct WholeCompletion {
    head: Head,
    choices: Vec<(Teller, Told)>,
}

impl WholeCompletion {
    pub(super) fn new(head: Head, tellers: Vec<Teller>) -> Self {
        Self { head, choices: tellers.into_iter().map(|teller| (teller, Told::default())).collect() }
    }
}

impl Collector for WholeCompletion {
    fn piece(&mut self, index: usize, piece: Piece) -> Result<(), ApiError> {
        let Some((teller, told)) = self.choices.get_mut(index) else { return Ok(()) };
        told.extend(teller.tell(piece)?);
        Ok(())
    }

    fn document(self, usage: Usage) -> Result<(Vec<u8>, Usage), ApiError> {
        let choices = self.choices.into_iter().enumerate().map(|(index, (_, told))| finished(index, told));
        let choices = choices.collect::<Result<Vec<_>, _>>()?;
        let usage = self.head.usage(usage);
        Ok((document(&self.head.completion(&choices, Some(Some(usage))))?, usage))
    }
}

fn finished(index: usize, told: Told) -> Result<CompletionChoice, ApiError> {
    if !told.is_finished() {
        return Err(ApiError::internal("an answer has no end"));
    }
    Ok(told.into_choice(index))
}
