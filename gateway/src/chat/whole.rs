//! The whole answer as one JSON document.

use super::prepared::Head;
use crate::{
    generation::Piece,
    openai::{
        chat_response::{AssistantMessage, CalledFunction, ChatCompletion, Choice, MessageToolCall},
        error::ApiError,
        logprobs::{ChatLogprobs, PromptLogprobs},
        usage::Usage,
    },
    speech::{End, Said, Speaking, Speech, SpeechOptions, Word},
    whole_answer::{Collector, document},
};

/// Puts the answers together.
pub(super) struct WholeChat {
    head: Head,
    speaking: Speaking,
    answers: Vec<(Speech, Collected)>,
    /// Most likely tokens to report in each place of the prompt.
    prompt_top: Option<u32>,
    prompt_logprobs: Option<PromptLogprobs>,
}

/// One answer as it is collected.
#[derive(Default)]
struct Collected {
    content: String,
    reasoning: String,
    tool_calls: Vec<MessageToolCall>,
    logprobs: Option<ChatLogprobs>,
    token_ids: Option<Vec<u32>>,
    end: Option<End>,
}

impl WholeChat {
    /// So many `answers`.
    pub(super) fn new(head: Head, speaking: Speaking, answers: usize, prompt_top: Option<u32>) -> Self {
        let answers = (0..answers).map(|_| (speaking.speech(), Collected::default())).collect();
        Self { head, speaking, answers, prompt_top, prompt_logprobs: None }
    }
}

impl Collector for WholeChat {
    fn piece(&mut self, index: usize, mut piece: Piece) -> Result<(), ApiError> {
        if let (Some(rows), Some(top)) = (piece.prompt_logprobs.take(), self.prompt_top) {
            self.prompt_logprobs = Some(self.speaking.texts.clone().prompt(&rows, top)?);
        }
        let Some((speech, collected)) = self.answers.get_mut(index) else { return Ok(()) };
        collected.add(speech.say(piece)?);
        Ok(())
    }

    fn document(self, usage: Usage) -> Result<(Vec<u8>, Usage), ApiError> {
        let Self { head, speaking, answers, prompt_logprobs, .. } = self;
        let usage = usage.with_reasoning(speaking.reasoning_tokens(answers.iter().map(|(speech, _)| speech)));
        let choices = answers.into_iter().enumerate();
        let choices = choices.map(|(index, (speech, collected))| collected.into_choice(index, &speech, &speaking.options));
        let completion = ChatCompletion {
            id: &head.id,
            object: "chat.completion",
            created: head.created,
            model: &head.model,
            system_fingerprint: &head.fingerprint,
            choices: choices.collect::<Result<_, _>>()?,
            usage,
            prompt_logprobs,
            prompt_token_ids: head.prompt_token_ids.as_deref(),
        };
        Ok((document(&completion)?, usage))
    }
}

impl Collected {
    fn add(&mut self, said: Said) {
        for word in said.words {
            match word {
                Word::Content(text) => self.content.push_str(&text),
                Word::Reasoning(text) => self.reasoning.push_str(&text),
                Word::Call { id, name, .. } => {
                    let function = CalledFunction { name, arguments: String::new() };
                    self.tool_calls.push(MessageToolCall { id, r#type: "function", function });
                }
                Word::Arguments { index, fragment } => {
                    if let Some(call) = self.tool_calls.get_mut(index) {
                        call.function.arguments.push_str(&fragment);
                    }
                }
            }
        }
        if let Some(logprobs) = said.logprobs {
            self.logprobs.get_or_insert_default().content.extend(logprobs.content);
        }
        if let Some(ids) = said.token_ids {
            self.token_ids.get_or_insert_default().extend(ids);
        }
        self.end = said.end.or(self.end.take());
    }

    fn into_choice(self, index: usize, speech: &Speech, options: &SpeechOptions) -> Result<Choice, ApiError> {
        let end = self.end.ok_or_else(|| ApiError::internal("an answer has no end"))?;
        let content = options.echo.clone().unwrap_or_default() + &self.content;
        let reasoning = Some(self.reasoning).filter(|reasoning| !reasoning.is_empty());
        let says_else = !self.tool_calls.is_empty() || speech.reasoning_tokens() > 0;
        let message = AssistantMessage {
            role: options.role,
            content: Some(content).filter(|content| !content.is_empty() || !says_else),
            refusal: None,
            reasoning_content: reasoning.clone().filter(|_| options.reasoning_content),
            reasoning,
            tool_calls: self.tool_calls,
        };
        let (logprobs, token_ids) = (self.logprobs, self.token_ids);
        Ok(Choice { index, message, logprobs, finish_reason: end.reason, stop_reason: end.stop, token_ids })
    }
}
