//! Objects one of whose members decides which others they can have.

use schemars::Schema;
use serde::{Deserialize, Deserializer, de::Error};
use serde_json::{Map, Value, json};

/// What an object can have beside its tag, where that has one of `values`.
pub(crate) struct Variant {
    /// A name, for programs that make types of schemas.
    pub(crate) title: &'static str,
    pub(crate) values: &'static [&'static str],
    /// Those that it has to have.
    pub(crate) required: &'static [&'static str],
    pub(crate) optional: &'static [&'static str],
}

/// From the schema of all that an object can have to one for each of `variants`, told apart by the member `tag`.
pub(crate) fn by_tag(schema: &mut Schema, tag: &str, variants: &[Variant]) {
    let everything = std::mem::take(schema.ensure_object());
    if let Some(description) = everything.get("description") {
        schema.insert("description".to_owned(), description.clone());
    }
    let variants: Vec<_> = variants.iter().map(|variant| variant.of(&everything, tag)).collect();
    schema.insert("oneOf".to_owned(), variants.into());
}

/// Reads an object whose variant `type` names; without one it is that of `default`. What serde derives, which is `read`, would
/// take the number of a variant for its name.
pub(super) fn tagged<'de, D: Deserializer<'de>, T>(
    deserializer: D,
    default: Option<&str>,
    read: fn(Value) -> serde_json::Result<T>,
) -> Result<T, D::Error> {
    let mut members = Map::deserialize(deserializer)?;
    if let Some(default) = default.filter(|_| members.get("type").is_none_or(Value::is_null)) {
        members.insert("type".to_owned(), default.into());
    }
    if members.get("type").is_some_and(|tag| !tag.is_string()) {
        return Err(D::Error::custom("type has to be a string"));
    }
    read(Value::Object(members)).map_err(D::Error::custom)
}

impl Variant {
    fn of(&self, everything: &Map<String, Value>, tag: &str) -> Value {
        let mut object = everything.clone();
        object.shift_remove("description");
        object.insert("title".to_owned(), self.title.into());
        object.insert("required".to_owned(), std::iter::once(&tag).chain(self.required).copied().collect());
        if let Some(Value::Object(members)) = object.get_mut("properties") {
            members.retain(|name, _| name == tag || self.required.iter().chain(self.optional).any(|known| known == name));
            members.insert(tag.to_owned(), json!({"type": "string", "enum": self.values}));
            for name in self.required {
                members.entry(*name).and_modify(never_null);
            }
        }
        Value::Object(object)
    }
}

/// A member that may be absent may be `null`, too; one that has to be there may not.
fn never_null(member: &mut Value) {
    if let Some(Value::Array(types)) = member.get_mut("type") {
        types.retain(|kind| kind != "null");
    }
    if let Some(Value::Array(alternatives)) = member.get_mut("anyOf") {
        alternatives.retain(|alternative| *alternative != json!({"type": "null"}));
    }
}
