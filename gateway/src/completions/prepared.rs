//! From the request to what the engine is asked for.

use std::sync::Arc;

use blindllama_engine::{GenerateRequest, Logprobs};

use super::{
    telling::{Echo, Teller, Telling},
    valid::ValidCompletion,
};
use crate::{
    App,
    app::unix_now,
    generation::{Generation, TokenTexts},
    openai::{
        completion_request::CompletionRequest,
        completion_response::{Completion, CompletionChoice},
        error::ApiError,
        usage::Usage,
    },
    parameters::{Delivery, check_prompt_cells},
    prompt::{PlainPrompt, room},
    random_id::random_id,
    remarks::Remarks,
};

/// All that is known before the engine is asked.
pub(crate) struct PreparedCompletion {
    pub(crate) generation: Generation,
    pub(super) head: Head,
    /// One for each answer.
    pub(super) tellers: Vec<Teller>,
    pub(super) delivery: Delivery,
}

/// What the JSON document, or every chunk, of one completion has.
pub(super) struct Head {
    id: String,
    created: u64,
    model: String,
    fingerprint: String,
    echo: Echo,
}

impl PreparedCompletion {
    /// Checks and tokenises what was asked.
    ///
    /// # Errors
    /// 400 or 404, naming the parameter at fault.
    pub(crate) fn new(app: &App, completion: CompletionRequest, remarks: &mut Remarks) -> Result<Self, ApiError> {
        let ValidCompletion { model, prompts, add_special_tokens, parameters, logprobs, max_tokens, echo, constraint } =
            ValidCompletion::new(completion, app, remarks)?;
        let prompts = PlainPrompt::all(app, prompts, add_special_tokens, echo != Echo::None)?;
        let telling = Telling {
            echo,
            logprobs,
            prompt_logprobs: parameters.prompt_logprobs,
            token_ids: parameters.return_token_ids,
            texts: TokenTexts::new(Arc::clone(&app.model.tokenizer), parameters.tokens_as_ids),
        };
        if let Some(top) = telling.prompt_rows() {
            // Each choice tells its prompt's by itself.
            let tokens = prompts.iter().map(|prompt| prompt.ids.len()).sum();
            check_prompt_cells("prompt", tokens, parameters.n as usize, top)?;
        }
        let (mut requests, mut tellers) = (Vec::new(), Vec::new());
        for prompt in prompts {
            let max_tokens = fitting(&prompt, max_tokens, app.engine.model().max_model_len)?;
            // Each choice tells its prompt by itself, so each has to know the prompt's probabilities.
            let logprobs = Logprobs { sampled: telling.answer_rows(), prompt: telling.prompt_rows() };
            let same = parameters.requests(model.adapter, &prompt.ids, max_tokens, None, constraint.as_ref())?;
            requests.extend(same.into_iter().map(|request| GenerateRequest { logprobs, ..request }));
            tellers.extend((0..parameters.n).map(|_| telling.teller(prompt.clone())));
        }
        let head = Head { id: random_id("cmpl-")?, created: unix_now(), model: model.name, fingerprint: app.fingerprint(), echo };
        let generation = Generation::new(app, requests, parameters.n, parameters.stop_strings, parameters.text)?;
        Ok(Self { generation, head, tellers, delivery: parameters.delivery })
    }
}

/// The most tokens to be made after `prompt`.
fn fitting(prompt: &PlainPrompt, max_tokens: usize, max_model_len: usize) -> Result<usize, ApiError> {
    if prompt.ids.is_empty() {
        return Err(ApiError::invalid("prompt must not be empty.").param("prompt"));
    }
    room(prompt.ids.len(), Some(max_tokens), max_model_len).map_err(|error| error.renamed("messages", "prompt"))
}

impl Head {
    /// The document, or a chunk.
    pub(super) fn completion<'a>(&'a self, choices: &'a [CompletionChoice], usage: Option<Option<Usage>>) -> Completion<'a> {
        let Self { id, created, model, fingerprint, .. } = self;
        Completion { id, object: "text_completion", created: *created, model, system_fingerprint: fingerprint, choices, usage }
    }

    /// Tokens that are told: one that is dropped does not count.
    pub(super) fn usage(&self, made: Usage) -> Usage {
        match self.echo {
            Echo::None | Echo::Before => made,
            Echo::Alone => Usage { completion_tokens: 0, total_tokens: made.prompt_tokens, ..made },
        }
    }
}
