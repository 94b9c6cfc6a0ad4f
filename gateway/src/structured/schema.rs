//! How much work a JSON schema makes.

use serde_json::{Map, Value};

use super::{Place, regex};
use crate::{json_bounds::JsonBounds, openai::error::ApiError};

/// Keywords whose members are counted as properties.
const PROPERTIES: [&str; 2] = ["properties", "patternProperties"];
/// Keywords whose elements are counted as alternatives; `type` can be a list too.
const ALTERNATIVES: [&str; 5] = ["anyOf", "oneOf", "allOf", "prefixItems", "type"];
/// Keywords that repeat something.
const BOUNDS: [&str; 6] = ["minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties"];
/// Keywords that become an automaton each, however small.
const PATTERNS: [&str; 7] = ["pattern", "format", "minLength", "maxLength", "minimum", "maximum", "patternProperties"];

/// A schema's member through which the engine would take options of its own, with another regular expression among them.
const BACKEND_OPTIONS: &str = "x-guidance";

/// Parses a schema that came as text.
pub(super) fn parse(text: &str, place: &Place<'_>) -> Result<Value, ApiError> {
    place.within("schema_bytes", text.len(), place.limits.schema_bytes)?;
    let schema = serde_json::from_str(text).map_err(|error| place.invalid(&format!("is not JSON: {error}")))?;
    JsonBounds::new().check(text.as_bytes()).map_err(|_| place.invalid("has a name twice in an object, or too many values"))?;
    Ok(schema)
}

/// Refuses a schema that is not an object, refers to what it does not hold, or is beyond a limit.
///
/// Each object is read as a schema, wherever it stands: a `$ref` can make a schema out of what looks like mere data. Reading a
/// value or a list of names as a schema too counts a little more than there is, and never less.
pub(super) fn check(schema: &Value, place: &Place<'_>) -> Result<(), ApiError> {
    if !schema.is_object() {
        return Err(place.invalid("has to be a JSON Schema object"));
    }
    if schema.get(BACKEND_OPTIONS).is_some() {
        return Err(place.invalid(&format!("has a member {BACKEND_OPTIONS}, which is not supported")));
    }
    let mut found = Found::default();
    let mut open = vec![(schema, 1)];
    // A list of what is left rather than recursion: nesting cannot exhaust the stack.
    while let Some((value, depth)) = open.pop() {
        if depth > place.limits.schema_depth && (value.is_object() || value.is_array()) {
            return place.within("schema_depth", depth, place.limits.schema_depth);
        }
        match value {
            Value::Object(members) => {
                found.read(schema, members, place)?;
                open.extend(members.values().map(|member| (member, depth + 1)));
            }
            Value::Array(elements) => open.extend(elements.iter().map(|element| (element, depth + 1))),
            _ => {}
        }
    }
    found.check(place)?;
    place.within("schema_bytes", schema.to_string().len(), place.limits.schema_bytes)
}

/// What a schema has in all.
#[derive(Default)]
struct Found {
    properties: usize,
    alternatives: usize,
    references: usize,
    choices: usize,
    choice_bytes: usize,
    patterns: usize,
    regex_bytes: usize,
    regex_size: usize,
}

impl Found {
    fn check(&self, place: &Place<'_>) -> Result<(), ApiError> {
        let limits = place.limits;
        place.within("schema_properties", self.properties, limits.schema_properties)?;
        place.within("schema_alternatives", self.alternatives, limits.schema_alternatives)?;
        place.within("schema_references", self.references, limits.schema_references)?;
        place.within("choices", self.choices, limits.choices)?;
        place.within("choice_bytes", self.choice_bytes, limits.choice_bytes)?;
        place.within("schema_patterns", self.patterns, limits.schema_patterns)?;
        place.within("regex_size", self.regex_size, limits.regex_size)
    }

    fn read(&mut self, root: &Value, schema: &Map<String, Value>, place: &Place<'_>) -> Result<(), ApiError> {
        self.read_properties(schema);
        self.read_regexes(schema, place)?;
        self.read_choices(schema);
        self.alternatives += ALTERNATIVES.iter().map(|keyword| elements(schema, keyword)).sum::<usize>();
        self.patterns += usize::from(PATTERNS.iter().any(|keyword| schema.get(*keyword).is_some_and(|value| !value.is_object())));
        if let Some(Value::String(target)) = schema.get("$ref") {
            self.references += 1;
            check_reference(root, target, place)?;
        }
        BOUNDS.iter().try_for_each(|keyword| check_bound(schema, keyword, place))
    }

    fn read_properties(&mut self, schema: &Map<String, Value>) {
        let named = PROPERTIES.iter().filter_map(|keyword| schema.get(*keyword)?.as_object());
        self.properties += named.map(Map::len).sum::<usize>();
    }

    fn read_regexes(&mut self, schema: &Map<String, Value>, place: &Place<'_>) -> Result<(), ApiError> {
        let names = schema.get("patternProperties").and_then(Value::as_object).into_iter().flat_map(Map::keys);
        for pattern in names.map(String::as_str).chain(schema.get("pattern").and_then(Value::as_str)) {
            self.regex_bytes += pattern.len();
            place.within("regex_bytes", self.regex_bytes, place.limits.regex_bytes)?;
            self.regex_size = self.regex_size.saturating_add(regex::size_of_pattern(pattern, place)?);
        }
        Ok(())
    }

    fn read_choices(&mut self, schema: &Map<String, Value>) {
        let listed = schema.get("enum").and_then(Value::as_array).into_iter().flatten();
        for value in listed.chain(schema.get("const")) {
            self.choices += 1;
            self.choice_bytes += value.as_str().map_or_else(|| value.to_string().len(), str::len);
        }
    }
}

fn elements(schema: &Map<String, Value>, keyword: &str) -> usize {
    schema.get(keyword).and_then(Value::as_array).map_or(0, Vec::len)
}

/// A number that is not a whole one of 0 or more is the engine's to refuse, unless it is large.
fn check_bound(schema: &Map<String, Value>, keyword: &str, place: &Place<'_>) -> Result<(), ApiError> {
    let Some(Value::Number(bound)) = schema.get(keyword) else { return Ok(()) };
    let most = place.limits.repetitions;
    let too_large = match bound.as_u64() {
        Some(bound) => usize::try_from(bound).map_or(true, |bound| bound > most),
        None => bound.as_f64().is_none_or(|bound| bound > most as f64),
    };
    if !too_large {
        return Ok(());
    }
    let reason = format!("is too large: this server's limit repetitions is {most}, and this has {keyword} {bound}");
    Err(place.invalid(&reason))
}

/// References lead to an object of the same schema. The engine reads pointers without RFC 6901's and URIs' escapes, so that
/// these would mean different things here and there.
fn check_reference(root: &Value, target: &str, place: &Place<'_>) -> Result<(), ApiError> {
    let quoted = || target.chars().take(100).collect::<String>();
    let Some(pointer) = target.strip_prefix('#') else {
        return Err(place.invalid(&format!("has a $ref {:?}, which is not within the schema: start it with #", quoted())));
    };
    if pointer.contains(['~', '%']) {
        return Err(place.invalid(&format!("has a $ref {:?}: names with ~ or % cannot be referred to", quoted())));
    }
    if !root.pointer(pointer).is_some_and(|target| target.is_object() || target.is_boolean()) {
        return Err(place.invalid(&format!("has a $ref {:?}, but no schema there", quoted())));
    }
    Ok(())
}
