//! An answer as one JSON document that can be compared: streams folded, what differs by nature replaced by its kind.

use serde_json::{Value, json};

use super::{reference::Answer, shapes::Shapes, streams};

/// The answer's `status`, `content_type`, whether it was `cut`, and `body` or `stream`.
pub fn document(answer: &Answer) -> Value {
    let mut shapes = Shapes::default();
    let mut document = json!({"status": answer.status, "content_type": answer.content_type, "cut": answer.cut});
    if let Some(body) = &answer.body {
        document["body"] = shapes.shape(body);
    }
    if let Some(events) = &answer.events {
        let events: Vec<_> = events.iter().map(|event| shapes.shape(event)).collect();
        document["stream"] = streams::folded(&events);
    }
    document
}
