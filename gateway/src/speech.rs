//! What one answer says: text, thoughts and calls of tools, with the probabilities of its tokens.

use std::sync::Arc;

use crate::{
    ServedModel,
    generation::{Finish, Piece, TokenTexts},
    openai::{
        chat_response::{FinishReason, StopReason},
        error::ApiError,
        logprobs::ChatLogprobs,
    },
    output::{OutputEvent, OutputFormat, OutputReader, ToolMode},
    parameters::Parameters,
    prompt::Prompt,
    random_id::random_id,
};

/// How what the model says is told.
#[derive(Clone)]
pub(crate) struct SpeechOptions {
    pub(crate) tools: ToolMode,
    /// Whether several tools may be called at once.
    pub(crate) parallel: bool,
    /// Whether thoughts are told.
    pub(crate) reasoning: bool,
    /// Whether they are also told in DeepSeek's spelling.
    pub(crate) reasoning_content: bool,
    /// Who speaks.
    pub(crate) role: &'static str,
    /// What comes before the answer.
    pub(crate) echo: Option<String>,
}

/// How answers are read and told; each gets a [`Speech`] of its own.
pub(crate) struct Speaking {
    pub(crate) format: OutputFormat,
    /// Whether the model is one that thinks, even if it does not here.
    pub(crate) thinks: bool,
    pub(crate) starts_in_reasoning: bool,
    /// Whether token ids are told.
    pub(crate) token_ids: bool,
    /// Whether probabilities are told, and of how many likeliest tokens.
    pub(crate) logprobs: Option<u32>,
    pub(crate) texts: TokenTexts,
    pub(crate) options: SpeechOptions,
}

/// One answer as it is told.
pub(crate) struct Speech {
    reader: OutputReader,
    texts: TokenTexts,
    logprobs: Option<u32>,
    token_ids: bool,
    reasoning: bool,
    parallel: bool,
    named: bool,
    called: bool,
    /// Tokens whose text is held back, since it can be a part of a mark. They count to what comes next.
    waiting: usize,
    reasoning_tokens: usize,
}

/// What a piece of an answer says.
pub(crate) struct Said {
    pub(crate) words: Vec<Word>,
    /// Of the piece's tokens, where they were asked for.
    pub(crate) logprobs: Option<ChatLogprobs>,
    /// The piece's tokens, where they were asked for.
    pub(crate) token_ids: Option<Vec<u32>>,
    /// Set in the last piece.
    pub(crate) end: Option<End>,
}

/// A piece of one kind.
pub(crate) enum Word {
    Content(String),
    Reasoning(String),
    /// A call begins.
    Call {
        index: usize,
        id: String,
        name: String,
    },
    /// More of a call's arguments.
    Arguments {
        index: usize,
        fragment: String,
    },
}

/// How an answer ended.
pub(crate) struct End {
    pub(crate) reason: FinishReason,
    pub(crate) stop: Option<StopReason>,
}

impl Speaking {
    /// How `model` answers `prompt`, in a `constrained` form or freely.
    pub(crate) fn new(
        model: &ServedModel,
        prompt: &Prompt,
        constrained: bool,
        logprobs: Option<u32>,
        parameters: &Parameters,
        options: SpeechOptions,
    ) -> Self {
        // The engine's grammar holds from the first token on: there is no room for thoughts.
        let reasoning = model.output.reasoning.filter(|_| !constrained);
        Self {
            format: OutputFormat { reasoning, ..model.output },
            thinks: model.output.reasoning.is_some(),
            starts_in_reasoning: reasoning.is_some_and(|format| format.prompt_ends_inside(&prompt.tail)),
            token_ids: parameters.return_token_ids,
            logprobs,
            texts: TokenTexts::new(Arc::clone(&model.tokenizer), parameters.tokens_as_ids),
            options,
        }
    }

    /// The speech of one answer.
    pub(crate) fn speech(&self) -> Speech {
        let hidden = self.format.reasoning.is_some() && !self.options.reasoning;
        Speech {
            reader: OutputReader::new(&self.format, self.options.tools.clone(), self.starts_in_reasoning),
            texts: self.texts.clone(),
            // They would tell thoughts that are not to be told.
            logprobs: self.logprobs.filter(|_| !hidden),
            token_ids: self.token_ids && !hidden,
            reasoning: self.options.reasoning,
            parallel: self.options.parallel,
            named: matches!(self.options.tools, ToolMode::Named(_)),
            called: false,
            waiting: 0,
            reasoning_tokens: 0,
        }
    }

    /// The tokens of all thoughts in `speeches`, where the model is one that thinks.
    pub(crate) fn reasoning_tokens<'a>(&self, speeches: impl Iterator<Item = &'a Speech>) -> Option<usize> {
        self.thinks.then(|| speeches.map(Speech::reasoning_tokens).sum())
    }
}

impl Speech {
    /// Tokens of thoughts so far, with the marks around them; to the piece, where several tokens come as one.
    pub(crate) const fn reasoning_tokens(&self) -> usize {
        self.reasoning_tokens
    }

    /// What the next piece says.
    ///
    /// # Errors
    /// 500 if the tokenizer or the random source fails.
    pub(crate) fn say(&mut self, piece: Piece) -> Result<Said, ApiError> {
        let Piece { text, token_ids, logprobs, finish, .. } = piece;
        self.waiting += token_ids.len();
        let mut events = self.reader.push(&text);
        if finish.is_some() {
            events.extend(self.reader.finish());
        }
        let words = events.into_iter().filter_map(|event| self.word(event).transpose()).collect::<Result<_, _>>()?;
        let logprobs = match self.logprobs {
            Some(top) => Some(self.texts.chat(&logprobs.unwrap_or_default(), top)?),
            None => None,
        };
        let token_ids = self.token_ids.then_some(token_ids);
        Ok(Said { words, logprobs, token_ids, end: finish.map(|finish| self.end(finish)) })
    }

    fn word(&mut self, event: OutputEvent) -> Result<Option<Word>, ApiError> {
        let tokens = std::mem::take(&mut self.waiting);
        if matches!(event, OutputEvent::Reasoning(_)) {
            self.reasoning_tokens += tokens;
        }
        let beyond_one = |index: usize| index > 0 && !self.parallel;
        Ok(match event {
            OutputEvent::Content(text) => Some(Word::Content(text)),
            OutputEvent::Reasoning(text) => self.reasoning.then_some(Word::Reasoning(text)),
            OutputEvent::ToolCall { index, .. } | OutputEvent::ToolArguments { index, .. } if beyond_one(index) => None,
            OutputEvent::ToolCall { index, name } => {
                self.called = true;
                Some(Word::Call { index, id: random_id("call_")?, name })
            }
            OutputEvent::ToolArguments { index, fragment } => Some(Word::Arguments { index, fragment }),
        })
    }

    /// As with OpenAI, a call that the client named itself is no reason to stop.
    fn end(&self, finish: Finish) -> End {
        let reason = match finish.reason {
            FinishReason::Stop if self.called && !self.named => FinishReason::ToolCalls,
            reason => reason,
        };
        End { reason, stop: finish.stop }
    }
}
