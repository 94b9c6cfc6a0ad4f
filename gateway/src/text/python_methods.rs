//! Python's methods on values, as chat templates call them; paid for before they run.
//!
//! A template that came with a request has fuel for so much work and memory. The engine charges each method as one
//! instruction, and its result once it is there: without more, `'x'.replace('', y)` could make terabytes of two strings.

use minijinja::{
    Error, ErrorKind, State, Value,
    value::{ValueKind, from_args},
};
use minijinja_contrib::pycompat::unknown_method_callback;

/// Bytes that one unit of fuel pays for, as in the engine.
const BYTES_PER_FUEL: usize = 64;
/// Bytes of one item of a list.
const ITEM_BYTES: usize = 32;

/// As [`unknown_method_callback`], which does the work.
pub(super) fn call(state: &mut State<'_, '_>, value: &Value, method: &str, args: &[Value]) -> Result<Value, Error> {
    if state.fuel_levels().is_some() {
        pay_for_bytes(state, most_bytes(value, method, args)?)?;
    }
    unknown_method_callback(state, value, method, args)
}

/// Takes what reading or making so many bytes costs, where the template has only so much fuel.
pub(super) fn pay_for_bytes(state: &State<'_, '_>, bytes: usize) -> Result<(), Error> {
    state.consume_fuel(u64::try_from(bytes.div_ceil(BYTES_PER_FUEL)).unwrap_or(u64::MAX))
}

/// The most bytes that a call reads or makes.
fn most_bytes(value: &Value, method: &str, args: &[Value]) -> Result<usize, Error> {
    let Some(text) = value.as_str() else {
        return Ok(value.len().unwrap_or_default().saturating_mul(ITEM_BYTES));
    };
    let made = match method {
        "replace" => {
            let (old, new, _): (&str, &str, Option<i32>) = from_args(args)?;
            let replaced = text.len() / old.len().max(1) + 1;
            replaced.saturating_mul(new.len())
        }
        "split" | "splitlines" => text.len().saturating_mul(ITEM_BYTES),
        "join" => joined_bytes(text, args)?,
        "format" => return Err(Error::new(ErrorKind::InvalidOperation, "a template of a request has no str.format: use ~")),
        _ => args.iter().filter_map(Value::as_str).map(str::len).sum(),
    };
    Ok(text.len().saturating_add(made))
}

/// Items have to be texts, as in Python: others could be written at any length.
fn joined_bytes(separator: &str, args: &[Value]) -> Result<usize, Error> {
    let (items,): (&Value,) = from_args(args)?;
    let mut bytes = 0_usize;
    for item in items.try_iter()? {
        let Some(text) = item.as_str() else {
            let kind: ValueKind = item.kind();
            return Err(Error::new(ErrorKind::InvalidOperation, format!("only strings can be joined, not {kind}")));
        };
        bytes = bytes.saturating_add(separator.len()).saturating_add(text.len());
    }
    Ok(bytes)
}
