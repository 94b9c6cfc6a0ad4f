//! Messages to text to token ids, and back again.

mod conversation;
mod detokenizer;
mod python_json;
mod template;
mod template_files;
mod tokenizer;

pub use detokenizer::{DetokenizeError, Detokenizer};
pub use template::{ChatTemplate, Clock, RenderError, TemplateError};
pub use tokenizer::{Tokenizer, TokenizerError};
