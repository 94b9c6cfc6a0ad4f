//! The schemas of all types that come and go over the wire.

use std::collections::BTreeSet;

use schemars::{JsonSchema, Schema, SchemaGenerator, generate::SchemaSettings};
use serde_json::{Map, Value};

use super::tidy;

/// Where the document has its schemas.
const SCHEMAS: &str = "#/components/schemas/";
/// Where those of answers are until it is known which need a name of their own.
const ANSWERS: &str = "#/components/answers/";

/// Collects schemas. A type that both comes and goes has two: what may be absent from a request is `null` in an answer.
pub(super) struct Schemas {
    requests: SchemaGenerator,
    answers: SchemaGenerator,
}

impl Schemas {
    pub(super) fn new() -> Self {
        Self {
            requests: settings(SCHEMAS).for_deserialize().into_generator(),
            answers: settings(ANSWERS).for_serialize().into_generator(),
        }
    }

    /// How `T` is read.
    pub(super) fn request<T: JsonSchema>(&mut self) -> Schema {
        self.requests.subschema_for::<T>()
    }

    /// How `T` is written.
    pub(super) fn answer<T: JsonSchema>(&mut self) -> Schema {
        self.answers.subschema_for::<T>()
    }

    /// How `T` is written, in place.
    pub(super) fn answer_inline<T: JsonSchema>(&mut self) -> Schema {
        T::json_schema(&mut self.answers)
    }

    /// Adds a schema of answers that no type stands for.
    pub(super) fn define_answer(&mut self, name: &str, schema: Schema) -> Schema {
        self.answers.definitions_mut().insert(name.to_owned(), schema.to_value());
        Schema::new_ref(format!("{ANSWERS}{name}"))
    }

    /// Puts the schemas into the document that refers to them.
    pub(super) fn into_document(mut self, mut document: Value) -> Value {
        let mut schemas = self.requests.take_definitions(true);
        let answers = self.answers.take_definitions(true);
        let different = different(&schemas, &answers);
        let name = |name: &str| if different.contains(name) { format!("{name}Output") } else { name.to_owned() };
        schemas.extend(answers.into_iter().map(|(key, schema)| (name(&key), schema)));
        schemas.sort_keys();
        if let Some(components) = document.pointer_mut("/components").and_then(Value::as_object_mut) {
            components.insert("schemas".to_owned(), Value::Object(schemas));
        }
        refer(&mut document, &name);
        document
    }
}

fn settings(definitions: &'static str) -> SchemaSettings {
    SchemaSettings::draft2020_12()
        .with(|settings| {
            settings.definitions_path = definitions.into();
            settings.meta_schema = None;
        })
        .with_transform(tidy::tidy())
}

/// The names of types that are written other than they are read, be it only in what they refer to.
fn different(requests: &Map<String, Value>, answers: &Map<String, Value>) -> BTreeSet<String> {
    let mut different = BTreeSet::new();
    loop {
        let name = |name: &str| if different.contains(name) { format!("{name}Output") } else { name.to_owned() };
        let more: BTreeSet<_> = answers
            .iter()
            .filter(|(key, answer)| {
                let mut answer = (*answer).clone();
                refer(&mut answer, &name);
                requests.get(*key).is_some_and(|request| *request != answer)
            })
            .map(|(key, _)| key.clone())
            .collect();
        if more == different {
            return different;
        }
        different = more;
    }
}

/// Lets references to answers' schemas lead to where these are in the end.
fn refer(value: &mut Value, name: &impl Fn(&str) -> String) {
    match value {
        Value::Object(members) => {
            for (key, member) in members {
                match member {
                    Value::String(target) if key == "$ref" => {
                        if let Some(answer) = target.strip_prefix(ANSWERS) {
                            *target = format!("{SCHEMAS}{}", name(answer));
                        }
                    }
                    member => refer(member, name),
                }
            }
        }
        Value::Array(elements) => elements.iter_mut().for_each(|element| refer(element, name)),
        _ => {}
    }
}
