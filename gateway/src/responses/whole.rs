//! The whole answer as one JSON document.

use super::{output::Output, prepared::Head};
use crate::{
    generation::Piece,
    openai::{
        error::ApiError,
        response::{ResponseStatus, ResponseUsage},
        usage::Usage,
    },
    speech::Speech,
    whole_answer::{Collector, document},
};

/// Puts the answer together.
pub(super) struct WholeResponse {
    head: Head,
    speech: Speech,
    output: Output,
    /// How it ended.
    status: Option<ResponseStatus>,
}

impl WholeResponse {
    pub(super) const fn new(head: Head, speech: Speech, output: Output) -> Self {
        Self { head, speech, output, status: None }
    }
}

impl Collector for WholeResponse {
    fn piece(&mut self, _: usize, piece: Piece) -> Result<(), ApiError> {
        self.status = self.output.say(self.speech.say(piece)?)?;
        Ok(())
    }

    fn document(self, usage: Usage) -> Result<(Vec<u8>, Usage), ApiError> {
        let status = self.status.ok_or_else(|| ApiError::internal("an answer has no end"))?;
        let counts = ResponseUsage::new(usage, self.speech.reasoning_tokens());
        Ok((document(&self.head.response(status, &self.output.items, Some(counts)))?, usage))
    }
}
