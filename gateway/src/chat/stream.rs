//! The answer in OpenAI's chunks.

use bytes::BytesMut;

use super::{chunks::Chunks, prepared::Head};
use crate::{
    event_stream::{EventWriter, Unwritable},
    generation::Piece,
    openai::usage::Usage,
    parameters::StreamUsage,
    receipt::StreamEnd,
    speech::{Speaking, Speech},
};

/// Writes what answers say as chunks.
pub(super) struct ChatChunks {
    chunks: Chunks,
    speaking: Speaking,
    speeches: Vec<Speech>,
    usage: StreamUsage,
}

impl ChatChunks {
    pub(super) fn new(head: Head, speaking: Speaking, usage: StreamUsage) -> Self {
        Self { chunks: Chunks::new(head, speaking.options.reasoning_content), speaking, speeches: Vec::new(), usage }
    }
}

impl EventWriter for ChatChunks {
    const END: StreamEnd = StreamEnd::Done;

    fn open(&mut self, so_far: &[Usage]) -> Result<(), Unwritable> {
        for (index, so_far) in so_far.iter().enumerate() {
            self.speeches.push(self.speaking.speech());
            let usage = self.usage.in_chunk(so_far.with_reasoning(self.speaking.thinks.then_some(0)));
            self.chunks.open(index, self.speaking.options.role, usage)?;
            if let Some(text) = &self.speaking.options.echo {
                self.chunks.echo(index, text, usage)?;
            }
        }
        Ok(())
    }

    fn piece(&mut self, index: usize, piece: Piece, so_far: Usage) -> Result<(), Unwritable> {
        let Some(speech) = self.speeches.get_mut(index) else { return Ok(()) };
        let said = speech.say(piece)?;
        let so_far = so_far.with_reasoning(self.speaking.reasoning_tokens(std::iter::once(&*speech)));
        Ok(self.chunks.said(index, said, self.usage.in_chunk(so_far))?)
    }

    fn close(&mut self, usage: Usage) -> Result<Usage, Unwritable> {
        let usage = usage.with_reasoning(self.speaking.reasoning_tokens(self.speeches.iter()));
        if self.usage.at_end {
            self.chunks.usage(usage)?;
        }
        Ok(usage)
    }

    fn events(&mut self) -> &mut BytesMut {
        &mut self.chunks.events
    }
}
