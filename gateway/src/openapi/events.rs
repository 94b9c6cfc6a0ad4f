//! Streams: what their events are.
//!
//! The schema of a stream is that of one of its events, as an object of the event's fields (WHATWG HTML, section 9.2.6). Later
//! versions of OpenAPI say the same with `itemSchema`.

use schemars::{JsonSchema, Schema, json_schema};
use serde_json::{Value, json};

use super::schemas::Schemas;
use crate::openai::{
    error::ErrorBody,
    response::{OutputText, ReasoningText},
    response_events::{ArgumentsDelta, ArgumentsDone, ErrorEvent, ItemEvent, PartEvent, ResponseEvent, TextDelta, TextDone},
};

/// The type of content of streams.
pub(super) const EVENT_STREAM: &str = "text/event-stream";

/// The part of an item that an event is about.
#[derive(JsonSchema)]
#[schemars(untagged, inline)]
#[expect(dead_code, reason = "it describes, and is never made")]
enum Part {
    Text(OutputText),
    Reasoning(ReasoningText),
}

/// Describes what an event has beside type and number.
type Members = fn(&mut Schemas) -> Schema;

/// All events of a streamed response.
const OF_RESPONSES: [(&str, Members); 15] = [
    ("response.created", Schemas::answer_inline::<ResponseEvent<'_>>),
    ("response.in_progress", Schemas::answer_inline::<ResponseEvent<'_>>),
    ("response.output_item.added", Schemas::answer_inline::<ItemEvent<'_>>),
    ("response.content_part.added", Schemas::answer_inline::<PartEvent<'_, Part>>),
    ("response.reasoning_text.delta", Schemas::answer_inline::<TextDelta<'_>>),
    ("response.reasoning_text.done", Schemas::answer_inline::<TextDone<'_>>),
    ("response.output_text.delta", Schemas::answer_inline::<TextDelta<'_>>),
    ("response.output_text.done", Schemas::answer_inline::<TextDone<'_>>),
    ("response.content_part.done", Schemas::answer_inline::<PartEvent<'_, Part>>),
    ("response.function_call_arguments.delta", Schemas::answer_inline::<ArgumentsDelta<'_>>),
    ("response.function_call_arguments.done", Schemas::answer_inline::<ArgumentsDone<'_>>),
    ("response.output_item.done", Schemas::answer_inline::<ItemEvent<'_>>),
    ("response.completed", Schemas::answer_inline::<ResponseEvent<'_>>),
    ("response.incomplete", Schemas::answer_inline::<ResponseEvent<'_>>),
    ("error", Schemas::answer_inline::<ErrorEvent<'_>>),
];

/// A stream of chunks of the type `T`, ended by `[DONE]`.
pub(super) fn chunks<T: JsonSchema>(schemas: &mut Schemas, name: &str) -> Schema {
    let (chunk, error) = (schemas.answer::<T>(), schemas.answer::<ErrorBody<'_>>());
    let event = json_schema!({
        "description": "One event of the stream. Its data is JSON: a chunk, or, where the answer fails halfway, an error, which \
            is the last then. A stream that is whole ends with the data `[DONE]`.",
        "type": "object",
        "properties": {
            "data": {"anyOf": [{"type": "string", "const": "[DONE]"}, json_text(&json!({"anyOf": [chunk, error]}))]},
        },
        "required": ["data"],
    });
    schemas.define_answer(name, event)
}

/// A stream of typed events.
pub(super) fn typed(schemas: &mut Schemas) -> Schema {
    let names: Vec<_> = OF_RESPONSES.iter().map(|(name, _)| *name).collect();
    let events: Vec<_> = OF_RESPONSES.iter().map(|(name, members)| typed_event(schemas, name, *members)).collect();
    let union = json_schema!({
        "description": "The data of an event, told apart by `type`. The last is `response.completed` or `response.incomplete`, \
            or, where the response fails halfway, `error`.",
        "oneOf": events,
        "discriminator": {"propertyName": "type"},
    });
    let data = schemas.define_answer("ResponseStreamEvent", union);
    let event = json_schema!({
        "description": "One event of the stream. Its data is JSON.",
        "type": "object",
        "properties": {"event": {"type": "string", "enum": names}, "data": json_text(&json!(data))},
        "required": ["event", "data"],
    });
    schemas.define_answer("ResponseServerSentEvent", event)
}

/// Type and number come before the event's own members.
fn typed_event(schemas: &mut Schemas, name: &str, members: Members) -> Schema {
    let mut schema = members(schemas);
    schema.insert("description".to_owned(), format!("`{name}`").into());
    if let Some(Value::Object(properties)) = schema.get_mut("properties") {
        let number = json!({"description": "Counts the events of the stream, from 0.", "type": "integer", "minimum": 0});
        properties.shift_insert(0, "type".to_owned(), json!({"type": "string", "const": name}));
        properties.shift_insert(1, "sequence_number".to_owned(), number);
    }
    if let Some(Value::Array(required)) = schema.get_mut("required") {
        required.splice(0..0, [json!("type"), json!("sequence_number")]);
    }
    schemas.define_answer(&component(name), schema)
}

/// `response.output_text.delta` is described as `ResponseOutputTextDeltaEvent`.
fn component(event: &str) -> String {
    let words = event.split(['.', '_']).map(|word| {
        let mut characters = word.chars();
        characters.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(characters).collect::<String>()
    });
    words.chain(["Event".to_owned()]).collect()
}

fn json_text(schema: &Value) -> Value {
    json!({"type": "string", "contentMediaType": "application/json", "contentSchema": schema})
}
