//! Tool calls in a model's answer: one reader for each format.
//!
//! Arguments are told as the JSON text that the model wrote, from the value's first character to its last: that can be
//! streamed, and a client that parses it gets what vLLM's `json.dumps` would have given it. Only [`pythonic`] calls, which are
//! not JSON, are written anew.
//!
//! A call is told once it is certain: its name is known, and its arguments have begun. What turns out to be none before that
//! is content, exactly as the model wrote it. What breaks later stays a call with the arguments so far, and the rest is
//! content. (vLLM makes a whole answer content if any part of it is malformed, but cannot when it streams.)

mod bare_call;
mod call_array;
mod call_object;
mod constrained;
pub(super) mod hermes;
mod json;
mod llama_json;
pub(super) mod mistral;
mod python_literal;
mod pythonic;

use self::{
    constrained::{NamedReader, RequiredReader},
    hermes::HermesReader,
    llama_json::LlamaJsonReader,
    mistral::MistralReader,
    pythonic::PythonicReader,
};
use super::{ToolMode, events::Events, format::ToolFormat};

/// Finds calls in an answer that comes in pieces.
pub(super) trait ToolReader: Send {
    /// Reads the next piece; what could still become part of a call is held back.
    fn push(&mut self, text: &str, events: &mut Events);

    /// The answer has ended: tells what was held back.
    fn finish(&mut self, events: &mut Events);
}

/// All is content.
struct NoTools;

impl ToolReader for NoTools {
    fn push(&mut self, text: &str, events: &mut Events) {
        events.content(text);
    }

    fn finish(&mut self, _events: &mut Events) {}
}

/// The reader for one answer, and where its events go.
pub(super) fn reader(format: Option<ToolFormat>, mode: ToolMode) -> (Box<dyn ToolReader>, Events) {
    let reader: Box<dyn ToolReader> = match (mode, format) {
        (ToolMode::None, _) | (ToolMode::Auto, None) => Box::new(NoTools),
        (ToolMode::Required, _) => Box::new(RequiredReader::new()),
        (ToolMode::Named(name), _) => Box::new(NamedReader::new(name)),
        (ToolMode::Auto, Some(ToolFormat::Hermes)) => Box::new(HermesReader::new()),
        (ToolMode::Auto, Some(ToolFormat::Mistral)) => Box::new(MistralReader::new()),
        (ToolMode::Auto, Some(ToolFormat::Pythonic)) => Box::new(PythonicReader::new()),
        (ToolMode::Auto, Some(ToolFormat::LlamaJson)) => {
            return (Box::new(LlamaJsonReader::new()), Events::new(Some(LlamaJsonReader::SEPARATOR)));
        }
    };
    (reader, Events::new(None))
}
