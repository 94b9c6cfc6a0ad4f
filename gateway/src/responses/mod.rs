//! `POST /v1/responses`, from the parsed request to the last byte of the answer.

mod conversation;
mod events;
mod handler;
mod output;
mod sealed_reasoning;
mod stream;
mod valid;

pub(crate) use handler::create_response;
pub(crate) use sealed_reasoning::ReasoningSeal;
