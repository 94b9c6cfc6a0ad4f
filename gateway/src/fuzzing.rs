//! The way of a request's bytes to the engine, without the engine: for the fuzzer, and for tests with what it found.

use std::{path::Path, sync::Arc};

use actix_web::web;
use blindllama_attest::{binding::Binding, digest::Sha256Digest, evidence::encoding::Base64Array, nonce::Nonce};
use blindllama_engine::{
    EmbedRequest, EmbeddingModel, EmbeddingReply, Engine, EngineError, GenerateRequest, ModelInfo, ModelTask, SamplingDefaults,
    Shortening, TokenStream, WorkDone,
};
use bytes::Bytes;
use serde_json::Value;

use crate::{
    App, Limits, ModelError, ServedModel,
    attestation::{ActivationFuture, ActivationRequest, AttestError, Attester, EvidenceFuture},
    chat::PreparedChat,
    completions::PreparedCompletion,
    config::{ApiConfig, StructuredLimits},
    embeddings,
    openai::error::ApiError,
    remarks::Remarks,
    request_body::parse,
    responses::{PreparedResponse, ReasoningSeal},
    tokenization::{detokenized, tokenized},
};

/// The name of the model.
const MODEL: &str = "m";
const MAX_MODEL_LEN: usize = 512;

/// Two gateways, one for each task of a model.
pub struct Gateways {
    generating: App,
    embedding: App,
    seal: web::Data<ReasoningSeal>,
}

/// A route whose requests are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FuzzedRoute {
    /// `POST /v1/chat/completions`
    Chat,
    /// `POST /v1/completions`
    Completion,
    /// `POST /v1/responses`
    Response,
    /// `POST /v1/embeddings`
    Embeddings,
    /// `POST /tokenize`
    Tokenize,
    /// `POST /detokenize`
    Detokenize,
}

impl FuzzedRoute {
    /// All of them.
    pub const ALL: [Self; 6] = [Self::Chat, Self::Completion, Self::Response, Self::Embeddings, Self::Tokenize, Self::Detokenize];
}

impl Gateways {
    /// Gateways with the small tokenizer of the tests, which allow whatever can be allowed.
    ///
    /// # Errors
    /// If the tests' model is not there, or there is no random source.
    pub fn new() -> Result<Self, Box<dyn std::error::Error>> {
        let shortening = Shortening::To(vec![4]);
        let embed = ModelTask::Embed(EmbeddingModel { dimensions: 8, shortening, lower_case: true });
        let seal = web::Data::new(ReasoningSeal::generate()?);
        Ok(Self { generating: gateway(ModelTask::Generate)?, embedding: gateway(embed)?, seal })
    }

    /// Reads a request up to where the engine would be asked. What is accepted can be asked, and is accepted again if it is
    /// written in another way.
    ///
    /// # Errors
    /// What a client would be told.
    ///
    /// # Panics
    /// If any of this does not hold.
    pub fn read(&self, route: FuzzedRoute, body: &[u8]) -> Result<(), ApiError> {
        let prompts = self.prompts(route, body).inspect_err(|error| assert!(error.body().error.message.len() < 4096))?;
        let rewritten = serde_json::from_slice::<Value>(body).map(|value| value.to_string()).unwrap_or_default();
        let again = self.prompts(route, rewritten.as_bytes());
        assert!(again.is_ok_and(|again| again == prompts), "written in another way, it is another request");
        Ok(())
    }

    fn prompts(&self, route: FuzzedRoute, body: &[u8]) -> Result<Vec<Vec<u32>>, ApiError> {
        let (app, remarks) = (&self.generating, &mut Remarks::default());
        let requests = match route {
            FuzzedRoute::Chat => PreparedChat::new(app, parse(body)?, remarks)?.generation.into_requests(),
            FuzzedRoute::Completion => PreparedCompletion::new(app, parse(body)?, remarks)?.generation.into_requests(),
            FuzzedRoute::Response => {
                PreparedResponse::new(app, parse(body)?, self.seal.clone(), remarks)?.generation.into_requests()
            }
            FuzzedRoute::Embeddings => {
                let (requests, _) = embeddings::prepare(&self.embedding, parse(body)?, remarks)?;
                assert!(requests.iter().all(|request| (1..=MAX_MODEL_LEN).contains(&request.prompt.len())));
                return Ok(requests.into_iter().map(|request| request.prompt).collect());
            }
            FuzzedRoute::Tokenize => return tokenized(app, parse(body)?, remarks).map(|_| Vec::new()),
            FuzzedRoute::Detokenize => return detokenized(app, parse(body)?, remarks).map(|_| Vec::new()),
        };
        requests.iter().for_each(check);
        Ok(requests.into_iter().map(|request| request.prompt).collect())
    }
}

/// What every engine relies on.
fn check(request: &GenerateRequest) {
    assert!(!request.prompt.is_empty() && request.max_tokens > 0);
    assert!(request.prompt.len() + request.max_tokens <= MAX_MODEL_LEN);
    assert!(request.stopping.min_tokens <= request.max_tokens);
}

fn gateway(task: ModelTask) -> Result<App, ModelError> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/tiny-chatml");
    let api = ApiConfig { request_chat_template: true, ..ApiConfig::default() };
    let limits = Limits {
        max_body_bytes: std::num::NonZeroUsize::MAX,
        max_requests: std::num::NonZeroUsize::MAX,
        activations_per_second: std::num::NonZeroU32::MIN,
        structured: StructuredLimits::default(),
    };
    let model = ServedModel::load(MODEL.to_owned(), &folder)?;
    Ok(App::new(Arc::new(Unasked::new(task)), model, Arc::new(Unattested::new()), api, limits))
}

/// An engine that is not asked.
struct Unasked(ModelInfo);

impl Unasked {
    fn new(task: ModelTask) -> Self {
        Self(ModelInfo {
            adapters: Vec::new(),
            task,
            max_model_len: MAX_MODEL_LEN,
            vocab_size: 420,
            max_logprobs: 20,
            schedules_by_priority: true,
            prefix_caching: true,
            dtype: "float32".to_owned(),
            engine: "none".to_owned(),
            sampling_defaults: SamplingDefaults::default(),
        })
    }
}

impl Engine for Unasked {
    fn model(&self) -> &ModelInfo {
        &self.0
    }

    fn generate(&self, _: GenerateRequest) -> Result<TokenStream, EngineError> {
        Err(EngineError::Stopped)
    }

    fn embed(&self, _: EmbedRequest) -> Result<EmbeddingReply, EngineError> {
        Err(EngineError::Stopped)
    }

    fn is_alive(&self) -> bool {
        false
    }

    fn active_requests(&self) -> usize {
        0
    }

    fn work_done(&self) -> WorkDone {
        WorkDone::default()
    }
}

/// A gateway without evidence.
struct Unattested(Binding);

impl Unattested {
    const fn new() -> Self {
        Self(Binding {
            tls_spki_sha256: Sha256Digest::ZERO,
            receipt_public_key: Base64Array([0; 32]),
            hpke_public_key: None,
            model_sha256: Sha256Digest::ZERO,
        })
    }
}

impl Attester for Unattested {
    fn evidence(&self, _: Nonce) -> EvidenceFuture {
        Box::pin(async { Err(AttestError::Busy) })
    }

    fn activate(&self, _: ActivationRequest) -> ActivationFuture {
        Box::pin(async { Err(AttestError::Busy) })
    }

    fn binding(&self) -> &Binding {
        &self.0
    }

    fn manifest(&self, _: &Sha256Digest) -> Option<Bytes> {
        None
    }
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    static GATEWAYS: LazyLock<Gateways> = LazyLock::new(|| Gateways::new().unwrap());

    /// The requests that fuzzing starts from, by route.
    fn seeds() -> Vec<(FuzzedRoute, Value)> {
        let text = include_str!("../tests/fixtures/requests.json");
        let Value::Object(routes) = serde_json::from_str(text).unwrap() else { panic!("no routes") };
        let bodies = FuzzedRoute::ALL.into_iter().zip(routes.into_iter().map(|(_, bodies)| bodies));
        bodies
            .flat_map(|(route, bodies)| bodies.as_array().unwrap().iter().map(|body| (route, body.clone())).collect::<Vec<_>>())
            .collect()
    }

    /// The paths (RFC 6901) of all values in `value`, which is at `path`.
    fn paths(value: &Value, path: &str) -> Vec<String> {
        let inside: Vec<_> = match value {
            Value::Object(members) => {
                let escaped = |name: &str| name.replace('~', "~0").replace('/', "~1");
                members.iter().flat_map(|(name, member)| paths(member, &format!("{path}/{}", escaped(name)))).collect()
            }
            Value::Array(items) => {
                items.iter().enumerate().flat_map(|(index, item)| paths(item, &format!("{path}/{index}"))).collect()
            }
            _ => Vec::new(),
        };
        std::iter::once(path.to_owned()).chain(inside).collect()
    }

    fn odd_values() -> impl Strategy<Value = Value> {
        prop_oneof![
            proptest::sample::select(vec![
                json!(null),
                json!(true),
                json!(0),
                json!(-1),
                json!(1e308),
                json!(u64::MAX),
                json!(i64::MIN),
                json!(""),
                json!("required"),
                json!("text"),
                json!([]),
                json!({}),
                json!({"type": "text", "text": "x"}),
                json!(["a", "b"]),
                json!([1, 2]),
                json!("\u{0}\u{fffd}😀"),
                json!("x".repeat(5000)),
            ]),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            "\\PC{0,20}".prop_map(Value::from),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(512))]

        #[test]
        fn odd_values_in_any_place_are_accepted_or_refused(
            (route, mut body) in proptest::sample::select(seeds()),
            changes in proptest::collection::vec((any::<proptest::sample::Index>(), odd_values()), 1..4),
        ) {
            for (place, value) in changes {
                let paths = paths(&body, "");
                let changed = body.pointer_mut(&paths[place.index(paths.len())]);
                *changed.unwrap() = value;
            }
            let _accepted_or_refused = GATEWAYS.read(route, body.to_string().as_bytes());
        }
    }

    #[test]
    fn what_fuzzing_starts_from_is_accepted() {
        for (route, body) in seeds() {
            let read = GATEWAYS.read(route, body.to_string().as_bytes());
            assert!(read.is_ok(), "{route:?} {body} {:?}", read.err().map(|error| error.body().error.message.to_owned()));
        }
    }
}
