//! Canonical JSON (RFC 8785): one text for one value, so that it can be hashed.

use serde::Serialize;
use serde_json::Value;

/// Integers beyond this are not all distinct as the doubles that RFC 8785 writes (its section 3.1, after RFC 7493).
const LARGEST_EXACT_INTEGER: u64 = 1 << 53;

/// The value has no canonical form.
#[derive(Debug, thiserror::Error)]
pub enum NotCanonical {
    /// It is no JSON: NaN, or a map key that is no string.
    #[error("the value has no canonical JSON form: {0}")]
    NoJson(#[from] serde_json::Error),
    /// An integer would be rounded, and so stand for its neighbours too.
    #[error("{0} has no canonical JSON form: integers beyond 2^53 are not exact")]
    Inexact(serde_json::Number),
}

/// Writes `value` as canonical JSON.
///
/// # Errors
/// [`NotCanonical`] if the value cannot be written in that form.
pub fn to_canonical_json<T: Serialize>(value: &T) -> Result<Vec<u8>, NotCanonical> {
    let value = serde_json::to_value(value)?;
    refuse_inexact(&value)?;
    Ok(serde_json_canonicalizer::to_vec(&value)?)
}

/// The canonicaliser itself would round silently.
fn refuse_inexact(value: &Value) -> Result<(), NotCanonical> {
    match value {
        Value::Number(number)
            if number.as_u64().or_else(|| number.as_i64().map(i64::unsigned_abs)) > Some(LARGEST_EXACT_INTEGER) =>
        {
            Err(NotCanonical::Inexact(number.clone()))
        }
        Value::Array(values) => values.iter().try_for_each(refuse_inexact),
        Value::Object(values) => values.values().try_for_each(refuse_inexact),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn keys_are_sorted_and_nothing_is_rounded() {
        let exact = json!({"b": [9_007_199_254_740_992_u64, -1], "a": 0.5});
        assert_eq!(to_canonical_json(&exact).unwrap(), br#"{"a":0.5,"b":[9007199254740992,-1]}"#);
        for inexact in [json!([{"x": 9_007_199_254_740_993_u64}]), json!(-9_007_199_254_740_993_i64), json!(u64::MAX)] {
            assert!(matches!(to_canonical_json(&inexact), Err(NotCanonical::Inexact(_))), "{inexact}");
        }
    }
}
