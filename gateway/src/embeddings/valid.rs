//! From what was asked to what can be done: every check that needs no tokens.

use blindllama_engine::{EmbeddingModel, ModelInfo, Shortening};

use crate::{
    App,
    models::embedding,
    openai::{
        embeddings::{EmbeddingsInput, EmbeddingsRequest, EncodingFormat},
        error::ApiError,
    },
    parameters::{cache_salt, priority, settle_unknown},
    remarks::Remarks,
};

/// The most inputs of a request, as with OpenAI.
pub(crate) const MOST_INPUTS: usize = 2048;

/// A request that this gateway can serve. Only [`ValidEmbeddings::new`] makes one.
pub(super) struct ValidEmbeddings {
    /// At least one.
    pub(super) inputs: Inputs,
    /// The most tokens of an input.
    pub(super) max_tokens: usize,
    pub(super) encoding: EncodingFormat,
    /// `None` for all that the model makes.
    pub(super) dimensions: Option<usize>,
    pub(super) priority: i64,
    pub(super) cache_salt: Option<String>,
}

/// What is to be embedded. None is empty.
pub(super) enum Inputs {
    Texts { texts: Vec<String>, add_special_tokens: bool },
    Tokens(Vec<Vec<u32>>),
}

impl ValidEmbeddings {
    /// Checks everything that a request says, for the model that is served.
    ///
    /// # Errors
    /// 400 or 404, naming the parameter at fault.
    pub(super) fn new(request: EmbeddingsRequest, app: &App, remarks: &mut Remarks) -> Result<Self, ApiError> {
        settle_unknown(app.api.unknown_parameters, request.rest.paths("").collect(), remarks)?;
        let embeds = embedding(app, &request.model)?;
        let model = app.engine.model();
        Ok(Self {
            inputs: Inputs::new(request.input, request.add_special_tokens.unwrap_or(true), embeds, model)?,
            max_tokens: max_tokens(request.truncate_prompt_tokens, model.max_model_len)?,
            encoding: request.encoding_format.unwrap_or_default(),
            dimensions: dimensions(request.dimensions, embeds)?,
            priority: priority(request.priority, model)?,
            cache_salt: cache_salt(request.cache_salt, model)?,
        })
    }
}

impl Inputs {
    fn new(
        input: EmbeddingsInput,
        add_special_tokens: bool,
        embeds: &EmbeddingModel,
        model: &ModelInfo,
    ) -> Result<Self, ApiError> {
        match input {
            EmbeddingsInput::Text(text) => Self::texts(vec![text], add_special_tokens, embeds),
            EmbeddingsInput::Texts(texts) => Self::texts(texts, add_special_tokens, embeds),
            EmbeddingsInput::Tokens(ids) => Self::tokens(vec![ids], model),
            EmbeddingsInput::TokenLists(lists) => Self::tokens(lists, model),
        }
    }

    fn texts(texts: Vec<String>, add_special_tokens: bool, embeds: &EmbeddingModel) -> Result<Self, ApiError> {
        count(&texts, String::is_empty)?;
        let texts = if embeds.lower_case { texts.iter().map(|text| text.to_lowercase()).collect() } else { texts };
        Ok(Self::Texts { texts, add_special_tokens })
    }

    fn tokens(lists: Vec<Vec<u32>>, model: &ModelInfo) -> Result<Self, ApiError> {
        count(&lists, Vec::is_empty)?;
        let foreign = |id: &&u32| usize::try_from(**id).is_ok_and(|id| id >= model.vocab_size);
        match lists.iter().flatten().find(foreign) {
            None => Ok(Self::Tokens(lists)),
            Some(id) => {
                let message = format!(
                    "input has the token id {id}; the model's vocabulary ends at {}.",
                    model.vocab_size.saturating_sub(1)
                );
                Err(ApiError::invalid(message).param("input"))
            }
        }
    }
}

fn count<T>(inputs: &[T], is_empty: impl Fn(&T) -> bool) -> Result<(), ApiError> {
    let refused = |message: String| Err(ApiError::invalid(message).param("input"));
    if inputs.is_empty() || inputs.len() > MOST_INPUTS {
        return refused(format!("input must have 1 to {MOST_INPUTS} items, not {}.", inputs.len()));
    }
    match inputs.iter().position(is_empty) {
        None => Ok(()),
        Some(index) => refused(format!("input must not be empty: item {index} is.")),
    }
}

/// What is longer is refused rather than cut: an answer is about all that was sent.
fn max_tokens(truncate_prompt_tokens: Option<i64>, max_model_len: usize) -> Result<usize, ApiError> {
    match truncate_prompt_tokens.map(usize::try_from) {
        None => Ok(max_model_len),
        Some(Err(_)) if truncate_prompt_tokens == Some(-1) => Ok(max_model_len),
        Some(Ok(limit)) if (1..=max_model_len).contains(&limit) => Ok(limit),
        Some(_) => Err(ApiError::invalid(format!("truncate_prompt_tokens must be between 1 and {max_model_len}, or -1."))
            .param("truncate_prompt_tokens")),
    }
}

fn dimensions(wanted: Option<usize>, embeds: &EmbeddingModel) -> Result<Option<usize>, ApiError> {
    let all = embeds.dimensions;
    let offered = match &embeds.shortening {
        _ if wanted.is_none_or(|wanted| wanted == all) => return Ok(None),
        Shortening::None => format!("dimensions must be {all}, or absent: the model's vectors cannot be shortened."),
        Shortening::Any if wanted.is_some_and(|wanted| (1..all).contains(&wanted)) => return Ok(wanted),
        Shortening::Any => format!("dimensions must be between 1 and {all}."),
        Shortening::To(lengths) if wanted.is_some_and(|wanted| lengths.contains(&wanted)) => return Ok(wanted),
        Shortening::To(lengths) => {
            let lengths: Vec<_> = lengths.iter().map(usize::to_string).collect();
            format!("dimensions must be one of {}.", lengths.join(", "))
        }
    };
    Err(ApiError::invalid(offered).param("dimensions"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vectors_are_as_long_as_the_model_offers() {
        let embeds = |shortening| EmbeddingModel { dimensions: 8, shortening, lower_case: false };
        for shortening in [Shortening::None, Shortening::Any, Shortening::To(vec![4])] {
            let embeds = embeds(shortening);
            assert_eq!(dimensions(None, &embeds).unwrap(), None);
            assert_eq!(dimensions(Some(8), &embeds).unwrap(), None);
            assert!(dimensions(Some(0), &embeds).is_err() && dimensions(Some(9), &embeds).is_err());
        }
        assert!(dimensions(Some(4), &embeds(Shortening::None)).is_err());
        assert_eq!(dimensions(Some(3), &embeds(Shortening::Any)).unwrap(), Some(3));
        assert_eq!(dimensions(Some(4), &embeds(Shortening::To(vec![4, 2]))).unwrap(), Some(4));
        assert!(dimensions(Some(3), &embeds(Shortening::To(vec![4, 2]))).is_err());
    }

    #[test]
    fn a_limit_is_within_the_context() {
        for (limit, most) in [(None, 16), (Some(-1), 16), (Some(1), 1), (Some(16), 16)] {
            assert_eq!(max_tokens(limit, 16).unwrap(), most);
        }
        for limit in [0, -2, 17, i64::MIN, i64::MAX] {
            assert!(max_tokens(Some(limit), 16).is_err(), "{limit}");
        }
    }

    #[test]
    fn there_are_inputs_and_none_is_empty() {
        assert!(count(&vec!["a".to_owned(); MOST_INPUTS], String::is_empty).is_ok());
        assert!(count(&vec!["a".to_owned(); MOST_INPUTS + 1], String::is_empty).is_err());
        assert!(count(&["a".to_owned(), String::new()], String::is_empty).is_err());
        assert!(count(&[], String::is_empty).is_err());
    }

    #[test]
    fn texts_are_lower_case_where_the_model_wants_them_so() {
        for (lower_case, expected) in [(true, "äb"), (false, "ÄB")] {
            let embeds = EmbeddingModel { dimensions: 8, shortening: Shortening::None, lower_case };
            let Inputs::Texts { texts, .. } = Inputs::texts(vec!["ÄB".to_owned()], true, &embeds).unwrap() else {
                panic!("no texts");
            };
            assert_eq!(texts, [expected]);
        }
    }
}
