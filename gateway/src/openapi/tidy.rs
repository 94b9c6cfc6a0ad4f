//! Schemas as people and OpenAPI's tools read them best.

use schemars::{
    Schema,
    transform::{RecursiveTransform, Transform},
};
use serde_json::{Map, Value, json};

/// What is done to each schema, and to those inside.
pub(super) fn tidy() -> impl Transform + Clone + 'static + Send {
    RecursiveTransform(|schema: &mut Schema| {
        let Some(schema) = schema.as_object_mut() else { return };
        describe_in_one_line(schema);
        name_formats(schema);
        merge_null(schema);
        enumerate(schema);
    })
}

/// Comments are broken where lines of code end.
fn describe_in_one_line(schema: &mut Map<String, Value>) {
    if let Some(Value::String(description)) = schema.get_mut("description") {
        *description = description.split("\n\n").map(|paragraph| paragraph.replace('\n', " ")).collect::<Vec<_>>().join("\n\n");
    }
}

/// Rust's integers by the names of OpenAPI's format registry.
fn name_formats(schema: &mut Map<String, Value>) {
    match schema.get("format").and_then(Value::as_str) {
        Some("uint") => schema.insert("format".to_owned(), json!("uint64")),
        Some("uint32") => schema.entry("maximum").or_insert(json!(u32::MAX)).as_u64().and(None),
        _ => None,
    };
}

/// `null` is one of several alternatives rather than an alternative to them all.
fn merge_null(schema: &mut Map<String, Value>) {
    let Some(Value::Array(alternatives)) = schema.get_mut("anyOf") else { return };
    if let [Value::Object(nested), null] = alternatives.as_mut_slice()
        && nested.len() == 1
        && let Some(Value::Array(several)) = nested.get_mut("anyOf")
    {
        several.push(null.take());
        *alternatives = std::mem::take(several);
    }
}

/// Constants with a description each become an enumeration whose description has all of them.
fn enumerate(schema: &mut Map<String, Value>) {
    let Some(Value::Array(constants)) = schema.get("oneOf") else { return };
    let described: Option<Vec<_>> = constants.iter().map(described_constant).collect();
    let Some(described) = described else { return };
    let values: Vec<_> = described.iter().map(|(value, _)| (*value).clone()).collect();
    let list: String = described
        .iter()
        .map(|(value, description)| format!("\n* `{}`: {description}", value.as_str().unwrap_or_default()))
        .collect();
    let description = schema.get("description").and_then(Value::as_str).unwrap_or_default();
    let description = format!("{description}\n{list}");
    schema.shift_remove("oneOf");
    schema.insert("description".to_owned(), description.into());
    schema.insert("type".to_owned(), "string".into());
    schema.insert("enum".to_owned(), values.into());
}

fn described_constant(schema: &Value) -> Option<(&Value, &str)> {
    let constant = schema.get("const").filter(|value| value.is_string())?;
    let only = schema.as_object()?.keys().all(|keyword| matches!(keyword.as_str(), "const" | "description" | "type"));
    only.then_some((constant, schema.get("description")?.as_str()?))
}
