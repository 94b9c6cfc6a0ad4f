//! Text to token ids and back, with the model's own `tokenizer.json`.

use std::path::{Path, PathBuf};

/// A model's tokenizer.
pub struct Tokenizer {
    inner: tokenizers::Tokenizer,
    longest_token: usize,
}

/// The tokenizer cannot be loaded, or failed.
#[derive(Debug, thiserror::Error)]
pub enum TokenizerError {
    /// `tokenizer.json` is missing or malformed.
    #[error("{}: {reason}", file.display())]
    Unusable {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A text could not be tokenised. Why is left out: it could quote the text.
    #[error("the tokenizer failed on a text")]
    Failed,
}

impl Tokenizer {
    /// Loads `tokenizer.json` of a model folder.
    ///
    /// # Errors
    /// [`TokenizerError::Unusable`].
    pub fn load(folder: &Path) -> Result<Self, TokenizerError> {
        let file = folder.join("tokenizer.json");
        let unusable = |error: tokenizers::Error| TokenizerError::Unusable { file: file.clone(), reason: error.to_string() };
        let mut inner = tokenizers::Tokenizer::from_file(&file).map_err(unusable)?;
        // What was set for training must not shorten prompts.
        inner.with_truncation(None).map_err(unusable)?;
        inner.with_padding(None);
        let longest_token = inner.get_vocab(true).keys().map(|token| token.chars().count()).max().unwrap_or(1);
        Ok(Self { inner, longest_token })
    }

    /// Token ids of a rendered prompt. The template has written all special tokens, so none are added.
    ///
    /// # Errors
    /// [`TokenizerError::Failed`].
    pub fn encode(&self, text: &str) -> Result<Vec<u32>, TokenizerError> {
        let encoding = self.inner.encode_fast(text, false).map_err(|_| TokenizerError::Failed)?;
        Ok(encoding.get_ids().to_vec())
    }

    /// The text of whole tokens, special ones left out.
    ///
    /// # Errors
    /// [`TokenizerError::Failed`].
    pub fn decode(&self, ids: &[u32]) -> Result<String, TokenizerError> {
        self.inner.decode(ids, true).map_err(|_| TokenizerError::Failed)
    }

    /// An upper bound on the characters that `tokens` tokens can stand for: a cheap check before the dear one.
    #[must_use]
    pub const fn most_characters(&self, tokens: usize) -> usize {
        tokens.saturating_mul(self.longest_token)
    }

    pub(super) const fn inner(&self) -> &tokenizers::Tokenizer {
        &self.inner
    }
}
