//! Streams, folded: how an answer is cut into events is a server's own business, what they say together is not.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

/// Members whose texts and lists are appended to each other.
const APPENDED: [&str; 11] = [
    "content",
    "reasoning",
    "arguments",
    "text",
    "delta",
    "logprobs",
    "tokens",
    "token_logprobs",
    "top_logprobs",
    "text_offset",
    "token_ids",
];

/// What the events of a stream say together.
pub fn folded(events: &[Value]) -> Value {
    let typed = events.first().is_some_and(|event| event.get("sequence_number").is_some());
    if typed { typed_events(events) } else { chunks(events) }
}

/// Chunks of completions: `choices` by their index, in each what was appended, and the other values in the order in which they
/// came; `kinds` is the order in which members of choices spoke, `members` all that were there, if only as `null`.
fn chunks(events: &[Value]) -> Value {
    let mut folded = Map::new();
    let mut choices: BTreeMap<String, Value> = BTreeMap::new();
    let (done, chunks): (Vec<_>, Vec<_>) = events.iter().partition(|event| event.is_string());
    for (number, chunk) in chunks.iter().enumerate() {
        let Some(members) = chunk.as_object() else { continue };
        for (name, value) in members.iter().filter(|(name, _)| *name != "choices") {
            let so_far = name == "usage" && number + 1 < chunks.len();
            let (name, value) = if so_far { ("usage so far", counts(value)) } else { (name.as_str(), value.clone()) };
            append(folded.entry(name.to_owned()).or_insert(json!([])), value);
        }
        for choice in members.get("choices").and_then(Value::as_array).into_iter().flatten() {
            fold_choice(choices.entry(choice["index"].to_string()).or_insert(json!({})), choice);
        }
    }
    folded.insert("choices".to_owned(), json!(choices));
    folded.insert("end".to_owned(), json!(done));
    Value::Object(folded)
}

/// Token counts so far depend on where the stream is cut.
fn counts(usage: &Value) -> Value {
    match usage {
        Value::Object(counts) => counts.keys().map(|name| (name.clone(), Value::from("<count>"))).collect(),
        usage => usage.clone(),
    }
}

fn fold_choice(folded: &mut Value, choice: &Value) {
    for (name, value) in choice.as_object().into_iter().flatten() {
        if name == "delta" || name == "logprobs" && value.is_object() {
            let inner = entry(folded, name, json!({}));
            for (name, value) in value.as_object().into_iter().flatten() {
                fold_member(inner, name, value);
            }
        } else {
            fold_member(folded, name, value);
        }
    }
    let delta = choice.get("delta").and_then(Value::as_object).into_iter().flatten();
    for (name, value) in delta.chain(choice.as_object().into_iter().flatten()) {
        entry(folded, "members", json!({}))[name] = true.into();
        let speaks = !["index", "delta", "logprobs", "stop_reason"].contains(&name.as_str()) && !name.ends_with("token_ids");
        if speaks && !value.is_null() && *value != "" {
            append(entry(folded, "kinds", json!([])), name.as_str().into());
        }
    }
}

fn fold_member(folded: &mut Value, name: &str, value: &Value) {
    match value {
        Value::Array(calls) if name == "tool_calls" => {
            for call in calls {
                let by_index = entry(folded, name, json!({}));
                let call_so_far = entry(by_index, &call["index"].to_string(), json!({}));
                for (name, value) in call.as_object().into_iter().flatten() {
                    fold_member(call_so_far, name, value);
                }
            }
        }
        Value::Object(members) => {
            let inner = entry(folded, name, json!({}));
            for (name, value) in members {
                fold_member(inner, name, value);
            }
        }
        Value::String(text) if APPENDED.contains(&name) => match entry(folded, name, json!("")) {
            Value::String(so_far) => so_far.push_str(text),
            other => append(other, value.clone()),
        },
        Value::Array(items) if APPENDED.contains(&name) => match entry(folded, name, json!([])) {
            Value::Array(so_far) => so_far.extend(items.iter().cloned()),
            other => append(other, value.clone()),
        },
        // Nothing new.
        Value::Null if APPENDED.contains(&name) => {}
        value => append(entry(folded, name, json!([])), value.clone()),
    }
}

/// The member `name`, begun with `new`.
fn entry<'a>(object: &'a mut Value, name: &str, new: Value) -> &'a mut Value {
    let Value::Object(members) = object else { panic!("{name} of no object: {object}") };
    members.entry(name.to_owned()).or_insert(new)
}

/// Adds `value` to a list unless it is there last.
fn append(list: &mut Value, value: Value) {
    if let Value::Array(items) = list
        && items.last() != Some(&value)
    {
        items.push(value);
    }
}

/// The Responses' events: their `order`, and each by its type and number; deltas that follow each other are one.
fn typed_events(events: &[Value]) -> Value {
    let mut order: Vec<String> = Vec::new();
    let mut folded = Map::new();
    let mut last = Value::Null;
    for (number, event) in events.iter().enumerate() {
        let kind = match event["type"].as_str().unwrap_or("untyped") {
            // What the last event says is compared, whichever of the two it is.
            "response.completed" | "response.incomplete" => "ended".to_owned(),
            kind => kind.replace("response.", "").replace('.', "_"),
        };
        let place = json!([kind, event["output_index"], event["content_index"]]);
        if kind.ends_with("delta") && place == last {
            let so_far = folded.values_mut().next_back().expect("the event before");
            for (name, value) in event.as_object().into_iter().flatten().filter(|(name, _)| APPENDED.contains(&name.as_str())) {
                fold_member(so_far, name, value);
            }
            continue;
        }
        let mut event = event.clone();
        assert_eq!(event["sequence_number"], number, "events are numbered");
        event.as_object_mut().map(|members| members.remove("sequence_number"));
        let times = order.iter().filter(|before| **before == kind).count();
        folded.insert(format!("{kind} {times}"), event);
        order.push(kind);
        last = place;
    }
    json!({"order": order.join(" "), "events": folded})
}
