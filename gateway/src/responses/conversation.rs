//! From the items of a response's input to the turns of a conversation.

use super::sealed_reasoning::ReasoningSeal;
use crate::{
    openai::{
        chat_message::Role,
        error::ApiError,
        response_input::{Input, InputCall, InputContent, InputItem, InputMessage, InputPart, InputReasoning},
        turns::arguments,
    },
    text::{CalledFunction, CalledTool, Speaker, Turn},
};

/// Reads `input`, with `instructions` as a system message before it. What the model thought, said and called in one go is one
/// turn, as with vLLM, however many items tell of it.
///
/// # Errors
/// 400 with the path of what cannot be read.
pub(super) fn turns(instructions: Option<&str>, input: Input, seal: &ReasoningSeal) -> Result<Vec<Turn>, ApiError> {
    let items = match input {
        Input::Text(text) => return Ok(system(instructions).chain([said(Speaker::User, vec![text])]).collect()),
        Input::Items(items) => items,
    };
    if items.is_empty() {
        return Err(ApiError::invalid("input must have at least one item.").param("input"));
    }
    let mut turns: Vec<_> = system(instructions).collect();
    for (index, item) in items.into_iter().enumerate() {
        add(&mut turns, item, seal).map_err(|fault| {
            let path = format!("input[{index}].{}", fault.name);
            ApiError::invalid(format!("{path} {}", fault.reason)).param(path)
        })?;
    }
    Ok(turns)
}

/// What is wrong with an item.
struct Fault {
    /// The member.
    name: &'static str,
    reason: &'static str,
}

fn system(instructions: Option<&str>) -> impl Iterator<Item = Turn> {
    let instructions = instructions.filter(|text| !text.is_empty());
    instructions.map(|text| said(Speaker::System, vec![text.to_owned()])).into_iter()
}

fn add(turns: &mut Vec<Turn>, item: InputItem, seal: &ReasoningSeal) -> Result<(), Fault> {
    match item {
        InputItem::Message(message) => message_turn(turns, message)?,
        InputItem::FunctionCall(call) => call_turn(turns, call),
        InputItem::FunctionCallOutput(output) => {
            turns.push(said(Speaker::Tool { tool_call_id: output.call_id }, texts(output.output)));
        }
        InputItem::Reasoning(reasoning) => turns.push(thought(reasoning, seal)?),
    }
    Ok(())
}

fn message_turn(turns: &mut Vec<Turn>, message: InputMessage) -> Result<(), Fault> {
    let content = texts(message.content);
    let speaker = match message.role {
        Role::System => Speaker::System,
        Role::Developer => Speaker::Developer,
        Role::User => Speaker::User,
        Role::Tool => {
            return Err(Fault { name: "role", reason: "cannot be tool: use an item of the type function_call_output." });
        }
        Role::Assistant => {
            let Some(Turn { speaker: Speaker::Assistant { tool_calls, .. }, content: silent @ None, .. }) = turns.last_mut()
            else {
                turns.push(said(assistant(), content));
                return Ok(());
            };
            if tool_calls.is_empty() {
                *silent = Some(content);
            } else {
                turns.push(said(assistant(), content));
            }
            return Ok(());
        }
    };
    turns.push(said(speaker, content));
    Ok(())
}

fn call_turn(turns: &mut Vec<Turn>, call: InputCall) {
    let function = CalledFunction { name: call.name, arguments: arguments(&call.arguments) };
    let call = CalledTool { id: call.call_id, r#type: "function", function };
    match turns.last_mut() {
        Some(Turn { speaker: Speaker::Assistant { tool_calls, .. }, .. }) => tool_calls.push(call),
        _ => turns.push(Turn {
            speaker: Speaker::Assistant { reasoning: None, tool_calls: vec![call] },
            content: None,
            name: None,
        }),
    }
}

/// A turn of its own: what comes next belongs to it. Sealed thoughts count where they are not told in the clear.
fn thought(reasoning: InputReasoning, seal: &ReasoningSeal) -> Result<Turn, Fault> {
    let InputReasoning { content, summary, encrypted_content, .. } = reasoning;
    let text = match (content.filter(|parts| !parts.is_empty()), encrypted_content) {
        (None, Some(sealed)) => seal.open(&sealed).ok_or(Fault {
            name: "encrypted_content",
            reason: "cannot be read: it is not what this server made since its start. Leave the item out.",
        })?,
        (content, _) => {
            let parts = content.or(summary).unwrap_or_default();
            parts.into_iter().map(InputPart::into_text).collect::<Vec<_>>().join("\n")
        }
    };
    let reasoning = Some(text).filter(|text| !text.is_empty());
    Ok(Turn { speaker: Speaker::Assistant { reasoning, tool_calls: Vec::new() }, content: None, name: None })
}

fn texts(content: InputContent) -> Vec<String> {
    match content {
        InputContent::Text(text) => vec![text],
        InputContent::Parts(parts) => parts.into_iter().map(InputPart::into_text).collect(),
    }
}

const fn assistant() -> Speaker {
    Speaker::Assistant { reasoning: None, tool_calls: Vec::new() }
}

const fn said(speaker: Speaker, content: Vec<String>) -> Turn {
    Turn { speaker, content: Some(content), name: None }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn read(input: Value) -> Result<Vec<Turn>, ApiError> {
        turns(Some("be brief"), serde_json::from_value(input).unwrap(), &ReasoningSeal::generate().unwrap())
    }

    /// Role, text, thoughts and names of called functions of each turn.
    fn told(input: Value) -> Value {
        let turns = read(input).unwrap();
        let told = turns.iter().map(|turn| match &turn.speaker {
            Speaker::Assistant { reasoning, tool_calls } => {
                let calls: Vec<_> = tool_calls.iter().map(|call| call.function.name.as_str()).collect();
                json!(["assistant", turn.text(), reasoning, calls])
            }
            speaker => json!([speaker.role(), turn.text()]),
        });
        told.collect()
    }

    #[test]
    fn a_text_is_what_the_user_says() {
        assert_eq!(told(json!("hi")), json!([["system", "be brief"], ["user", "hi"]]));
    }

    #[test]
    fn items_of_one_answer_are_one_turn() {
        let call = |name: &str| json!({"type": "function_call", "call_id": name, "name": name, "arguments": "{}", "status": "completed"});
        let thought =
            json!({"type": "reasoning", "id": "rs_1", "summary": [], "content": [{"type": "reasoning_text", "text": "hm"}]});
        let part = json!({"type": "output_text", "text": "yes", "annotations": [], "logprobs": []});
        let message = json!({"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": [part]});
        let output = json!({"type": "function_call_output", "call_id": "f", "output": [{"type": "input_text", "text": "42"}]});
        let input = json!([
            {"role": "user", "content": [{"type": "input_text", "text": "a"}, {"type": "input_text", "text": "b"}]},
            thought, message, call("f"), call("g"), output, call("h"), message, thought, {"role": "assistant", "content": "no"},
        ]);
        assert_eq!(
            told(input),
            json!([
                ["system", "be brief"],
                ["user", "a\nb"],
                ["assistant", "yes", "hm", ["f", "g"]],
                ["tool", "42"],
                ["assistant", "", null, ["h"]],
                ["assistant", "yes", null, []],
                ["assistant", "no", "hm", []],
            ])
        );
    }

    #[test]
    fn sealed_thoughts_count_where_none_are_in_the_clear() {
        let seal = ReasoningSeal::generate().unwrap();
        let sealed = seal.seal("hm").unwrap();
        for (more, thoughts) in [
            (json!({"encrypted_content": sealed}), "hm"),
            (json!({"encrypted_content": sealed, "content": [], "summary": []}), "hm"),
            (json!({"encrypted_content": "of another launch", "content": [{"type": "reasoning_text", "text": "so"}]}), "so"),
        ] {
            let mut item = json!({"type": "reasoning"});
            item.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap());
            let read = turns(None, serde_json::from_value(json!([item])).unwrap(), &seal).unwrap();
            let Some(Turn { speaker: Speaker::Assistant { reasoning, .. }, .. }) = read.first() else { panic!("{item}") };
            assert_eq!(reasoning.as_deref(), Some(thoughts), "{item}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        for (input, param) in [
            (json!([]), "input"),
            (json!([{"role": "tool", "content": "x"}]), "input[0].role"),
            (
                json!([{"role": "user", "content": "x"}, {"type": "reasoning", "encrypted_content": "x"}]),
                "input[1].encrypted_content",
            ),
        ] {
            let Err(error) = read(input) else { panic!("{param} was accepted") };
            assert_eq!(serde_json::to_value(error.body()).unwrap()["error"]["param"], param);
        }
        for unknown in [
            json!([{"type": "item_reference", "id": "x"}]),
            json!([{"role": "user", "content": [{"type": "input_image", "image_url": "x"}]}]),
            json!([{"type": "function_call", "name": "f", "arguments": ""}]),
        ] {
            assert!(serde_json::from_value::<Input>(unknown.clone()).is_err(), "{unknown}");
        }
    }
}
