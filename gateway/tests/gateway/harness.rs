//! Starts a gateway on a free port and stops it when the test ends.

use std::{
    net::{SocketAddr, TcpListener},
    num::{NonZeroU32, NonZeroUsize},
    path::Path,
    sync::Arc,
};

use blindllama_attest::{
    application::LoggedEvent,
    binding::Binding,
    digest::Sha256Digest,
    evidence::{
        EventLogs, EvidenceDocument, TpmEvidence, VERSION,
        encoding::{Base64Array, Base64Bytes},
    },
    nonce::{Nonce, NonceProof},
    pcr_banks::PcrBanks,
};
use blindllama_engine::{FinishReason, GenerateRequest, ModelTask, OutputSender};
use blindllama_gateway::{
    App, Limits, ServedModel,
    attestation::{ActivationAnswer, ActivationFuture, ActivationRequest, AttestError, Attester, EvidenceFuture},
    config::{ApiConfig, FormatChoice, ReasoningFormat, StructuredLimits, ToolFormat},
    cors::AllowedOrigins,
    server::{self, Settings, StopHandle},
    text::Tokenizer,
    tls::ServerIdentity,
};
use bytes::Bytes;
use tokio::{net::TcpStream, task::JoinHandle};
use tokio_rustls::client::TlsStream;

use crate::{
    client::{Client, connect_tls},
    engine::{Embeds, MAX_MODEL_LEN, Requests, ScriptedEngine, last, tokens},
    log,
};

pub(crate) const MODEL: &str = "org/tiny";
pub(crate) const MAX_BODY_BYTES: usize = 256 * 1024;
pub(crate) const MAX_REQUESTS: usize = 4;
pub(crate) const MANIFEST: &[u8] = b"{\"files\":[]}";

pub(crate) struct Gateway {
    pub(crate) engine: Arc<ScriptedEngine>,
    pub(crate) requests: Requests,
    pub(crate) embeds: Embeds,
    pub(crate) tokenizer: Arc<Tokenizer>,
    pub(crate) binding: Binding,
    address: SocketAddr,
    stop: StopHandle,
    running: JoinHandle<std::io::Result<()>>,
}

/// What tests choose of the configuration.
#[derive(Default)]
pub(crate) struct Setup {
    pub(crate) allow_origins: AllowedOrigins,
    pub(crate) api: ApiConfig,
    pub(crate) tools: FormatChoice<ToolFormat>,
    pub(crate) reasoning: FormatChoice<ReasoningFormat>,
    pub(crate) task: ModelTask,
    pub(crate) adapters: Vec<String>,
    pub(crate) structured: StructuredLimits,
    pub(crate) size: Size,
}

/// How much fits into a gateway.
pub(crate) struct Size {
    pub(crate) body_bytes: usize,
    pub(crate) requests: usize,
    /// Tokens of prompt and answer.
    pub(crate) context: usize,
}

impl Default for Size {
    fn default() -> Self {
        Self { body_bytes: MAX_BODY_BYTES, requests: MAX_REQUESTS, context: MAX_MODEL_LEN }
    }
}

impl Gateway {
    pub(crate) fn start() -> Self {
        Self::start_with(Setup::default())
    }

    /// A gateway that web pages of these origins may call.
    pub(crate) fn start_for(allow_origins: AllowedOrigins) -> Self {
        Self::start_with(Setup { allow_origins, ..Setup::default() })
    }

    /// A gateway that reads requests, and writes answers, as `api` says.
    pub(crate) fn start_as(api: ApiConfig) -> Self {
        Self::start_with(Setup { api, ..Setup::default() })
    }

    /// A gateway whose model does `task`.
    pub(crate) fn start_to(task: ModelTask) -> Self {
        Self::start_with(Setup { task, ..Setup::default() })
    }

    pub(crate) fn start_with(setup: Setup) -> Self {
        let Setup { allow_origins, api, tools, reasoning, task, adapters, structured, size } = setup;
        log::collect();
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/tiny-chatml");
        let model = ServedModel::load(MODEL.to_owned(), &folder).unwrap().reading(tools, reasoning);
        let tokenizer = Arc::clone(&model.tokenizer);
        let identity = ServerIdentity::generate().unwrap();
        let binding = Binding {
            tls_spki_sha256: identity.tls_spki_sha256(),
            receipt_public_key: Base64Array(identity.receipt_public_key()),
            hpke_public_key: None,
            model_sha256: Sha256Digest::of(&[b"weights"]),
        };
        let (engine, requests, embeds) = ScriptedEngine::new(task, adapters, size.context);
        let engine = Arc::new(engine);
        let attester = Arc::new(ScriptedAttester { binding: binding.clone() });
        let limits = Limits {
            max_body_bytes: number(size.body_bytes),
            max_requests: number(size.requests),
            activations_per_second: NonZeroU32::MIN,
            structured,
        };
        let app = App::new(engine.clone(), model, attester, api, limits);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        // One worker: whatever stands still there stands still for all.
        let settings = Settings { workers: NonZeroUsize::MIN, allow_origins };
        let server = server::serve(app, listener, &identity, settings).unwrap();
        let (address, stop) = (server.address(), server.stop_handle());
        Self { engine, requests, embeds, tokenizer, binding, address, stop, running: tokio::spawn(server) }
    }

    pub(crate) async fn connect(&self) -> Client {
        Client::connect(self.address, self.binding.tls_spki_sha256).await
    }

    /// A TLS connection for whoever writes HTTP by hand.
    pub(crate) async fn connect_raw(&self) -> TlsStream<TcpStream> {
        connect_tls(self.address, self.binding.tls_spki_sha256, None).await.unwrap()
    }

    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The next request that reached the engine.
    pub(crate) async fn next_request(&mut self) -> (GenerateRequest, OutputSender) {
        self.requests.recv().await.unwrap()
    }

    /// Answers the next request with `text`, a token at a time.
    pub(crate) async fn answer(&mut self, text: &str) -> GenerateRequest {
        let (request, sender) = self.next_request().await;
        self.say(&sender, text);
        request
    }

    /// Answers with `text`, a token at a time, and stops.
    pub(crate) fn say(&self, sender: &OutputSender, text: &str) {
        for id in self.tokenizer.encode(text, false).unwrap() {
            // The gateway may have heard enough: it knows stop strings, and the engine does not.
            if sender.send(tokens(&[id])).is_err() {
                return;
            }
        }
        let _ = sender.send(last(&[self.end_token()], FinishReason::Stop));
    }

    pub(crate) fn end_token(&self) -> u32 {
        self.tokenizer.encode("<|im_end|>", false).unwrap()[0]
    }

    /// Stops the server and waits for it.
    pub(crate) async fn stop(self) {
        self.stop.stop().await;
        self.running.await.unwrap().unwrap();
    }
}

fn number(value: usize) -> NonZeroUsize {
    NonZeroUsize::new(value).unwrap()
}

/// Evidence without a TPM: well-formed, and worth nothing.
struct ScriptedAttester {
    binding: Binding,
}

impl Attester for ScriptedAttester {
    fn evidence(&self, nonce: Nonce) -> EvidenceFuture {
        let binding = self.binding.clone();
        Box::pin(async move {
            match nonce.as_bytes()[0] {
                0xaa => std::future::pending().await,
                0xbb => Err(AttestError::Busy),
                0xff => Err(AttestError::Failed("the secret reason".to_owned())),
                _ => Ok(serde_json::to_vec(&evidence(&nonce, binding)).unwrap().into()),
            }
        })
    }

    fn activate(&self, request: ActivationRequest) -> ActivationFuture {
        Box::pin(async move {
            match request.ak_name().map_err(|_| AttestError::ForeignName)?.as_slice() {
                [0x00, 0x0b, 0xbb, ..] => Err(AttestError::Busy),
                [0x00, 0x0b, 0xff, ..] => Err(AttestError::Failed("the secret reason".to_owned())),
                [0x00, 0x0b, ..] if request.id_object == request.encrypted_secret => Err(AttestError::CredentialRefused),
                [0x00, 0x0b, ..] => Ok(ActivationAnswer { secret: request.encrypted_secret }),
                _ => Err(AttestError::ForeignName),
            }
        })
    }

    fn binding(&self) -> &Binding {
        &self.binding
    }

    fn manifest(&self, digest: &Sha256Digest) -> Option<Bytes> {
        (*digest == Sha256Digest::of(&[MANIFEST])).then(|| Bytes::from_static(MANIFEST))
    }
}

fn evidence(nonce: &Nonce, binding: Binding) -> EvidenceDocument {
    let nothing = || Base64Bytes(Vec::new());
    EvidenceDocument {
        version: VERSION,
        nonce: nonce.to_hex(),
        binding,
        nonce_proof: NonceProof::single(),
        tpm: TpmEvidence {
            quote: nothing(),
            signature: nothing(),
            ak_public: nothing(),
            ak_certificates: Vec::new(),
            ek_certificates: Vec::new(),
            pcrs: PcrBanks::sha256([(14, Sha256Digest::ZERO)]),
        },
        event_log: EventLogs { firmware: None, systemd: None, application: Vec::<LoggedEvent>::new() },
        tee: [],
    }
}
