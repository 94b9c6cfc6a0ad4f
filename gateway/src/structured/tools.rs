//! The form of an answer that has to call tools, as vLLM has it (`vllm.tool_parsers.utils.get_json_schema_from_tools`).

use blindllama_engine::Constraint;
use serde_json::{Map, Value, json};

use super::Place;
use crate::{config::StructuredLimits, openai::error::ApiError};

/// The members of a schema that hold others by name. References count from the root, so they move there.
const DEFINITIONS: [&str; 2] = ["$defs", "definitions"];

/// A JSON array of calls, `[{"name": …, "parameters": {…}}]`, to `tools` (names and parameters' schemas): at least one, and
/// at most one unless `parallel`.
///
/// # Errors
/// 400 if two tools define the same name differently, or beyond one of the limits, which hold
/// for all tools together.
pub(crate) fn required_tools(
    tools: &[(&str, Option<&Map<String, Value>>)],
    parallel: bool,
    limits: &StructuredLimits,
) -> Result<Constraint, ApiError> {
    let mut definitions = Map::new();
    let mut calls = Vec::new();
    for (index, (name, parameters)) in tools.iter().enumerate() {
        let param = format!("tools[{index}].function.parameters");
        let place = Place { param: &param, limits };
        let mut parameters = arguments(*parameters);
        hoist_definitions(&mut parameters, &mut definitions, &place)?;
        calls.push(json!({
            "properties": {"name": {"type": "string", "enum": [name]}, "parameters": parameters},
            "required": ["name", "parameters"],
        }));
    }
    let mut schema = json!({"type": "array", "minItems": 1, "items": {"type": "object", "anyOf": calls}});
    if let Some(members) = schema.as_object_mut() {
        if !parallel {
            members.insert("maxItems".to_owned(), json!(1));
        }
        members.append(&mut definitions);
    }
    super::json(&schema, &Place { param: "tools", limits })
}

/// The arguments of one tool that has to be called: an object of its `parameters`.
///
/// # Errors
/// 400 if the schema is beyond one of the limits.
pub(crate) fn named_tool(parameters: Option<&Map<String, Value>>, limits: &StructuredLimits) -> Result<Constraint, ApiError> {
    let place = Place { param: "tools", limits };
    super::json(&arguments(parameters), &place)
}

/// Tools without parameters still get an object.
fn arguments(parameters: Option<&Map<String, Value>>) -> Value {
    match parameters.filter(|members| !members.is_empty()) {
        None => json!({"type": "object", "properties": {}}),
        Some(members) => Value::Object(members.clone()),
    }
}

fn hoist_definitions(parameters: &mut Value, all: &mut Map<String, Value>, place: &Place<'_>) -> Result<(), ApiError> {
    for keyword in DEFINITIONS {
        let found = parameters.as_object_mut().and_then(|members| members.shift_remove(keyword));
        let found = match found {
            None => continue,
            Some(Value::Object(found)) => found,
            Some(_) => return Err(place.invalid(&format!("has a {keyword} that is not an object"))),
        };
        let Some(known) = all.entry(keyword).or_insert_with(|| json!({})).as_object_mut() else { continue };
        for (name, definition) in found {
            if known.get(&name).is_some_and(|other| *other != definition) {
                let reason = format!("defines {name:?} in {keyword} other than another tool does: rename one of them");
                return Err(place.invalid(&reason));
            }
            known.insert(name, definition);
        }
    }
    Ok(())
}
