//! The seam to whatever makes evidence, and the routes that serve it.

use std::{future::Future, pin::Pin};

use actix_web::{
    HttpRequest, HttpResponse,
    http::header::{CACHE_CONTROL, ContentType},
    web,
};
pub use blindllama_attest::credential::{ActivationAnswer, ActivationRequest};
use blindllama_attest::{binding::Binding, credential::MAX_ACTIVATION_BYTES, digest::Sha256Digest, nonce::Nonce};
use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::{
    App,
    openai::error::ApiError,
    remarks::Remarks,
    request_body::{read_json, typed},
};

/// Evidence on its way: a whole document (see `docs/spec/evidence.md`), as JSON.
pub type EvidenceFuture = Pin<Box<dyn Future<Output = Result<Bytes, AttestError>> + Send>>;

/// The secret of a credential on its way.
pub type ActivationFuture = Pin<Box<dyn Future<Output = Result<ActivationAnswer, AttestError>> + Send>>;

/// Proves what this gateway runs. Implemented over a TPM by the gateway's binary.
pub trait Attester: Send + Sync + 'static {
    /// Makes evidence for a verifier's nonce. Never blocks: the TPM has a thread of its own.
    fn evidence(&self, nonce: Nonce) -> EvidenceFuture;

    /// Lets the TPM open a credential. Never blocks, and remembers nothing.
    fn activate(&self, request: ActivationRequest) -> ActivationFuture;

    /// What evidence is bound to; it never changes while the gateway runs.
    fn binding(&self) -> &Binding;

    /// A manifest that the application log names by digest.
    fn manifest(&self, digest: &Sha256Digest) -> Option<Bytes>;
}

/// Why there is no evidence, or no secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AttestError {
    /// Too many nonces or credentials wait for the TPM; try again.
    #[error("too many attestation requests are waiting")]
    Busy,
    /// The credential is for another attestation key than this gateway's.
    #[error("The credential is for another attestation key than this server's.")]
    ForeignName,
    /// The TPM does not accept the credential.
    #[error("The TPM refuses the credential: it was made for another endorsement or attestation key, or is damaged.")]
    CredentialRefused,
    /// The TPM failed; the text is for the log only.
    #[error("{0}")]
    Failed(String),
}

impl From<AttestError> for ApiError {
    fn from(error: AttestError) -> Self {
        match error {
            AttestError::Busy => Self::overloaded(),
            AttestError::ForeignName => Self::invalid(error.to_string()).param("ak_name").code("foreign_ak_name"),
            AttestError::CredentialRefused => Self::invalid(error.to_string()).code("credential_refused"),
            AttestError::Failed(reason) => Self::internal(format!("attestation: {reason}")),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Query {
    nonce: String,
}

/// `GET /attestation?nonce=<hex, 16 to 64 bytes>`.
pub(crate) async fn evidence(app: web::Data<App>, request: HttpRequest) -> Result<HttpResponse, ApiError> {
    let query = web::Query::<Query>::from_query(request.query_string());
    let Ok(web::Query(Query { nonce })) = query else {
        return Err(ApiError::invalid("the query has to be exactly ?nonce=<hex>").param("nonce"));
    };
    let nonce = Nonce::from_hex(&nonce).map_err(|error| ApiError::invalid(error.to_string()).param("nonce"))?;
    let evidence = app.attestation.evidence(nonce).await?;
    Ok(HttpResponse::Ok().insert_header((CACHE_CONTROL, "no-store")).content_type(ContentType::json()).body(evidence))
}

/// `POST /attestation/activate`.
pub(crate) async fn activate(app: web::Data<App>, request: HttpRequest, body: web::Payload) -> Result<HttpResponse, ApiError> {
    // By way of a map: a list would be taken for the object's values in their order.
    let credential = |_: &App, members: Map<String, Value>, _: &mut Remarks| typed::<ActivationRequest>(members);
    let credential = read_json(&app, &request, body, MAX_ACTIVATION_BYTES, credential).await?;
    app.activations.check().map_err(|_| ApiError::rate_limited())?;
    let answer = app.attestation.activate(credential).await?;
    Ok(HttpResponse::Ok().insert_header((CACHE_CONTROL, "no-store")).json(answer))
}

/// `GET /attestation/manifests/{sha256}`.
pub(crate) async fn manifest(app: web::Data<App>, digest: web::Path<String>) -> Result<HttpResponse, ApiError> {
    let digest = Sha256Digest::from_hex(&digest).map_err(|error| ApiError::invalid(error.to_string()).param("sha256"))?;
    let manifest = app.attestation.manifest(&digest).ok_or_else(|| ApiError::not_found("no such manifest"))?;
    Ok(HttpResponse::Ok().content_type(ContentType::json()).body(manifest))
}
