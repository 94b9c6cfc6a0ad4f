//! Text to tokens and back.

use super::{
    failures::OF_INFERENCE,
    operation::{Answer, Operation, Tag},
    requests::TokenizeRequestBody,
    schemas::Schemas,
};
use crate::openai::tokenization::{DetokenizeRequest, Detokenized, Tokenized};

pub(super) fn tokenize(schemas: &mut Schemas) -> Operation {
    Operation {
        id: "tokenize",
        tag: Tag::Vllm,
        summary: "Writes a text, or a conversation, as tokens",
        description: "Of a chat completion request, the tokens of its prompt.",
        parameters: Vec::new(),
        body: Some(schemas.request::<TokenizeRequestBody>()),
        answer: Answer::json("The tokens.", schemas.answer::<Tokenized>()).receipted(),
        failures: OF_INFERENCE,
    }
}

pub(super) fn detokenize(schemas: &mut Schemas) -> Operation {
    Operation {
        id: "detokenize",
        tag: Tag::Vllm,
        summary: "Writes tokens as text",
        description: "Special tokens included.",
        parameters: Vec::new(),
        body: Some(schemas.request::<DetokenizeRequest>()),
        answer: Answer::json("The text.", schemas.answer::<Detokenized>()).receipted(),
        failures: OF_INFERENCE,
    }
}
