//! `POST /v1/embeddings`, from the parsed request to the last byte of the answer.

mod answer;
mod handler;
mod tokens;
mod valid;

pub(crate) use handler::create_embeddings;

/// Work on more bytes, of texts or of vectors, is done on a thread of its own: it takes milliseconds, in which other
/// connections of the worker would stand still.
const LARGE: usize = 8 * 1024;
