//! `POST /v1/chat/completions`, from the parsed request to the last byte of the answer.

mod chunks;
mod handler;
mod stream;
mod valid;
mod whole;

pub(crate) use handler::create_chat_completion;
pub(crate) use valid::prompt_source;
