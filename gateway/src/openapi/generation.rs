//! Routes on which a model generates.

use super::{
    events::{EVENT_STREAM, chunks, typed},
    failures::OF_INFERENCE,
    operation::{Answer, Operation, Tag},
    requests::{CreateChatCompletionRequest, CreateCompletionRequest, CreateResponseRequest},
    schemas::Schemas,
};
use crate::openai::{
    chat_response::{ChatCompletion, ChatCompletionChunk},
    completion_response::Completion,
    response::Response,
};

pub(super) fn create_chat_completion(schemas: &mut Schemas) -> Operation {
    let mut answer =
        Answer::json("The answers, or, with `stream`, their pieces.", schemas.answer::<ChatCompletion<'_>>()).receipted();
    answer.content.push((EVENT_STREAM, chunks::<ChatCompletionChunk<'_>>(schemas, "ChatCompletionEvent")));
    Operation {
        id: "createChatCompletion",
        tag: Tag::OpenAi,
        summary: "Answers a conversation",
        description: "OpenAI's chat completions with vLLM's additions. Nothing is stored.",
        parameters: Vec::new(),
        body: Some(schemas.request::<CreateChatCompletionRequest>()),
        answer,
        failures: OF_INFERENCE,
    }
}

pub(super) fn create_response(schemas: &mut Schemas) -> Operation {
    let mut answer =
        Answer::json("The response, or, with `stream`, the events that lead to it.", schemas.answer::<Response<'_>>())
            .receipted();
    answer.content.push((EVENT_STREAM, typed(schemas)));
    Operation {
        id: "createResponse",
        tag: Tag::OpenAi,
        summary: "Answers a conversation, item by item",
        description: "OpenAI's Responses. Nothing is stored, so each request brings the whole conversation.",
        parameters: Vec::new(),
        body: Some(schemas.request::<CreateResponseRequest>()),
        answer,
        failures: OF_INFERENCE,
    }
}

pub(super) fn create_completion(schemas: &mut Schemas) -> Operation {
    let mut answer =
        Answer::json("The continuations, or, with `stream`, their pieces.", schemas.answer::<Completion<'_>>()).receipted();
    answer.content.push((EVENT_STREAM, chunks::<Completion<'_>>(schemas, "CompletionEvent")));
    Operation {
        id: "createCompletion",
        tag: Tag::OpenAi,
        summary: "Continues prompts",
        description: "OpenAI's older completions with vLLM's additions.",
        parameters: Vec::new(),
        body: Some(schemas.request::<CreateCompletionRequest>()),
        answer,
        failures: OF_INFERENCE,
    }
}
