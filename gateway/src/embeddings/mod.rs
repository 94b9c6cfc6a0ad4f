//! `POST /v1/embeddings`, from the parsed request to the last byte of the answer.

mod answer;
mod handler;
mod tokens;
mod valid;

pub(crate) use handler::create_embeddings;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) use handler::prepare;
pub(crate) use valid::MOST_INPUTS;
