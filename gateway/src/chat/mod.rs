//! `POST /v1/chat/completions`, from the parsed request to the last byte of the answer.

mod answer;
mod generation;
mod handler;
mod prompt;
mod stream;
mod valid;

pub(crate) use handler::create_chat_completion;
