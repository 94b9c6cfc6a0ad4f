//! `POST /v1/completions`, from the parsed request to the last byte of the answer.

mod chunks;
mod handler;
mod prepared;
mod telling;
mod valid;
mod whole;

pub(crate) use handler::create_completion;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) use prepared::PreparedCompletion;
