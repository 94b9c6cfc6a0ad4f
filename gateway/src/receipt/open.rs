//! A receipt between the head of the request and the last byte of the response.

use std::time::{SystemTime, UNIX_EPOCH};

use actix_web::{HttpMessage as _, HttpRequest, dev::ServiceRequest, http::StatusCode, web};
use blindllama_attest::{
    digest::Sha256Digest,
    receipt::{CompactReceipt, Receipt, ReceiptModel, UnsignableReceipt},
};

use super::{connection::take_number, request_hash::RequestHash, signer::ReceiptSigner};
use crate::{
    App,
    openai::{error::ApiError, usage::Usage},
    request_id::RequestId,
};

/// The longest method and the longest path with query, in bytes, that a receipt repeats: with these it stays well below
/// the size that verifiers read, whatever has to be escaped.
const MAX_METHOD_BYTES: usize = 32;
const MAX_PATH_BYTES: usize = 2048;

/// What is known of a receipt from the start. There is one for each response, and closing it uses it up.
pub(crate) struct OpenReceipt {
    app: web::Data<App>,
    signer: web::Data<ReceiptSigner>,
    method: String,
    path: String,
    request_id: RequestId,
    request_hash: RequestHash,
    /// The name of what answers: the served model's until the request has said another one.
    model: String,
    connection_sequence: u64,
    received_at: u64,
}

/// Token counts for the receipt of a whole response: its handler leaves them in the response's extensions.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct TokenCounts {
    /// Tokens of the prompt.
    pub(crate) prompt: Option<u64>,
    /// Tokens of the answer.
    pub(crate) completion: Option<u64>,
}

impl From<Usage> for TokenCounts {
    fn from(usage: Usage) -> Self {
        Self { prompt: u64::try_from(usage.prompt_tokens).ok(), completion: u64::try_from(usage.completion_tokens).ok() }
    }
}

/// Says which model's name the receipt of `request` will have, where it gets one.
pub(crate) fn name_model(request: &HttpRequest, name: &str) {
    if let Some(open) = request.extensions_mut().get_mut::<OpenReceipt>() {
        name.clone_into(&mut open.model);
    }
}

impl OpenReceipt {
    /// Opens the receipt of `request`, whose body is hashed from now on.
    ///
    /// # Errors
    /// 414 if method or path are longer than a receipt repeats.
    pub(super) fn open(
        app: web::Data<App>,
        signer: web::Data<ReceiptSigner>,
        request: &mut ServiceRequest,
    ) -> Result<Self, ApiError> {
        let received_at = unix_milliseconds();
        let unprepared = || ApiError::internal("a receipt was asked for where requests are neither named nor numbered");
        let connection_sequence = take_number(request.request()).ok_or_else(unprepared)?;
        let request_id = RequestId::of(request.request()).ok_or_else(unprepared)?;
        let (method, path) = (request.method().as_str(), path_with_query(request));
        if method.len() > MAX_METHOD_BYTES || path.len() > MAX_PATH_BYTES {
            return Err(ApiError::uri_too_long(MAX_PATH_BYTES, MAX_METHOD_BYTES));
        }
        let (method, path) = (method.to_owned(), path.to_owned());
        let request_hash = RequestHash::of(request);
        let model = app.model.name.clone();
        Ok(Self { app, signer, method, path, request_id, request_hash, model, connection_sequence, received_at })
    }

    /// Takes the receipt over from the middleware: whoever has it has to see to it that the response ends with it.
    ///
    /// # Errors
    /// 500 on a route that has no receipts.
    pub(super) fn take(request: &HttpRequest) -> Result<Self, ApiError> {
        let open = request.extensions_mut().remove::<Self>();
        open.ok_or_else(|| ApiError::internal("a stream was started on a route without receipts"))
    }

    /// Signs, now that the response is complete.
    ///
    /// # Errors
    /// [`UnsignableReceipt`] if no verifier could read it.
    pub(super) fn close(
        self,
        status: StatusCode,
        response_sha256: Sha256Digest,
        tokens: TokenCounts,
    ) -> Result<CompactReceipt, UnsignableReceipt> {
        let binding = self.app.attestation.binding();
        self.signer.sign(&Receipt {
            method: self.method,
            path: self.path,
            status: status.as_u16(),
            request_id: self.request_id.as_str().to_owned(),
            request_sha256: self.request_hash.digest(),
            response_sha256,
            binding_digest: binding.digest().digest(),
            model: ReceiptModel { name: self.model, weights_sha256: binding.model_sha256 },
            prompt_tokens: tokens.prompt,
            completion_tokens: tokens.completion,
            connection_sequence: self.connection_sequence,
            received_at: self.received_at,
            completed_at: unix_milliseconds(),
        })
    }
}

fn path_with_query(request: &ServiceRequest) -> &str {
    request.uri().path_and_query().map_or("", |path| path.as_str())
}

/// Unix time in milliseconds; 0 with a clock before 1970.
fn unix_milliseconds() -> u64 {
    let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX)
}
