//! Text to token ids and back, with the model's own `tokenizer.json`.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::OnceLock,
};

use tokenizers::{AddedToken, DecoderWrapper};

/// A model's tokenizer.
pub struct Tokenizer {
    inner: tokenizers::Tokenizer,
    longest_token: usize,
    added: HashMap<u32, AddedToken>,
    /// By token id, where a text's bytes are those of its tokens in a row, whatever stands beside them.
    own_texts: Box<[OnceLock<Option<Box<str>>>]>,
}

/// The most tokens that one character in UTF-8 can be cut into.
const LONGEST_CHARACTER: usize = 4;

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
        let added = inner.get_added_tokens_decoder().into_iter().collect();
        let by_bytes = matches!(inner.get_decoder(), Some(DecoderWrapper::ByteLevel(_)));
        let known = if by_bytes { inner.get_vocab_size(true) } else { 0 };
        let own_texts = std::iter::repeat_with(OnceLock::new).take(known).collect();
        Ok(Self { inner, longest_token, added, own_texts })
    }

    /// Token ids of a text. Special tokens are added for a plain text; a chat template has written them itself.
    ///
    /// # Errors
    /// [`TokenizerError::Failed`].
    pub fn encode(&self, text: &str, add_special_tokens: bool) -> Result<Vec<u32>, TokenizerError> {
        let encoding = self.inner.encode_fast(text, add_special_tokens).map_err(|_| TokenizerError::Failed)?;
        Ok(encoding.get_ids().to_vec())
    }

    /// The text of tokens, special ones left out if they are to be skipped.
    ///
    /// # Errors
    /// [`TokenizerError::Failed`].
    pub fn decode(&self, ids: &[u32], skip_special_tokens: bool) -> Result<String, TokenizerError> {
        self.inner.decode(ids, skip_special_tokens).map_err(|_| TokenizerError::Failed)
    }

    /// The text of the one token `id` where it stands after `context`, as vLLM reports it beside its probability: that of a
    /// piece of a character is empty, and the whole character comes with the piece that completes it.
    ///
    /// # Errors
    /// [`TokenizerError::Failed`].
    pub fn token_text(&self, context: &[u32], id: u32) -> Result<String, TokenizerError> {
        let alone = self.decode(&[id], false)?;
        if !alone.ends_with(char::REPLACEMENT_CHARACTER) {
            return Ok(alone);
        }
        for length in 1..=context.len().min(LONGEST_CHARACTER) {
            let before = context.get(context.len() - length..).unwrap_or_default();
            let whole = self.decode(&[before, &[id]].concat(), false)?;
            if !whole.ends_with(char::REPLACEMENT_CHARACTER) {
                let pieces = before.iter().rev().map(|id| self.decode(&[*id], false));
                let pieces =
                    pieces.take_while(|text| text.as_ref().is_ok_and(|text| text.ends_with(char::REPLACEMENT_CHARACTER)));
                let clean = self.decode(before.get(..length - pieces.count()).unwrap_or_default(), false)?;
                return Ok(whole.strip_prefix(clean.as_str()).unwrap_or(&whole).to_owned());
            }
        }
        Ok(String::new())
    }

    /// The text of the token `id` where that is the same after any whole character; `None` where it is not known to be, or where
    /// the token has only a part of a character.
    pub(super) fn own_text(&self, id: u32) -> Option<&str> {
        let known = self.own_texts.get(usize::try_from(id).ok()?)?;
        let text = known.get_or_init(|| {
            let text = self.decode(&[id], false).ok()?;
            let is_whole = !text.is_empty() && !text.contains(char::REPLACEMENT_CHARACTER);
            (is_whole && !self.added.contains_key(&id)).then(|| text.into_boxed_str())
        });
        text.as_deref()
    }

    /// What the vocabulary calls the tokens, which is not their text; empty for what is no token.
    #[must_use]
    pub fn names(&self, ids: &[u32]) -> Vec<String> {
        ids.iter().map(|id| self.inner.id_to_token(*id).unwrap_or_default()).collect()
    }

    /// The text of a token that was added to the vocabulary, as special tokens are; `None` for any other.
    pub(super) fn added_token(&self, id: u32) -> Option<String> {
        self.added.get(&id).map(|token| token.content.clone())
    }

    /// Whether `id` is a special token: one that has no text where those are skipped.
    pub(super) fn is_special(&self, id: u32) -> bool {
        self.added.get(&id).is_some_and(|token| token.special)
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
