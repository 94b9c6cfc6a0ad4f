//! `POST /v1/completions`, from the parsed request to the last byte of the answer.

mod chunks;
mod handler;
mod telling;
mod valid;
mod whole;

pub(crate) use handler::create_completion;
