//! OpenAI's wire types, as this gateway reads and writes them.

pub mod error;
pub mod request;
pub mod response;
