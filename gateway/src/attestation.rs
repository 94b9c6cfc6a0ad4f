//! The seam to whatever makes evidence, and the routes that serve it.

use std::{future::Future, pin::Pin};

use actix_web::{
    HttpRequest, HttpResponse,
    http::header::{CACHE_CONTROL, ContentType},
    web,
};
use blindllama_attest::{binding::Binding, digest::Sha256Digest, evidence::EvidenceDocument, nonce::Nonce};
use bytes::Bytes;
use serde::Deserialize;

use crate::{App, openai::error::ApiError};

/// Evidence on its way.
pub type EvidenceFuture = Pin<Box<dyn Future<Output = Result<EvidenceDocument, AttestError>> + Send>>;

/// Proves what this gateway runs. Implemented over a TPM by the gateway's binary.
pub trait Attester: Send + Sync + 'static {
    /// Makes evidence for a verifier's nonce. Never blocks: the TPM has a thread of its own.
    fn evidence(&self, nonce: Nonce) -> EvidenceFuture;

    /// What evidence is bound to; it never changes while the gateway runs.
    fn binding(&self) -> &Binding;

    /// A manifest that the application log names by digest.
    fn manifest(&self, digest: &Sha256Digest) -> Option<Bytes>;
}

/// Why there is no evidence.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AttestError {
    /// Too many nonces wait for the TPM; try again.
    #[error("too many attestation requests are waiting")]
    Busy,
    /// The TPM failed; the text is for the log only.
    #[error("{0}")]
    Failed(String),
}

impl From<AttestError> for ApiError {
    fn from(error: AttestError) -> Self {
        match error {
            AttestError::Busy => Self::overloaded(),
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
    Ok(HttpResponse::Ok().insert_header((CACHE_CONTROL, "no-store")).json(evidence))
}

/// `GET /attestation/manifests/{sha256}`.
pub(crate) async fn manifest(app: web::Data<App>, digest: web::Path<String>) -> Result<HttpResponse, ApiError> {
    let digest = Sha256Digest::from_hex(&digest).map_err(|error| ApiError::invalid(error.to_string()).param("sha256"))?;
    let manifest = app.attestation.manifest(&digest).ok_or_else(|| ApiError::not_found("no such manifest"))?;
    Ok(HttpResponse::Ok().content_type(ContentType::json()).body(manifest))
}
