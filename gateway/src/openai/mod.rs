//! OpenAI's wire types, as this gateway reads and writes them.

pub(crate) mod by_tag;
pub mod chat_message;
pub mod chat_request;
pub mod chat_response;
pub mod completion_request;
pub mod completion_response;
pub mod embeddings;
pub mod error;
pub mod logprobs;
pub mod metadata;
pub mod models;
pub mod response;
pub mod response_events;
pub mod response_input;
pub mod response_request;
pub mod response_tools;
pub mod sampling;
mod text_or_list;
pub mod tokenization;
pub mod tools;
pub mod turns;
pub mod unknown;
pub mod usage;
