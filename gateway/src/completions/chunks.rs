//! The answer in OpenAI's chunks.

use bytes::BytesMut;

use super::{prepared::Head, telling::Teller};
use crate::{
    event_stream::{EventWriter, Unwritable, event},
    generation::Piece,
    openai::usage::Usage,
    parameters::StreamUsage,
    receipt::StreamEnd,
};

/// Writes what choices say as chunks.
pub(super) struct CompletionChunks {
    head: Head,
    tellers: Vec<Teller>,
    usage: StreamUsage,
    events: BytesMut,
}

impl CompletionChunks {
    pub(super) fn new(head: Head, tellers: Vec<Teller>, usage: StreamUsage) -> Self {
        Self { head, tellers, usage, events: BytesMut::new() }
    }
}

impl EventWriter for CompletionChunks {
    const END: StreamEnd = StreamEnd::Done;

    fn open(&mut self, _: &[Usage]) -> Result<(), Unwritable> {
        Ok(())
    }

    fn piece(&mut self, index: usize, piece: Piece, so_far: Usage) -> Result<(), Unwritable> {
        let Some(teller) = self.tellers.get_mut(index) else { return Ok(()) };
        let told = teller.tell(piece)?;
        if told.is_empty() {
            return Ok(());
        }
        let usage = self.usage.in_chunk(self.head.usage(so_far));
        Ok(event(&mut self.events, &self.head.completion(&[told.into_choice(index)], usage))?)
    }

    fn close(&mut self, usage: Usage) -> Result<Usage, Unwritable> {
        let usage = self.head.usage(usage);
        if self.usage.at_end {
            event(&mut self.events, &self.head.completion(&[], Some(Some(usage))))?;
        }
        Ok(usage)
    }

    fn events(&mut self) -> &mut BytesMut {
        &mut self.events
    }
}
