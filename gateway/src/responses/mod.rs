//! `POST /v1/responses`, from the parsed request to the last byte of the answer.

mod conversation;
mod events;
mod handler;
mod output;
mod prepared;
mod repeated;
mod sealed_reasoning;
mod stream;
mod valid;
mod whole;

pub(crate) use handler::create_response;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) use prepared::PreparedResponse;
pub(crate) use repeated::LONGEST_REPEATED;
pub(crate) use sealed_reasoning::ReasoningSeal;
pub(crate) use valid::OF_COMPLETIONS;
