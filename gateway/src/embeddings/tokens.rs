//! Inputs to token ids that fit the model.

use super::valid::Inputs;
use crate::{App, openai::error::ApiError, text::Tokenizer};

/// The most tokens of all inputs together, as with OpenAI.
const MOST_TOKENS: usize = 300_000;

/// The token ids of each input, at most `max_tokens` each.
///
/// # Errors
/// 400 if an input is empty once it is tokenised, or too long, or they are all together.
pub(super) fn tokenise(app: &App, inputs: Inputs, max_tokens: usize) -> Result<Vec<Vec<u32>>, ApiError> {
    let prompts = match inputs {
        Inputs::Tokens(prompts) => prompts,
        Inputs::Texts { texts, add_special_tokens } => encode(&app.model.tokenizer, &texts, add_special_tokens, max_tokens)?,
    };
    check(&prompts, max_tokens)?;
    Ok(prompts)
}

fn encode(
    tokenizer: &Tokenizer,
    texts: &[String],
    add_special_tokens: bool,
    max_tokens: usize,
) -> Result<Vec<Vec<u32>>, ApiError> {
    let mut left = MOST_TOKENS;
    let mut prompts = Vec::with_capacity(texts.len());
    for (index, text) in texts.iter().enumerate() {
        let characters = text.chars().count();
        if characters > tokenizer.most_characters(max_tokens) {
            return Err(too_long(index, max_tokens, &format!("{characters} characters")));
        }
        let prompt = tokenizer.encode(text, add_special_tokens).map_err(|error| ApiError::internal(error.to_string()))?;
        // What is too much is not tokenised to its end.
        left = left.checked_sub(prompt.len()).ok_or_else(too_many)?;
        prompts.push(prompt);
    }
    Ok(prompts)
}

fn check(prompts: &[Vec<u32>], max_tokens: usize) -> Result<(), ApiError> {
    for (index, prompt) in prompts.iter().enumerate() {
        match prompt.len() {
            0 => {
                return Err(ApiError::invalid(format!("input must not be empty: item {index} has no tokens.")).param("input"));
            }
            tokens if tokens > max_tokens => return Err(too_long(index, max_tokens, &format!("{tokens} tokens"))),
            _ => {}
        }
    }
    if prompts.iter().map(Vec::len).sum::<usize>() > MOST_TOKENS { Err(too_many()) } else { Ok(()) }
}

fn too_long(index: usize, max_tokens: usize, size: &str) -> ApiError {
    ApiError::context_length_exceeded(format!(
        "An input may have {max_tokens} tokens. However, item {index} has {size}; this server does not cut texts."
    ))
    .param("input")
}

fn too_many() -> ApiError {
    ApiError::invalid(format!("The inputs may have {MOST_TOKENS} tokens together. Send them in several requests.")).param("input")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_input_fits_and_all_together_do() {
        assert!(check(&[vec![1; 8], vec![1]], 8).is_ok());
        assert!(check(&[vec![1; 9]], 8).is_err());
        assert!(check(&[vec![1], vec![]], 8).is_err());
        assert!(check(&vec![vec![1; 1000]; 300], 1000).is_ok());
        assert!(check(&vec![vec![1; 1000]; 301], 1000).is_err());
    }
}
