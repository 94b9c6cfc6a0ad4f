//! `POST /v1/chat/completions`, from the parsed request to the last byte of the answer.

mod chunks;
mod handler;
mod prepared;
mod stream;
mod valid;
mod whole;

pub(crate) use handler::create_chat_completion;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) use prepared::PreparedChat;
pub(crate) use valid::prompt_source;
