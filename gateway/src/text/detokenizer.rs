//! Token ids to text while they arrive, never with a broken character.

use std::sync::Arc;

use tokenizers::tokenizer::{DecodeStreamError, step_decode_stream};

use super::Tokenizer;

/// Tokens of the prompt that the stream starts from, if they have text: enough for what decoders look back at.
const CONTEXT: usize = 16;

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
        let mut start = prompt.len();
        let mut prefix = String::new();
        // Special tokens have no text to continue from: look further back where there are only those.
        while prefix.is_empty() && start > 0 {
            start = start.saturating_sub(CONTEXT.max(prompt.len() - start));
            prefix = tokenizer.decode(prompt.get(start..).unwrap_or_default(), skip).map_err(|_| DetokenizeError)?;
        }
        // Only a whole character can be continued from; otherwise the stream would repeat the prompt's end.
        if prefix.ends_with(char::REPLACEMENT_CHARACTER) {
            let (ids, prefix) = (Vec::new(), String::new());
            return Ok(Self { tokenizer, options, after_added: false, ids, prefix, prefix_index: 0 });
        }
        let ids = prompt.get(start..).unwrap_or_default().to_vec();
        Ok(Self { tokenizer, options, after_added: false, prefix_index: ids.len(), ids, prefix })
    }

    /// The text that `id` completes; empty while a character is incomplete.
    ///
    /// # Errors
    /// [`DetokenizeError`].
    pub fn push(&mut self, id: u32) -> Result<String, DetokenizeError> {
        let text = self.protected_step(id)?;
        if self.options.skip_special_tokens || self.options.spaces_between_special_tokens {
            return Ok(text);
        }
        let added = self.tokenizer.added_token(id);
        let follows = std::mem::replace(&mut self.after_added, added.is_some());
        Ok(added.filter(|_| follows).unwrap_or(text))
    }

    fn protected_step(&mut self, id: u32) -> Result<String, DetokenizeError> {
        match self.step(id) {
            // Some tokenizers write what follows in a way that changes what came before. Start anew, as vLLM does.
            Err(error) if error.downcast_ref::<DecodeStreamError>().is_some() => {
                self.ids.clear();
                self.prefix.clear();
                self.prefix_index = 0;
                self.step(id)
            }
            stepped => stepped,
        }
        .map_err(|_| DetokenizeError)
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

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

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
