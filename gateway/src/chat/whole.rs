//! The whole answer as one JSON document.

use actix_web::HttpResponse;

use super::handler::Head;
use crate::{
    generation::{Answers, TokenTexts},
    openai::{
        chat_response::{AssistantMessage, CalledFunction, ChatCompletion, Choice, MessageToolCall},
        error::ApiError,
        logprobs::{ChatLogprobs, PromptLogprobs},
    },
    receipt::TokenCounts,
    speech::{End, Said, Speaking, SpeechOptions, Word},
};

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

/// Collects the answers.
///
/// # Errors
/// The engine refused the request, failed, or died.
pub(super) async fn answer(
    head: Head,
    mut answers: Answers,
    speaking: &Speaking,
    prompt_top: Option<u32>,
) -> Result<HttpResponse, ApiError> {
    let mut speeches: Vec<_> = (0..answers.len()).map(|_| (speaking.speech(), Collected::default())).collect();
    let mut prompt_logprobs = None;
    while let Some(next) = answers.next().await {
        let (index, mut piece) = next?;
        if let (Some(rows), Some(top)) = (piece.prompt_logprobs.take(), prompt_top) {
            prompt_logprobs = Some(self::prompt_logprobs(&speaking.texts, &rows, top)?);
        }
        let Some((speech, collected)) = speeches.get_mut(index) else { continue };
        collected.add(speech.say(piece)?);
    }
    let choices = speeches.into_iter().enumerate();
    let choices = choices.map(|(index, (_, collected))| collected.into_choice(index, &speaking.options));
    let usage = answers.usage();
    let mut response = HttpResponse::Ok().json(ChatCompletion {
        id: &head.id,
        object: "chat.completion",
        created: head.created,
        model: &head.model,
        system_fingerprint: &head.fingerprint,
        choices: choices.collect::<Result<_, _>>()?,
        usage,
        prompt_logprobs,
        prompt_token_ids: head.prompt_token_ids.as_deref(),
    });
    response.extensions_mut().insert(TokenCounts::from(usage));
    Ok(response)
}

fn prompt_logprobs(
    texts: &TokenTexts,
    rows: &[Vec<blindllama_engine::TokenLogprob>],
    top: u32,
) -> Result<PromptLogprobs, ApiError> {
    texts.clone().prompt(rows, top)
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

    fn into_choice(self, index: usize, options: &SpeechOptions) -> Result<Choice, ApiError> {
        let end = self.end.ok_or_else(|| ApiError::internal("an answer has no end"))?;
        let content = options.echo.clone().unwrap_or_default() + &self.content;
        let reasoning = Some(self.reasoning).filter(|reasoning| !reasoning.is_empty());
        let message = AssistantMessage {
            role: options.role,
            content: Some(content).filter(|content| !content.is_empty() || self.tool_calls.is_empty()),
            refusal: None,
            reasoning_content: reasoning.clone().filter(|_| options.reasoning_content),
            reasoning,
            tool_calls: self.tool_calls,
        };
        let (logprobs, token_ids) = (self.logprobs, self.token_ids);
        Ok(Choice { index, message, logprobs, finish_reason: end.reason, stop_reason: end.stop, token_ids })
    }
}
