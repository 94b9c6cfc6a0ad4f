//! `blindllama receipt verify`: what a gateway signed, held against what was sent and received.

use std::{
    borrow::Cow,
    fs, io,
    path::{Path, PathBuf},
};

use blindllama_attest::{
    digest::{InvalidDigest, Sha256Digest},
    evidence::{EvidenceDocument, InvalidDocument, encoding::Base64Array},
    receipt::{ExpectedReceipt, Receipt, ReceiptError, VerifiedReceipt, split_stream, verify_receipt},
};
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::{
    Outcome, report,
    style::{self, Style},
    text::printable,
};
use crate::saved_evidence::SavedEvidence;

/// What every compact JWS begins with: `{"` in base64url.
const JWS_START: &str = "eyJ";

const EXIT_STATUS: &str = "Exit status: 0 verified, 1 the receipt was refused, 2 wrong usage, 5 a file cannot be used.";

#[derive(Debug, Args)]
pub(super) struct ReceiptOptions {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Check that a gateway signed this response to this request.
    #[command(after_help = EXIT_STATUS)]
    Verify(VerifyOptions),
}

#[derive(Debug, Args)]
struct VerifyOptions {
    /// The body of the request, as it was sent.
    #[arg(long, value_name = "FILE")]
    request: PathBuf,
    /// The body of the response, as it was received.
    #[arg(long, value_name = "FILE")]
    response: PathBuf,
    /// The receipt or a file with it: the response's x-blindllama-receipt. A streamed response has it inside: leave this out.
    #[arg(long, value_name = "FILE|JWS")]
    receipt: Option<PathBuf>,
    /// The gateway's evidence, as `evidence fetch` saved it, or the document itself: the key and the binding are taken from it.
    #[arg(long, value_name = "FILE", required_unless_present = "public_key", conflicts_with_all = ["public_key", "binding"])]
    evidence: Option<PathBuf>,
    /// The binding's receipt_public_key.
    #[arg(long, value_name = "BASE64", value_parser = public_key, requires = "binding")]
    public_key: Option<[u8; 32]>,
    /// The digest of the binding, as in the response's x-blindllama-binding.
    #[arg(long, value_name = "SHA256", value_parser = binding_digest, requires = "public_key")]
    binding: Option<Sha256Digest>,
    /// The request's method.
    #[arg(long, default_value = "POST")]
    method: String,
    /// The request's path, with the query if it had one.
    #[arg(long, default_value = "/v1/chat/completions")]
    path: String,
    /// The response's status.
    #[arg(long, default_value_t = 200)]
    status: u16,
    /// The response's x-request-id.
    #[arg(long, value_name = "ID")]
    request_id: Option<String>,
    /// Print one JSON object instead of text.
    #[arg(long)]
    json: bool,
}

/// Something to check, and something to check it with.
struct Exchange {
    request: Vec<u8>,
    response: Vec<u8>,
    /// `None` where the response has it inside.
    receipt: Option<String>,
    public_key: [u8; 32],
    binding_digest: Sha256Digest,
}

/// A file or an option cannot be used; nothing is said about the receipt.
#[derive(Debug, thiserror::Error)]
enum Unusable {
    #[error("{}: {source}", path.display())]
    File { path: PathBuf, source: io::Error },
    #[error("{}: {source}", path.display())]
    Evidence { path: PathBuf, source: InvalidDocument },
    #[error("there is no key: give --evidence, or --public-key and --binding")]
    NoKey,
}

pub(super) fn run(options: ReceiptOptions) -> Outcome {
    let Action::Verify(options) = options.action;
    let exchange = match Exchange::read(&options) {
        Ok(exchange) => exchange,
        Err(error) => return report::failure("the receipt cannot be checked", &error, Outcome::Local),
    };
    let verdict = exchange.verify(&options);
    report::say(&match &verdict {
        _ if options.json => format!("{:#}", as_json(&verdict)),
        Ok(receipt) => as_text(receipt.claims(), options.evidence.as_deref(), style::for_stdout()),
        Err(error) => format!("{} {error} ({})", style::for_stdout().bad("Not verified:"), error.code()),
    });
    if verdict.is_ok() { Outcome::Verified } else { Outcome::Refused }
}

impl Exchange {
    fn read(options: &VerifyOptions) -> Result<Self, Unusable> {
        let (public_key, binding_digest) = match (&options.evidence, options.public_key, options.binding) {
            (Some(path), _, _) => signer_of(path)?,
            (None, Some(public_key), Some(binding)) => (public_key, binding),
            _ => return Err(Unusable::NoKey),
        };
        let receipt = options.receipt.as_deref().map(read_receipt).transpose()?;
        Ok(Self { request: read(&options.request)?, response: read(&options.response)?, receipt, public_key, binding_digest })
    }

    fn verify(&self, options: &VerifyOptions) -> Result<VerifiedReceipt, ReceiptError> {
        let (hashed, jws) = match &self.receipt {
            Some(receipt) => (self.response.as_slice(), receipt.as_str()),
            None => split_stream(&self.response).map(|split| (split.hashed, split.jws))?,
        };
        let expected = ExpectedReceipt {
            method: &options.method,
            path: &options.path,
            status: options.status,
            request_id: options.request_id.as_deref(),
            request_sha256: Sha256Digest::of(&[&self.request]),
            response_sha256: Sha256Digest::of(&[hashed]),
            binding_digest: self.binding_digest,
        };
        verify_receipt(jws, &self.public_key, &expected)
    }
}

fn read(path: &Path) -> Result<Vec<u8>, Unusable> {
    fs::read(path).map_err(|source| Unusable::File { path: path.to_owned(), source })
}

/// The receipt itself, or the file that has it.
fn read_receipt(given: &Path) -> Result<String, Unusable> {
    let text = match given.to_str() {
        Some(jws) if jws.starts_with(JWS_START) => Cow::Borrowed(jws.as_bytes()),
        _ => Cow::Owned(read(given)?),
    };
    Ok(String::from_utf8_lossy(text.trim_ascii_end()).into_owned())
}

fn signer_of(evidence: &Path) -> Result<([u8; 32], Sha256Digest), Unusable> {
    let bytes = read(evidence)?;
    let document = SavedEvidence::parse(&bytes).map_or(bytes, |saved| saved.document().to_vec());
    let document =
        EvidenceDocument::parse(&document).map_err(|source| Unusable::Evidence { path: evidence.to_owned(), source })?;
    Ok((*document.binding.receipt_public_key.as_bytes(), document.binding.digest().digest()))
}

fn public_key(text: &str) -> Result<[u8; 32], String> {
    let Base64Array(key) = serde_json::from_value(Value::from(text)).map_err(|error| format!("no Ed25519 key: {error}"))?;
    Ok(key)
}

fn binding_digest(text: &str) -> Result<Sha256Digest, InvalidDigest> {
    Sha256Digest::from_hex(text.strip_prefix("sha256:").unwrap_or(text))
}

fn as_json(verdict: &Result<VerifiedReceipt, ReceiptError>) -> Value {
    match verdict {
        Ok(receipt) => json!({"verified": true, "code": "verified", "receipt": receipt.claims()}),
        Err(error) => json!({"verified": false, "code": error.code(), "message": error.to_string()}),
    }
}

fn as_text(receipt: &Receipt, evidence: Option<&Path>, style: Style) -> String {
    let Receipt { method, path, status, request_id, request_sha256, response_sha256, model, .. } = receipt;
    let body = request_sha256.map_or_else(|| "its body was not read".to_owned(), |digest| format!("sha256:{digest}"));
    let tokens = |count: Option<u64>| count.map_or_else(|| "none counted".to_owned(), |count| count.to_string());
    let lines = [
        format!("{} the gateway gave this response to this request.", style.good("Verified:")),
        format!("  request     {method} {path}, {body}"),
        format!("  response    {status}, sha256:{response_sha256}"),
        format!("  request id  {request_id}"),
        format!("  model       {}, weights sha256:{}", model.name, model.weights_sha256),
        format!("  binding     sha256:{}", receipt.binding_digest),
        format!("  tokens      prompt {}, completion {}", tokens(receipt.prompt_tokens), tokens(receipt.completion_tokens)),
        format!("  connection  request {} on it, counted from 0", receipt.connection_sequence),
        format!("  times       {} to {}, Unix milliseconds by the gateway's clock", receipt.received_at, receipt.completed_at),
        match evidence {
            Some(file) => format!(
                "The key was taken from {} as it is: whether that evidence holds, `blindllama verify` says.",
                file.display()
            ),
            None => "Whether the key is an attested gateway's, `blindllama verify` says.".to_owned(),
        },
    ];
    lines.map(|line| printable(&line)).join("\n")
}
