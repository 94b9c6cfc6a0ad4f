//! What differs by nature, replaced by its kind: ids, times, and words for people.

use serde_json::{Map, Value};

/// Shapes the values of one answer. The same id has the same shape wherever it stands.
#[derive(Default)]
pub struct Shapes {
    /// Random parts, in the order in which they came.
    ids: Vec<String>,
}

/// Members whose values are Unix times.
const TIMES: [&str; 3] = ["created", "created_at", "completed_at"];
/// Random parts of ids have at least as many hexadecimal digits.
const RANDOM_DIGITS: usize = 8;

impl Shapes {
    /// `value` with ids, times and messages replaced.
    pub fn shape(&mut self, value: &Value) -> Value {
        match value {
            Value::Object(members) => {
                Value::Object(members.iter().map(|(name, value)| (name.clone(), self.member(name, value, members))).collect())
            }
            Value::Array(items) => items.iter().map(|item| self.shape(item)).collect(),
            value => value.clone(),
        }
    }

    fn member(&mut self, name: &str, value: &Value, among: &Map<String, Value>) -> Value {
        match value {
            Value::Number(number) if TIMES.contains(&name) && number.as_f64().is_some_and(|time| time > 1.6e9) => "<time>".into(),
            // An error's message is for people.
            Value::String(text) if name == "message" && among.contains_key("code") && !text.is_empty() => "<message>".into(),
            Value::String(path) if name == "param" && among.contains_key("code") => parameter(path).into(),
            Value::String(id) if name == "id" || name.ends_with("_id") => self.id(id).into(),
            Value::Array(top) if name == "top_logprobs" && among.contains_key("token") => others(top, &among["token"]),
            Value::String(text) if name == "system_fingerprint" && !text.is_empty() => "<fingerprint>".into(),
            value => self.shape(value),
        }
    }

    /// The id's prefix, and which of the answer's ids it is.
    fn id(&mut self, id: &str) -> String {
        let Some((prefix, random)) = id.rsplit_once(['-', '_']) else { return id.to_owned() };
        if random.len() < RANDOM_DIGITS || !random.chars().all(|digit| digit.is_ascii_hexdigit()) {
            return id.to_owned();
        }
        let number = self.ids.iter().position(|known| known == random).unwrap_or_else(|| {
            self.ids.push(random.to_owned());
            self.ids.len() - 1
        });
        format!("{prefix} <id {number}>")
    }
}

/// The likeliest tokens but the `chosen` one. Where that is not among them, vLLM counts it in, and leaves the least likely out.
fn others(top: &[Value], chosen: &Value) -> Value {
    let others = top.iter().filter(|token| token["token"] != *chosen);
    others.take(top.len().saturating_sub(1)).cloned().collect()
}

/// The path of a parameter as the gateway writes it: vLLM begins with the body, and has dots before indexes.
fn parameter(path: &str) -> String {
    let path = path.strip_prefix("body.").unwrap_or(path);
    let is_index = |name: &str| name.chars().all(|digit| digit.is_ascii_digit());
    let names = path.split('.').enumerate().map(|(depth, name)| match depth {
        0 => name.to_owned(),
        _ if is_index(name) => format!("[{name}]"),
        _ => format!(".{name}"),
    });
    names.collect()
}
