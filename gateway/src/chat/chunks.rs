//! Chat completion chunks.

use bytes::BytesMut;

use super::prepared::Head;
use crate::{
    event_stream::event,
    openai::{
        chat_response::{ChatCompletionChunk, ChunkChoice, Delta, FunctionDelta, ToolCallDelta},
        usage::Usage,
    },
    speech::{Said, Word},
};

/// Writes chunks; all that the engine had ready go out in one write.
pub(super) struct Chunks {
    head: Head,
    /// Whether thoughts are also written in DeepSeek's spelling.
    reasoning_content: bool,
    pub(super) events: BytesMut,
}

impl Chunks {
    pub(super) fn new(head: Head, reasoning_content: bool) -> Self {
        Self { head, reasoning_content, events: BytesMut::new() }
    }

    /// The first chunk of an answer: who speaks.
    ///
    /// # Errors
    /// As for [`event`].
    pub(super) fn open(&mut self, index: usize, role: &'static str, usage: Option<Option<Usage>>) -> serde_json::Result<()> {
        let prompt_token_ids = self.head.prompt_token_ids.take();
        let delta = Delta { role: Some(role), content: Some(""), ..Delta::default() };
        let choice = ChunkChoice { index, delta, logprobs: None, finish_reason: None, stop_reason: None, token_ids: None };
        self.chunk(&[choice], usage, prompt_token_ids.as_deref())
    }

    /// Text that comes before the answer.
    ///
    /// # Errors
    /// As for [`event`].
    pub(super) fn echo(&mut self, index: usize, text: &str, usage: Option<Option<Usage>>) -> serde_json::Result<()> {
        let delta = Delta { content: Some(text), ..Delta::default() };
        let choice = ChunkChoice { index, delta, logprobs: None, finish_reason: None, stop_reason: None, token_ids: None };
        self.chunk(&[choice], usage, None)
    }

    /// What a piece says, and in a chunk of its own how it ended. The first chunk has what is told of the piece's tokens.
    ///
    /// # Errors
    /// As for [`event`].
    pub(super) fn said(&mut self, index: usize, said: Said, usage: Option<Option<Usage>>) -> serde_json::Result<()> {
        let Said { words, mut logprobs, mut token_ids, end } = said;
        let deltas: Vec<_> = words.iter().map(|word| delta(word, self.reasoning_content)).collect();
        for delta in deltas {
            let (logprobs, token_ids) = (logprobs.take(), token_ids.take());
            let choice = ChunkChoice { index, delta, logprobs, finish_reason: None, stop_reason: None, token_ids };
            self.chunk(&[choice], usage, None)?;
        }
        if end.is_none() && logprobs.is_none() && token_ids.is_none() {
            return Ok(());
        }
        let (finish_reason, stop_reason) = end.map(|end| (end.reason, end.stop)).unzip();
        let choice = ChunkChoice { index, delta: Delta::default(), logprobs, finish_reason, stop_reason, token_ids };
        self.chunk(&[choice], usage, None)
    }

    /// The token counts, at the end.
    ///
    /// # Errors
    /// As for [`event`].
    pub(super) fn usage(&mut self, usage: Usage) -> serde_json::Result<()> {
        self.chunk(&[], Some(Some(usage)), None)
    }

    fn chunk(
        &mut self,
        choices: &[ChunkChoice<'_>],
        usage: Option<Option<Usage>>,
        prompt_token_ids: Option<&[u32]>,
    ) -> serde_json::Result<()> {
        let Head { id, created, model, fingerprint, .. } = &self.head;
        let chunk = ChatCompletionChunk {
            id,
            object: "chat.completion.chunk",
            created: *created,
            model,
            system_fingerprint: fingerprint,
            choices,
            usage,
            prompt_token_ids,
        };
        event(&mut self.events, &chunk)
    }
}

fn delta(word: &Word, reasoning_content: bool) -> Delta<'_> {
    match word {
        Word::Content(text) => Delta { content: Some(text), ..Delta::default() },
        Word::Reasoning(text) => {
            Delta { reasoning: Some(text), reasoning_content: reasoning_content.then_some(text), ..Delta::default() }
        }
        Word::Call { index, id, name } => {
            let function = FunctionDelta { name: Some(name), arguments: "" };
            call(ToolCallDelta { index: *index, id: Some(id), r#type: Some("function"), function })
        }
        Word::Arguments { index, fragment } => {
            let function = FunctionDelta { name: None, arguments: fragment };
            call(ToolCallDelta { index: *index, id: None, r#type: None, function })
        }
    }
}

fn call(call: ToolCallDelta<'_>) -> Delta<'_> {
    Delta { tool_calls: Some([call]), ..Delta::default() }
}
