//! How much JSON a request may hold.
//!
//! A value takes up to 130 times the memory of its text once it is parsed and kept (`[0],`), and what is unknown is kept to
//! be named. So values are counted, in one pass that keeps none of them, before anything is made of a text. At worst these
//! bounds are 110 MB for each form that a request is in.

use std::{borrow::Cow, collections::HashSet, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{DeserializeSeed, MapAccess, SeqAccess, Visitor},
};

use crate::openai::error::ApiError;

/// The most values of any kind; a request for embeddings may have 300,000 token ids.
const MOST_VALUES: usize = 400_000;
/// The most objects and arrays among them, which take more.
const MOST_CONTAINERS: usize = 50_000;
/// The longest name, in characters, that an error repeats.
const MOST_REPEATED: usize = 64;

/// How many values may still come.
pub(crate) struct JsonBounds {
    values: usize,
    containers: usize,
    fault: Option<Fault>,
}

/// Why a text is refused that is JSON.
enum Fault {
    Values,
    Containers,
    /// A name that one object has twice: of two readers one could take the first value, and the other the last.
    Twice(String),
}

impl JsonBounds {
    /// For one request.
    pub(crate) const fn new() -> Self {
        Self { values: MOST_VALUES, containers: MOST_CONTAINERS, fault: None }
    }

    /// Counts the values of `text`.
    ///
    /// # Errors
    /// 400 if there are too many with those of the texts before, if an object has a name twice, or if `text` is not JSON.
    pub(crate) fn check(&mut self, text: &[u8]) -> Result<(), ApiError> {
        let mut deserializer = serde_json::Deserializer::from_slice(text);
        let checked = self.counted(Kind::Value).deserialize(&mut deserializer).and_then(|()| deserializer.end());
        checked.map_err(|error| match self.fault.take() {
            None => ApiError::invalid(format!("The request body is not valid JSON: {error}")),
            Some(fault) => fault.into(),
        })
    }

    const fn counted(&mut self, kind: Kind) -> Counted<'_> {
        Counted { bounds: self, kind }
    }

    fn count<E: serde::de::Error>(&mut self, is_container: bool) -> Result<(), E> {
        let left = if is_container { &mut self.containers } else { &mut self.values };
        match left.checked_sub(1) {
            Some(less) => *left = less,
            None => return Err(self.refuse(if is_container { Fault::Containers } else { Fault::Values })),
        }
        Ok(())
    }

    fn refuse<E: serde::de::Error>(&mut self, fault: Fault) -> E {
        self.fault = Some(fault);
        E::custom("beyond bounds")
    }
}

impl From<Fault> for ApiError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Values => Self::invalid(format!("The request has more than {MOST_VALUES} JSON values.")),
            Fault::Containers => Self::invalid(format!("The request has more than {MOST_CONTAINERS} JSON objects and arrays.")),
            Fault::Twice(name) => Self::invalid(format!("An object of the request has `{name}` twice.")).param(name),
        }
    }
}

/// What a value is a part of.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Value,
    /// The arguments of a tool's call, which are JSON in a text: templates read them as a value, and so they count as one.
    Arguments,
    /// Of such arguments. A model wrote them, so they may be wrong.
    OfArguments,
}

/// The member that holds arguments, in chat completions and responses.
const ARGUMENTS: &str = "arguments";

/// Takes a value and forgets it.
struct Counted<'a> {
    bounds: &'a mut JsonBounds,
    kind: Kind,
}

impl<'de> DeserializeSeed<'de> for Counted<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        self.bounds.count(false)?;
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Counted<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<(), E> {
        if self.kind == Kind::Arguments {
            let counted = self.bounds.counted(Kind::OfArguments).deserialize(&mut serde_json::Deserializer::from_str(text));
            if counted.is_err() && self.bounds.fault.is_some() {
                return Err(E::custom("beyond bounds"));
            }
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        self.bounds.count(true)?;
        let kind = self.kind.inside();
        while list.next_element_seed(self.bounds.counted(kind))?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        self.bounds.count(true)?;
        let kind = self.kind.inside();
        let mut names = HashSet::new();
        while let Some(Name(name)) = members.next_key()? {
            let kind = if kind == Kind::Value && name == ARGUMENTS { Kind::Arguments } else { kind };
            if kind != Kind::OfArguments {
                if names.contains(&name) {
                    return Err(self.bounds.refuse(Fault::Twice(name.chars().take(MOST_REPEATED).collect())));
                }
                names.insert(name);
            }
            members.next_value_seed(self.bounds.counted(kind))?;
        }
        Ok(())
    }
}

impl Kind {
    /// What members and elements are a part of.
    const fn inside(self) -> Self {
        match self {
            Self::OfArguments => Self::OfArguments,
            Self::Value | Self::Arguments => Self::Value,
        }
    }
}

/// A member's name, borrowed unless it has escapes.
struct Name<'a>(Cow<'a, str>);

impl<'de> Deserialize<'de> for Name<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NameVisitor;

        impl<'de> Visitor<'de> for NameVisitor {
            type Value = Name<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a name")
            }

            fn visit_borrowed_str<E>(self, name: &'de str) -> Result<Name<'de>, E> {
                Ok(Name(Cow::Borrowed(name)))
            }

            fn visit_str<E>(self, name: &str) -> Result<Name<'de>, E> {
                Ok(Name(Cow::Owned(name.to_owned())))
            }
        }

        deserializer.deserialize_str(NameVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(text: &str) -> Option<serde_json::Value> {
        let error = JsonBounds::new().check(text.as_bytes()).err()?;
        Some(serde_json::to_value(error.body()).unwrap()["error"].clone())
    }

    /// A list of `count` times `item`.
    fn list(item: &str, count: usize) -> String {
        format!("[{}]", vec![item; count].join(","))
    }

    #[test]
    fn there_is_a_bound_on_values_and_on_objects_and_arrays() {
        assert_eq!(refusal(&list("0", MOST_VALUES - 1)), None);
        assert!(refusal(&list("0", MOST_VALUES)).unwrap()["message"].as_str().unwrap().contains("400000 JSON values"));
        for container in ["[]", "{}"] {
            assert_eq!(refusal(&list(container, MOST_CONTAINERS - 1)), None);
            let error = refusal(&list(container, MOST_CONTAINERS)).unwrap();
            assert!(error["message"].as_str().unwrap().contains("50000 JSON objects"), "{error}");
        }
    }

    #[test]
    fn all_texts_of_a_request_share_the_bound() {
        let mut bounds = JsonBounds::new();
        let half = list("{}", MOST_CONTAINERS / 2 - 1);
        for _ in 0..2 {
            bounds.check(half.as_bytes()).unwrap();
        }
        assert!(bounds.check(b"[]").is_err());
    }

    #[test]
    fn arguments_count_as_what_they_hold_and_may_be_wrong() {
        let call = |arguments: &str| serde_json::json!({"tool_calls": [{"arguments": arguments}]}).to_string();
        for fine in ["", "{", "{\"a\": 1, \"a\": 1}", &list("{}", MOST_CONTAINERS / 2)] {
            assert_eq!(refusal(&call(fine)), None, "{fine}");
        }
        let twice = format!("{{\"a\": 1, \"a\": {}}}", list("{}", MOST_CONTAINERS));
        for large in [list("[]", MOST_CONTAINERS), list("0", MOST_VALUES), twice, list("{}", MOST_CONTAINERS) + "nonsense"] {
            assert!(refusal(&call(&large)).is_some());
        }
        assert_eq!(refusal(&serde_json::json!({"text": list("[]", MOST_CONTAINERS)}).to_string()), None);
    }

    #[test]
    fn a_name_stands_once_in_an_object_at_any_depth_and_however_it_is_written() {
        for (text, name) in [
            (r#"{"a": 1, "b": 2, "a": 1}"#, "a"),
            (r#"{"a": [{"b": {"c": 1, "d": 2, "c": 3}}]}"#, "c"),
            (r#"{"temperature": 1, "temper\u0061ture": 2}"#, "temperature"),
            (r#"{"": 1, "": 2}"#, ""),
        ] {
            assert_eq!(refusal(text).unwrap()["param"], name, "{text}");
        }
        assert_eq!(refusal(r#"{"a": {"a": [{"a": 1}, {"a": 1}]}, "A": 1}"#), None);
    }

    #[test]
    fn what_is_not_json_is_told_so() {
        for text in ["", "{", "[1,]", "nonsense", "{} {}", &"[".repeat(100_000)] {
            assert!(refusal(text).unwrap()["message"].as_str().unwrap().contains("not valid JSON"), "{text}");
        }
    }
}
