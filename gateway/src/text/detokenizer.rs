//! Token ids to text while they arrive, never with a broken character.

use std::sync::Arc;

use tokenizers::tokenizer::{DecodeStreamError, step_decode_stream};

use super::Tokenizer;

/// Tokens of the prompt that the stream starts from: enough for what decoders look back at.
const CONTEXT: usize = 16;
/// The most tokens whose text is held back. Each step decodes all of them, and whole characters never need so many.
const MOST_HELD: usize = 64;
/// The most tokens that an incomplete character at the end can have.
const LONGEST_CHARACTER: usize = 4;

/// How tokens become text, in vLLM's terms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TextOptions {
    /// Whether special tokens have no text.
    pub skip_special_tokens: bool,
    /// Whether special tokens that have a text are set apart by spaces, as the tokenizer does it.
    pub spaces_between_special_tokens: bool,
    /// Whether the token that stopped the model has a text too.
    pub include_stop: bool,
}

impl Default for TextOptions {
    fn default() -> Self {
        Self { skip_special_tokens: true, spaces_between_special_tokens: true, include_stop: false }
    }
}

/// The text of one answer as it grows, as vLLM's `FastIncrementalDetokenizer` makes it: text is held back until its
/// characters are whole.
#[derive(Clone)]
pub struct Detokenizer {
    tokenizer: Arc<Tokenizer>,
    options: TextOptions,
    after_added: bool,
    ids: Vec<u32>,
    prefix: String,
    prefix_index: usize,
}

/// The tokenizer failed. Why is left out: it could quote the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the tokenizer failed on an answer")]
pub struct DetokenizeError;

impl Detokenizer {
    /// Starts after `prompt`, whose end decides how the first token is written (a space before it, for instance).
    ///
    /// # Errors
    /// [`DetokenizeError`].
    pub fn after_prompt(tokenizer: Arc<Tokenizer>, prompt: &[u32], options: TextOptions) -> Result<Self, DetokenizeError> {
        let skip = options.skip_special_tokens;
        // There is no text to continue from in special tokens.
        let mut ids: Vec<_> =
            prompt.iter().rev().copied().filter(|id| !skip || !tokenizer.is_special(*id)).take(CONTEXT).collect();
        ids.reverse();
        let prefix = tokenizer.decode(&ids, skip).map_err(|_| DetokenizeError)?;
        let mut started = Self { tokenizer, options, after_added: false, prefix_index: ids.len(), ids, prefix };
        // Only a whole character can be continued from; otherwise the stream would repeat the prompt's end.
        if started.prefix.is_empty() || started.prefix.ends_with(char::REPLACEMENT_CHARACTER) {
            started.restart_from(0);
            started.ids.clear();
        }
        Ok(started)
    }

    /// The text that `id` completes; empty while a character is incomplete.
    ///
    /// # Errors
    /// [`DetokenizeError`].
    pub fn push(&mut self, id: u32) -> Result<String, DetokenizeError> {
        if self.options.skip_special_tokens && self.tokenizer.is_special(id) {
            return Ok(String::new());
        }
        let mut text = match self.own_text(id) {
            Some(text) => text,
            None => self.protected_step(id)?,
        };
        if self.ids.len().saturating_sub(self.prefix_index) > MOST_HELD {
            text.push_str(&self.release()?);
        }
        if self.options.skip_special_tokens || self.options.spaces_between_special_tokens {
            return Ok(text);
        }
        let added = self.tokenizer.added_token(id);
        let follows = std::mem::replace(&mut self.after_added, added.is_some());
        Ok(added.filter(|_| follows).unwrap_or(text))
    }

    /// What a step would give, without decoding anything: nothing is held back, and the token has a text of its own.
    fn own_text(&mut self, id: u32) -> Option<String> {
        let text = self.tokenizer.own_text(id).filter(|_| self.prefix_index == self.ids.len())?;
        self.ids.clear();
        self.ids.push(id);
        self.prefix_index = 1;
        text.clone_into(&mut self.prefix);
        Some(text.to_owned())
    }

    fn protected_step(&mut self, id: u32) -> Result<String, DetokenizeError> {
        match self.step(id) {
            // Some tokenizers write what follows in a way that changes what came before. Start anew, as vLLM does.
            Err(error) if error.downcast_ref::<DecodeStreamError>().is_some() => {
                self.restart_from(self.ids.len());
                self.step(id)
            }
            stepped => stepped,
        }
        .map_err(|_| DetokenizeError)
    }

    /// The text that was held back, but for a character at its end that may yet be completed. Tokens come to this only where they
    /// are no text, or where each ends within a character.
    fn release(&mut self) -> Result<String, DetokenizeError> {
        let decode = |ids: &[u32]| self.tokenizer.decode(ids, self.options.skip_special_tokens).map_err(|_| DetokenizeError);
        let whole = decode(&self.ids)?;
        let Some(held) = whole.strip_prefix(self.prefix.as_str()).filter(|held| !held.is_empty()) else {
            self.ids.truncate(self.prefix_index);
            return Ok(String::new());
        };
        for end in 1..=LONGEST_CHARACTER {
            let (before, after) = self.ids.split_at(self.ids.len().saturating_sub(end));
            let after = decode(after)?;
            if let Some(text) = held.strip_suffix(after.as_str()).filter(|_| after.ends_with(char::REPLACEMENT_CHARACTER))
                && decode(before)? == format!("{}{text}", self.prefix)
            {
                let text = text.to_owned();
                self.restart_from(before.len());
                return Ok(text);
            }
        }
        let text = held.to_owned();
        self.restart_from(self.ids.len());
        Ok(text)
    }

    /// Goes on as if nothing had come before the token at `index`.
    fn restart_from(&mut self, index: usize) {
        self.ids.drain(..index);
        self.prefix.clear();
        self.prefix_index = 0;
    }

    fn step(&mut self, id: u32) -> Result<String, tokenizers::Error> {
        let (tokenizer, skip) = (self.tokenizer.inner(), self.options.skip_special_tokens);
        let text = step_decode_stream(tokenizer, vec![id], skip, &mut self.ids, &mut self.prefix, &mut self.prefix_index)?;
        Ok(text.unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use std::{
        path::{Path, PathBuf},
        sync::LazyLock,
    };

    use proptest::prelude::*;

    use super::*;

    const PROMPT: &str = "<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n";

    /// The small tokenizer in the repository, and the default model's where it was fetched.
    static TOKENIZERS: LazyLock<Vec<Arc<Tokenizer>>> = LazyLock::new(|| {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
        let folders = [folder.join("tests/fixtures/tiny-chatml"), folder.join("../.state/models/smollm2-135m-instruct")];
        let present = folders.into_iter().filter(|folder: &PathBuf| folder.join("tokenizer.json").exists());
        present.map(|folder| Arc::new(Tokenizer::load(&folder).unwrap())).collect()
    });

    fn stream(tokenizer: &Arc<Tokenizer>, prompt: &str, ids: &[u32]) -> Vec<String> {
        let prompt = tokenizer.encode(prompt, false).unwrap();
        let mut detokenizer = Detokenizer::after_prompt(Arc::clone(tokenizer), &prompt, TextOptions::default()).unwrap();
        ids.iter().map(|id| detokenizer.push(*id).unwrap()).collect()
    }

    #[test]
    fn a_character_of_several_tokens_comes_whole() {
        for tokenizer in TOKENIZERS.iter() {
            let ids = tokenizer.encode("𓀀", false).unwrap();
            assert!(ids.len() > 1);
            let pieces = stream(tokenizer, PROMPT, &ids);
            assert_eq!(pieces.last().unwrap(), "𓀀");
            assert!(pieces[..pieces.len() - 1].iter().all(String::is_empty));
        }
    }

    #[test]
    fn the_prompt_is_never_repeated() {
        for tokenizer in TOKENIZERS.iter() {
            let ids = tokenizer.encode("next", false).unwrap();
            for prompt in ["", "<|im_end|>", "ends broken: \u{fffd}", PROMPT] {
                assert_eq!(stream(tokenizer, prompt, &ids).concat(), "next", "{prompt:?}");
            }
        }
    }

    #[test]
    fn special_tokens_are_skipped() {
        for tokenizer in TOKENIZERS.iter() {
            let ids = tokenizer.encode("a<|im_end|>b", false).unwrap();
            assert_eq!(stream(tokenizer, PROMPT, &ids).concat(), "ab");
        }
    }

    /// Each step decodes what is held back, so this must not grow with the answer.
    #[test]
    fn what_is_held_back_has_a_bound() {
        for tokenizer in TOKENIZERS.iter() {
            let character = tokenizer.encode("𓀀", false).unwrap();
            let special = tokenizer.encode("<|im_end|>", false).unwrap();
            // First tokens alone are no text; from the second on, each round ends within a character.
            let (first, shifted) = (vec![character[0]; 500], [&character[1..], &character[..1]].concat().repeat(200));
            for ids in [first, shifted, special.repeat(500)] {
                let prompt = special.repeat(500);
                let mut detokenizer = Detokenizer::after_prompt(Arc::clone(tokenizer), &prompt, TextOptions::default()).unwrap();
                let mut text = String::new();
                for id in &ids {
                    text.push_str(&detokenizer.push(*id).unwrap());
                    assert!(detokenizer.ids.len() <= CONTEXT + MOST_HELD + 1, "{}", detokenizer.ids.len());
                }
                let whole = tokenizer.decode(&ids, true).unwrap();
                assert!(whole.starts_with(&text) && whole.chars().count() - text.chars().count() <= MOST_HELD, "{text} {whole}");
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// Texts that are known beforehand change nothing, whatever comes before and after.
        #[test]
        fn own_texts_are_what_decoding_gives(
            prompt in "(\\PC|[€😀\u{fffd}]){0,3}",
            ids in proptest::collection::vec(0_u32..420, 0..60),
            skip_special_tokens in any::<bool>(),
        ) {
            for tokenizer in TOKENIZERS.iter() {
                let options = TextOptions { skip_special_tokens, ..TextOptions::default() };
                let prompt = tokenizer.encode(&prompt, false).unwrap();
                let mut fast = Detokenizer::after_prompt(Arc::clone(tokenizer), &prompt, options).unwrap();
                let mut slow = fast.clone();
                for id in &ids {
                    let expected = if skip_special_tokens && tokenizer.is_special(*id) {
                        String::new()
                    } else {
                        slow.protected_step(*id).unwrap()
                    };
                    prop_assert_eq!(fast.push(*id).unwrap(), expected);
                    prop_assert_eq!((&fast.ids, &fast.prefix, fast.prefix_index), (&slow.ids, &slow.prefix, slow.prefix_index));
                    prop_assume!(slow.ids.len() - slow.prefix_index <= MOST_HELD);
                }
            }
        }

        #[test]
        fn streamed_text_is_the_whole_text(text in "(\\PC|[ \n\t]|[äß€漢😀👩‍👩‍👧🇫🇷]){0,40}") {
            for tokenizer in TOKENIZERS.iter() {
                let ids = tokenizer.encode(&text, false).unwrap();
                let whole = tokenizer.decode(&ids, true).unwrap();
                prop_assume!(!whole.contains(char::REPLACEMENT_CHARACTER));
                prop_assert_eq!(stream(tokenizer, PROMPT, &ids).concat(), whole);
            }
        }

        #[test]
        fn any_tokens_at_all_never_break_the_stream(ids in proptest::collection::vec(0_u32..400, 0..60)) {
            for tokenizer in TOKENIZERS.iter() {
                let whole = tokenizer.decode(&ids, true).unwrap();
                let streamed = stream(tokenizer, PROMPT, &ids).concat();
                if !whole.contains(char::REPLACEMENT_CHARACTER) {
                    prop_assert_eq!(streamed, whole);
                } else {
                    prop_assert!(whole.starts_with(&streamed) || streamed.contains(char::REPLACEMENT_CHARACTER));
                }
            }
        }
    }
}
