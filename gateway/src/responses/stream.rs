//! The response as typed server-sent events.

use bytes::BytesMut;

use super::{output::Output, prepared::Head};
use crate::{
    event_stream::{EventWriter, Unwritable},
    generation::Piece,
    openai::{
        error::ApiError,
        response::{ResponseStatus, ResponseUsage},
        response_events::{ErrorEvent, ResponseEvent},
        usage::Usage,
    },
    receipt::StreamEnd,
    speech::Speech,
};

/// Writes what the answer says as events.
pub(super) struct ResponseEvents {
    head: Head,
    speech: Speech,
    output: Output,
    status: ResponseStatus,
}

impl ResponseEvents {
    pub(super) fn new(head: Head, speech: Speech, output: Output) -> Self {
        Self { head, speech, output, status: ResponseStatus::InProgress }
    }

    fn lifecycle(&mut self, event: &'static str, usage: Option<ResponseUsage>) -> Result<(), ApiError> {
        let response = self.head.response(self.status, &self.output.items, usage);
        self.output.events.write(event, &ResponseEvent { response })
    }
}

impl EventWriter for ResponseEvents {
    const END: StreamEnd = StreamEnd::Nothing;

    fn open(&mut self, _: &[Usage]) -> Result<(), Unwritable> {
        self.lifecycle("response.created", None)?;
        Ok(self.lifecycle("response.in_progress", None)?)
    }

    fn piece(&mut self, _: usize, piece: Piece, _: Usage) -> Result<(), Unwritable> {
        let said = self.speech.say(piece)?;
        self.status = self.output.say(said)?.unwrap_or(self.status);
        Ok(())
    }

    fn bytes(&self, piece: &Piece) -> usize {
        piece.bytes.saturating_add(self.output.bytes_at_an_end())
    }

    fn close(&mut self, usage: Usage) -> Result<Usage, Unwritable> {
        let event = match self.status {
            ResponseStatus::Incomplete => "response.incomplete",
            ResponseStatus::Completed | ResponseStatus::InProgress => "response.completed",
        };
        self.lifecycle(event, Some(ResponseUsage::new(usage, self.speech.reasoning_tokens())))?;
        Ok(usage)
    }

    fn failed(&mut self, error: &ApiError) -> Result<(), Unwritable> {
        let body = error.body().error;
        let event = ErrorEvent { code: body.code.unwrap_or(body.r#type), message: body.message, param: body.param };
        Ok(self.output.events.write("error", &event)?)
    }

    fn events(&mut self) -> &mut BytesMut {
        self.output.events.ready()
    }
}
