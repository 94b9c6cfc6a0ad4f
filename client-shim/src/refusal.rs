//! Why a gateway was not verified. Whatever the reason, nothing was sent to it but a request for evidence.

use blindllama_attest::verify::VerifyError;
use http::StatusCode;

use crate::{client::ConnectError, timeouts::Timeouts};

/// One variant for each way not to become verified; [`Refusal::code`] is stable.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// No connection that could carry the request.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The evidence was not there in time.
    #[error("the gateway sent no complete evidence within {seconds} s", seconds = .0.evidence.as_secs_f32())]
    EvidenceTimedOut(Timeouts),
    /// The connection broke while the evidence was read, or the answer was no HTTP.
    #[error("the gateway's evidence could not be read: {0}")]
    EvidenceInterrupted(#[source] hyper::Error),
    /// The gateway answered, but not with evidence.
    #[error("the gateway answered the request for evidence with HTTP status {0}")]
    NoEvidence(StatusCode),
    /// The document is larger than any honest one.
    #[error("the gateway's evidence is larger than {0} bytes")]
    EvidenceTooLarge(usize),
    /// The gateway's TPM did not prove that it holds both keys.
    #[error("the credential activation failed: {0}")]
    NotActivated(String),
    /// The evidence did not pass.
    #[error("check {check} failed: {error}", check = .0.check(), error = .0)]
    Evidence(#[from] VerifyError),
    /// This machine could not make a nonce or a TLS set-up.
    #[error("this machine could not start a verification: {0}")]
    Local(String),
}

impl Refusal {
    /// The stable code: the verifier's own for evidence that did not pass.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Connect(ConnectError::Unreachable(_) | ConnectError::TimedOut(_))
            | Self::EvidenceTimedOut(_)
            | Self::EvidenceInterrupted(_) => GATEWAY_UNREACHABLE,
            Self::Connect(ConnectError::WrongKey) => "tls_key_changed",
            Self::Connect(ConnectError::Handshake(_)) => "tls_handshake_failed",
            Self::NoEvidence(_) => "evidence_unavailable",
            Self::EvidenceTooLarge(_) => "document_too_large",
            Self::NotActivated(_) => "ek_activation_failed",
            Self::Evidence(error) => error.code(),
            Self::Local(_) => "verification_not_possible",
        }
    }

    /// Whether there was nobody to judge, rather than somebody who did not pass.
    #[must_use]
    pub fn is_unreachable(&self) -> bool {
        self.code() == GATEWAY_UNREACHABLE
    }

    /// Whether time ran out.
    #[must_use]
    pub const fn is_timeout(&self) -> bool {
        matches!(self, Self::EvidenceTimedOut(_) | Self::Connect(ConnectError::TimedOut(_)))
    }
}

/// The code of every way in which there is no gateway to talk to.
pub const GATEWAY_UNREACHABLE: &str = "gateway_unreachable";
