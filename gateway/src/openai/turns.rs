//! From the messages of a request to the turns of a conversation: who can say what.

use serde_json::{Map, Value};

use super::{
    chat_message::{Content, Message, Role},
    error::ApiError,
    tools::ToolCall,
};
use crate::text::{CalledFunction, CalledTool, Speaker, Turn};

/// Reads `messages`, of which there has to be one at least.
///
/// # Errors
/// 400 with the path of what a role cannot have, or lacks.
pub fn turns(messages: Vec<Message>) -> Result<Vec<Turn>, ApiError> {
    if messages.is_empty() {
        return Err(ApiError::invalid("messages must have at least one message.").param("messages"));
    }
    messages.into_iter().enumerate().map(|(index, message)| turn(&format!("messages[{index}]"), message)).collect()
}

fn turn(path: &str, message: Message) -> Result<Turn, ApiError> {
    let fault = |name: &str, fault: &str| {
        let path = format!("{path}.{name}");
        ApiError::invalid(format!("{path} {fault}")).param(path)
    };
    let is_assistant = message.role == Role::Assistant;
    // The gateway tells both where the configuration says so.
    if message.reasoning.as_ref().zip(message.reasoning_content.as_ref()).is_some_and(|(one, other)| one != other) {
        return Err(fault("reasoning_content", "differs from reasoning, which is the same in another spelling."));
    }
    let reasoning = message.reasoning.or(message.reasoning_content);
    for (name, given, allowed) in [
        ("tool_calls", message.tool_calls.is_some(), is_assistant),
        ("reasoning", reasoning.is_some(), is_assistant),
        ("refusal", message.refusal.is_some(), is_assistant),
        ("tool_call_id", message.tool_call_id.is_some(), message.role == Role::Tool),
    ] {
        if given && !allowed {
            return Err(fault(name, "does not belong into a message of this role."));
        }
    }
    if message.content.is_some() && message.refusal.is_some() {
        return Err(fault("refusal", "cannot stand beside content: what an assistant says is one of the two."));
    }
    let tool_calls: Vec<_> = message.tool_calls.into_iter().flatten().map(called).collect();
    let content = match message.content.map(texts) {
        Some(content) => Some(content),
        // What a refusal says is what was said.
        None if message.refusal.is_some() => message.refusal.map(|refusal| vec![refusal]),
        None if is_assistant && !tool_calls.is_empty() => None,
        None => return Err(fault("content", "is missing.")),
    };
    let speaker = match message.role {
        Role::System => Speaker::System,
        Role::Developer => Speaker::Developer,
        Role::User => Speaker::User,
        Role::Assistant => Speaker::Assistant { reasoning, tool_calls },
        Role::Tool => Speaker::Tool { tool_call_id: message.tool_call_id.ok_or_else(|| fault("tool_call_id", "is missing."))? },
    };
    Ok(Turn { speaker, content, name: message.name })
}

fn texts(content: Content) -> Vec<String> {
    match content {
        Content::Text(text) => vec![text],
        Content::Parts(parts) => parts.iter().map(|part| part.text().to_owned()).collect(),
    }
}

fn called(call: ToolCall) -> CalledTool {
    CalledTool {
        id: call.id,
        r#type: "function",
        function: CalledFunction { name: call.function.name, arguments: arguments(&call.function.arguments) },
    }
}

/// Templates read arguments as an object. What a model once wrote wrongly must not spoil every later turn, so it counts as
/// no arguments, as with vLLM.
pub(crate) fn arguments(text: &str) -> Map<String, Value> {
    match serde_json::from_str(text) {
        Ok(Value::Object(arguments)) => arguments,
        _ => Map::new(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(message: Value) -> Result<Vec<Turn>, ApiError> {
        turns(vec![serde_json::from_value(message).unwrap()])
    }

    #[test]
    fn each_role_has_what_it_can_have() {
        let call = json!([{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}]);
        for (message, fault) in [
            (json!({"role": "user"}), "content"),
            (json!({"role": "assistant", "tool_calls": []}), "content"),
            (json!({"role": "user", "content": "x", "tool_calls": call}), "tool_calls"),
            (json!({"role": "user", "content": "x", "reasoning": "x"}), "reasoning"),
            (json!({"role": "system", "content": "x", "refusal": "x"}), "refusal"),
            (json!({"role": "user", "content": "x", "tool_call_id": "x"}), "tool_call_id"),
            (json!({"role": "tool", "content": "x"}), "tool_call_id"),
            (json!({"role": "assistant", "content": "x", "refusal": "y"}), "refusal"),
            (json!({"role": "assistant", "content": "x", "reasoning": "y", "reasoning_content": "z"}), "reasoning_content"),
        ] {
            let Err(error) = read(message.clone()) else { panic!("{message} was accepted") };
            assert_eq!(serde_json::to_value(error.body()).unwrap()["error"]["param"], format!("messages[0].{fault}"));
        }
        for message in [
            json!({"role": "assistant", "tool_calls": call}),
            json!({"role": "assistant", "content": null, "refusal": "no"}),
            json!({"role": "assistant", "content": "x", "reasoning_content": "y", "tool_calls": call}),
            json!({"role": "assistant", "content": "x", "reasoning": "y", "reasoning_content": "y"}),
            json!({"role": "tool", "content": [{"type": "text", "text": "x"}], "tool_call_id": "c"}),
        ] {
            assert!(read(message.clone()).is_ok(), "{message}");
        }
    }

    #[test]
    fn arguments_that_are_no_object_count_as_none() {
        for (text, expected) in [(r#"{"a": [1]}"#, json!({"a": [1]})), ("[1]", json!({})), ("{", json!({})), ("", json!({}))] {
            assert_eq!(Value::Object(arguments(text)), expected, "{text}");
        }
    }
}
