//! Answers in the making: the engine's tokens as text, for one prompt or many.

mod answer;
mod answers;
mod asked;
mod token_texts;

pub(crate) use answer::{Finish, Piece};
pub(crate) use answers::Answers;
pub(crate) use asked::Generation;
pub(crate) use token_texts::TokenTexts;
