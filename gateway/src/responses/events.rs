//! Typed, numbered events (WHATWG HTML, section 9.2), as OpenAI's Responses have them.

use bytes::{BufMut as _, BytesMut};
use serde::Serialize;

use crate::openai::error::ApiError;

/// Writes the events of one response; all that the engine had ready go out in one write.
pub(super) struct Events {
    /// Where the answer is whole, nobody reads them.
    read: bool,
    ready: BytesMut,
    /// The next event's number.
    sequence_number: u64,
}

#[derive(Serialize)]
struct Event<'a, T> {
    r#type: &'static str,
    sequence_number: u64,
    #[serde(flatten)]
    data: &'a T,
}

impl Events {
    /// The events of a stream, or, where nobody will have `read` them, none.
    pub(super) fn new(read: bool) -> Self {
        Self { read, ready: BytesMut::new(), sequence_number: 0 }
    }

    /// JSON has no line breaks of its own, so one `data:` line holds it.
    ///
    /// # Errors
    /// None that a type of ours gives rise to.
    pub(super) fn write(&mut self, r#type: &'static str, data: &impl Serialize) -> Result<(), ApiError> {
        if !self.read {
            return Ok(());
        }
        for part in ["event: ", r#type, "\ndata: "] {
            self.ready.put_slice(part.as_bytes());
        }
        let event = Event { r#type, sequence_number: self.sequence_number, data };
        serde_json::to_writer((&mut self.ready).writer(), &event)
            .map_err(|error| ApiError::internal(format!("event: {error}")))?;
        self.ready.put_slice(b"\n\n");
        self.sequence_number += 1;
        Ok(())
    }

    /// What has not been sent.
    pub(super) const fn ready(&mut self) -> &mut BytesMut {
        &mut self.ready
    }
}
