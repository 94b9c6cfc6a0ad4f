//! Structured outputs: from what a request says of its answer's form to the engine's [`Constraint`].
//!
//! A constraint is a program that the engine compiles, and runs in each step of all requests. What would take too long is
//! refused here, in time linear in its length, before the engine sees it: `docs/structured-outputs.md` says what the limits
//! are and what was measured.

mod grammar;
mod regex;
mod request;
mod schema;
mod tools;

#[cfg(test)]
mod tests;

use blindllama_engine::Constraint;
use serde_json::Value;

pub(crate) use request::{ResponseFormat, StructuredOutputs, TextFormat};
pub(crate) use tools::{named_tool, required_tools};

use crate::{config::StructuredLimits, openai::error::ApiError};
use request::{Asked, Kind};

/// What `response_format` or `structured_outputs` asks for; `None` where the answer is free.
///
/// # Errors
/// 400 that names the parameter, if both ask, if either is not well-formed, or if it is beyond one of the limits.
pub(crate) fn constraint(
    response_format: Option<ResponseFormat>,
    structured_outputs: Option<StructuredOutputs>,
    limits: &StructuredLimits,
) -> Result<Option<Constraint>, ApiError> {
    one(response_format.map(ResponseFormat::into_kind).transpose()?.flatten(), structured_outputs, limits)
}

/// What `text.format` of the Responses API or `structured_outputs` asks for; `None` where the answer is free.
///
/// # Errors
/// As for [`constraint`].
pub(crate) fn text_constraint(
    format: Option<&TextFormat>,
    structured_outputs: Option<StructuredOutputs>,
    limits: &StructuredLimits,
) -> Result<Option<Constraint>, ApiError> {
    one(format.and_then(TextFormat::kind), structured_outputs, limits)
}

fn one(
    by_format: Option<Asked>,
    structured_outputs: Option<StructuredOutputs>,
    limits: &StructuredLimits,
) -> Result<Option<Constraint>, ApiError> {
    let by_outputs = structured_outputs.map(StructuredOutputs::into_kind).transpose()?;
    let (kind, param) = match (by_format, by_outputs) {
        (None, None) => return Ok(None),
        (Some(kind), None) | (None, Some(kind)) => kind,
        (Some((_, first)), Some((_, second))) => {
            let message = format!("{first} and {second} both constrain the answer: give one of them.");
            return Err(ApiError::invalid(message).param("structured_outputs"));
        }
    };
    kind.checked(&Place { param, limits }).map(Some)
}

impl Kind {
    fn checked(self, place: &Place<'_>) -> Result<Constraint, ApiError> {
        match self {
            Self::Json(schema) => json(&schema, place),
            Self::JsonText(text) => json(&schema::parse(&text, place)?, place),
            Self::JsonObject => Ok(Constraint::JsonObject),
            Self::Regex(regex) => regex::check(&regex, place).map(|()| Constraint::Regex(regex)),
            Self::Choice(texts) => check_choice(&texts, place).map(|()| Constraint::Choice(texts)),
            Self::Grammar(grammar) => grammar::check(&grammar, place).map(|()| Constraint::Grammar(grammar)),
        }
    }
}

fn json(schema: &Value, place: &Place<'_>) -> Result<Constraint, ApiError> {
    schema::check(schema, place)?;
    Ok(Constraint::Json(schema.to_string()))
}

fn check_choice(texts: &[String], place: &Place<'_>) -> Result<(), ApiError> {
    if texts.is_empty() {
        return Err(place.invalid("has to have at least one text"));
    }
    place.within("choices", texts.len(), place.limits.choices)?;
    place.within("choice_bytes", texts.iter().map(String::len).sum(), place.limits.choice_bytes)
}

/// A parameter of the request, and the limits that hold for it.
struct Place<'a> {
    /// Its path, for people and in the error's `param`.
    param: &'a str,
    limits: &'a StructuredLimits,
}

impl Place<'_> {
    /// 400 unless `found` is at most `most`, which `[limits.structured]` calls `limit`.
    fn within(&self, limit: &str, found: usize, most: usize) -> Result<(), ApiError> {
        if found <= most {
            return Ok(());
        }
        Err(self.invalid(&format!("is too large: this server's limit {limit} is {most}, and this has {found}")))
    }

    /// 400 that says what is wrong with the parameter.
    fn invalid(&self, reason: &str) -> ApiError {
        ApiError::invalid(format!("{} {reason}.", self.param)).param(self.param)
    }
}
