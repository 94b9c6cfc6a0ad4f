//! Messages to text to token ids, and back again.

mod conversation;
mod detokenizer;
mod large_stack;
mod python_json;
mod python_methods;
mod stop_strings;
mod template;
mod template_files;
mod tokenizer;

pub use conversation::{CalledFunction, CalledTool, Speaker, Turn};
pub use detokenizer::{DetokenizeError, Detokenizer, TextOptions};
pub(crate) use large_stack::with_large_stack;
pub(crate) use stop_strings::{StopMatcher, StopStrings};
pub use template::{ChatTemplate, Clock, PromptEnd, RenderError, Rendering, TemplateError};
pub use tokenizer::{Tokenizer, TokenizerError};
