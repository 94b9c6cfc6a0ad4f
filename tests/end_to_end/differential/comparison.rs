//! Two documents, compared field by field.

use serde_json::Value;

/// How far probabilities, in natural logarithms, and parts of vectors may be apart: float32 sums in another order.
const TOLERANCE: f64 = 1e-3;
/// Members below which numbers are such.
const APPROXIMATE: [&str; 4] = ["logprob", "token_logprobs", "top_logprobs", "embedding"];

/// A field that differs; `None` where it is missing.
pub struct Difference {
    /// Members and indexes on the way to it, with dots between them.
    pub path: String,
    /// The gateway's value.
    pub ours: Option<Value>,
    /// vLLM's.
    pub theirs: Option<Value>,
}

/// All fields that differ. Where one server refuses what the other does not, that is the difference.
pub fn differences(ours: &Value, theirs: &Value) -> Vec<Difference> {
    let mut found = Vec::new();
    let (our_status, their_status) = (ours.get("status"), theirs.get("status"));
    if our_status == their_status {
        compare("", Some(ours), Some(theirs), &mut found);
    } else {
        compare("status", our_status, their_status, &mut found);
    }
    found
}

fn compare(path: &str, ours: Option<&Value>, theirs: Option<&Value>, found: &mut Vec<Difference>) {
    let below = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    match (ours, theirs) {
        (Some(Value::Object(ours)), Some(Value::Object(theirs))) => {
            let more = theirs.keys().filter(|name| !ours.contains_key(*name));
            for name in ours.keys().chain(more) {
                compare(&below(name), ours.get(name), theirs.get(name), found);
            }
        }
        (Some(Value::Array(ours)), Some(Value::Array(theirs))) => {
            for index in 0..ours.len().max(theirs.len()) {
                compare(&below(&index.to_string()), ours.get(index), theirs.get(index), found);
            }
        }
        (Some(ours), Some(theirs)) if ours == theirs || are_close(path, ours, theirs) => {}
        _ => found.push(Difference { path: path.to_owned(), ours: ours.cloned(), theirs: theirs.cloned() }),
    }
}

fn are_close(path: &str, ours: &Value, theirs: &Value) -> bool {
    let (Some(ours), Some(theirs)) = (ours.as_f64(), theirs.as_f64()) else { return false };
    let approximate = path.split('.').any(|name| APPROXIMATE.contains(&name));
    ours == theirs || approximate && (ours - theirs).abs() <= TOLERANCE
}
