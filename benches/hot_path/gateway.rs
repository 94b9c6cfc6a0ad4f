//! The whole server, over TLS, with an engine that has every answer ready: what is measured is everything but the engine.

use std::{
    net::{SocketAddr, TcpListener},
    num::{NonZeroU32, NonZeroUsize},
    path::Path,
    sync::Arc,
};

use blindllama_attest::{binding::Binding, digest::Sha256Digest, evidence::encoding::Base64Array, nonce::Nonce};
use blindllama_gateway::{
    App, Limits, ServedModel,
    attestation::{ActivationFuture, ActivationRequest, AttestError, Attester, EvidenceFuture},
    config::{ApiConfig, StructuredLimits},
    cors::AllowedOrigins,
    server::{self, Settings},
    tls::ServerIdentity,
};
use bytes::Bytes;

use crate::ready_engine::ReadyEngine;

const MODEL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../gateway/tests/fixtures/tiny-chatml");

/// Serves on a free port, with one worker, as long as the process lives.
pub(crate) fn serve() -> SocketAddr {
    let limits = Limits {
        max_body_bytes: NonZeroUsize::new(1 << 22).unwrap(),
        max_requests: NonZeroUsize::new(256).unwrap(),
        activations_per_second: NonZeroU32::MIN,
        structured: StructuredLimits::default(),
    };
    let model = ServedModel::load("m".to_owned(), Path::new(MODEL)).unwrap();
    let app = App::new(Arc::new(ReadyEngine::new()), model, Arc::new(Unattested), ApiConfig::default(), limits);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let settings = Settings { workers: NonZeroUsize::MIN, allow_origins: AllowedOrigins::None };
    let server = server::serve(app, listener, &ServerIdentity::generate().unwrap(), settings).unwrap();
    let address = server.address();
    tokio::spawn(server);
    address
}

/// Nobody asks for evidence.
struct Unattested;

impl Attester for Unattested {
    fn evidence(&self, _: Nonce) -> EvidenceFuture {
        Box::pin(async { Err(AttestError::Busy) })
    }

    fn activate(&self, _: ActivationRequest) -> ActivationFuture {
        Box::pin(async { Err(AttestError::Busy) })
    }

    fn binding(&self) -> &Binding {
        static BINDING: Binding = Binding {
            tls_spki_sha256: Sha256Digest::ZERO,
            receipt_public_key: Base64Array([0; 32]),
            hpke_public_key: None,
            model_sha256: Sha256Digest::ZERO,
        };
        &BINDING
    }

    fn manifest(&self, _: &Sha256Digest) -> Option<Bytes> {
        None
    }
}
