//! Why evidence was refused: one stable code for each failure.

use super::{ApplicationLogMismatch, BindingNotMeasured, BootLogError, NotAllowed, PcrError, SessionError, TrustError};
use crate::{
    application::{ApplicationLogError, Part},
    digest::Sha256Digest,
    evidence::InvalidDocument,
    firmware::FirmwareLogError,
    nonce::{InvalidNonceProof, Nonce},
    tpm::{AkError, QuoteError, SignatureError},
};

/// The first check that failed. Its text is for people; programs go by [`VerifyError::code`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VerifyError {
    /// Check 1: size and syntax.
    #[error(transparent)]
    Document(#[from] InvalidDocument),
    /// Check 2: version.
    #[error("the evidence is of version {found}, and this program reads version 1; use a program of the gateway's release")]
    UnsupportedVersion {
        /// The document's version.
        found: u32,
    },
    /// Check 3: the nonce.
    #[error(
        "the evidence answers another nonce than {sent:?}, which was sent with this request: it was made for somebody \
         else, or earlier"
    )]
    NonceMismatch {
        /// The verifier's nonce.
        sent: Nonce,
        /// The document's nonce, if it has one.
        found: Option<Nonce>,
    },
    /// Check 4: the attestation key.
    #[error(transparent)]
    AttestationKey(#[from] AkError),
    /// Check 5: trust in the key.
    #[error(transparent)]
    Trust(#[from] TrustError),
    /// Check 6: the signature.
    #[error(transparent)]
    Signature(#[from] SignatureError),
    /// Check 7: magic and type.
    #[error(transparent)]
    Quote(#[from] QuoteError),
    /// Check 8: the nonce's place in the quote's tree.
    #[error(transparent)]
    NonceProof(#[from] InvalidNonceProof),
    /// Check 8: the quote is about something else.
    #[error(
        "the quote's qualifyingData is not {expected}, which follows from the nonce, its proof and the binding: the \
         quote is old, or the binding was changed"
    )]
    QualifyingDataMismatch {
        /// What it had to be.
        expected: Sha256Digest,
    },
    /// Checks 9 and 10: the PCRs.
    #[error(transparent)]
    Pcrs(#[from] PcrError),
    /// Check 11: the boot logs.
    #[error(transparent)]
    BootLog(#[from] BootLogError),
    /// Check 12: the application log.
    #[error(transparent)]
    ApplicationLog(#[from] ApplicationLogError),
    /// Check 12: the application log and the PCRs.
    #[error(transparent)]
    ApplicationLogMismatch(#[from] ApplicationLogMismatch),
    /// Check 13: the binding and the last launch.
    #[error(transparent)]
    BindingNotMeasured(#[from] BindingNotMeasured),
    /// Check 14: the policy.
    #[error(transparent)]
    NotAllowed(#[from] NotAllowed),
    /// Checks 15 and 16: this connection, now.
    #[error(transparent)]
    Session(#[from] SessionError),
}

impl VerifyError {
    /// Every code, with the number of its check. Codes are never reused for something else.
    pub const CODES: [(u8, &'static str); 72] = [
        (1, "document_too_large"),
        (1, "document_malformed"),
        (2, "unsupported_version"),
        (3, "nonce_mismatch"),
        (4, "ak_malformed"),
        (4, "ak_unsupported"),
        (4, "ak_not_restricted_signing"),
        (4, "ak_not_on_curve"),
        (4, "ak_weak_rsa_key"),
        (5, "certificate_malformed"),
        (5, "certificate_chain_too_long"),
        (5, "certificate_root_not_trusted"),
        (5, "certificate_issuer_mismatch"),
        (5, "certificate_signature_invalid"),
        (5, "certificate_signature_unsupported"),
        (5, "certificate_not_yet_valid"),
        (5, "certificate_expired"),
        (5, "certificate_critical_extension"),
        (5, "certificate_version"),
        (5, "certificate_not_a_ca"),
        (5, "certificate_leaf_is_a_ca"),
        (5, "certificate_path_too_long"),
        (5, "certificate_key_usage"),
        (5, "certificate_extended_key_usage"),
        (5, "certificate_of_another_key"),
        (5, "ek_not_activated"),
        (5, "ek_activation_of_another_key"),
        (5, "machine_not_listed"),
        (5, "ak_not_trusted"),
        (5, "software_tpm_not_allowed"),
        (6, "signature_malformed"),
        (6, "signature_unsupported"),
        (6, "signature_scheme_mismatch"),
        (6, "signature_invalid"),
        (7, "quote_malformed"),
        (7, "quote_not_made_by_tpm"),
        (7, "not_a_quote"),
        (8, "nonce_proof_malformed"),
        (8, "qualifying_data_mismatch"),
        (9, "pcr_bank_not_supported"),
        (9, "sha1_bank_not_allowed"),
        (9, "pcr_selection_mismatch"),
        (9, "pcr_not_quoted"),
        (10, "pcr_digest_mismatch"),
        (11, "systemd_log_not_supported"),
        (11, "firmware_log_not_expected"),
        (11, "firmware_log_missing"),
        (11, "firmware_log_malformed"),
        (11, "firmware_log_sha1_only"),
        (11, "firmware_log_without_bank"),
        (11, "firmware_log_mismatch"),
        (12, "event_digest_mismatch"),
        (12, "application_log_mismatch"),
        (12, "application_log_malformed"),
        (12, "launch_incomplete"),
        (12, "extended_after_seal"),
        (13, "binding_not_measured"),
        (14, "pcr_not_allowed"),
        (14, "self_reported_not_allowed"),
        (14, "gateway_binary_not_allowed"),
        (14, "engine_packages_not_allowed"),
        (14, "config_not_allowed"),
        (14, "launch_not_allowed"),
        (14, "model_weights_not_allowed"),
        (14, "chat_template_not_allowed"),
        (14, "release_not_serving"),
        (14, "past_launch_not_allowed"),
        (15, "tls_key_mismatch"),
        (16, "evidence_too_old"),
        (16, "attestation_key_changed"),
        (16, "tpm_was_reset"),
        (16, "tpm_clock_went_back"),
    ];

    /// The failure's stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Document(InvalidDocument::TooLarge { .. }) => "document_too_large",
            Self::Document(InvalidDocument::Malformed { .. }) => "document_malformed",
            Self::UnsupportedVersion { .. } => "unsupported_version",
            Self::NonceMismatch { .. } => "nonce_mismatch",
            Self::AttestationKey(error) => error.code(),
            Self::Trust(error) => trust_code(error),
            Self::Signature(error) => error.code(),
            Self::Quote(error) => error.code(),
            Self::NonceProof(InvalidNonceProof) => "nonce_proof_malformed",
            Self::QualifyingDataMismatch { .. } => "qualifying_data_mismatch",
            Self::Pcrs(error) => pcr_code(error),
            Self::BootLog(error) => boot_log_code(error),
            Self::ApplicationLog(error) => application_log_code(error),
            Self::ApplicationLogMismatch(_) => "application_log_mismatch",
            Self::BindingNotMeasured(_) => "binding_not_measured",
            Self::NotAllowed(error) => not_allowed_code(error),
            Self::Session(error) => session_code(error),
        }
    }

    /// The number of the check that failed, 1 to 16.
    #[must_use]
    pub const fn check(&self) -> u8 {
        match self {
            Self::Document(_) => 1,
            Self::UnsupportedVersion { .. } => 2,
            Self::NonceMismatch { .. } => 3,
            Self::AttestationKey(_) => 4,
            Self::Trust(_) => 5,
            Self::Signature(_) => 6,
            Self::Quote(_) => 7,
            Self::NonceProof(_) | Self::QualifyingDataMismatch { .. } => 8,
            Self::Pcrs(PcrError::DigestMismatch { .. }) => 10,
            Self::Pcrs(_) => 9,
            Self::BootLog(_) => 11,
            Self::ApplicationLog(_) | Self::ApplicationLogMismatch(_) => 12,
            Self::BindingNotMeasured(_) => 13,
            Self::NotAllowed(_) => 14,
            Self::Session(SessionError::TlsKeyMismatch { .. }) => 15,
            Self::Session(_) => 16,
        }
    }
}

const fn trust_code(error: &TrustError) -> &'static str {
    match error {
        TrustError::Malformed { .. } => "certificate_malformed",
        TrustError::Chain { reason, .. } => reason.code(),
        TrustError::CertificateOfAnotherKey { .. } => "certificate_of_another_key",
        TrustError::NotActivated { .. } => "ek_not_activated",
        TrustError::ActivatedAnother { .. } => "ek_activation_of_another_key",
        TrustError::MachineNotListed { .. } => "machine_not_listed",
        TrustError::NotTrusted { .. } => "ak_not_trusted",
        TrustError::SoftwareTpmNotAllowed { .. } => "software_tpm_not_allowed",
    }
}

const fn pcr_code(error: &PcrError) -> &'static str {
    match error {
        PcrError::BankNotSupported { .. } => "pcr_bank_not_supported",
        PcrError::Sha1BankNotAllowed { .. } => "sha1_bank_not_allowed",
        PcrError::SelectionMismatch { .. } => "pcr_selection_mismatch",
        PcrError::NotQuoted { .. } => "pcr_not_quoted",
        PcrError::DigestMismatch { .. } => "pcr_digest_mismatch",
    }
}

const fn boot_log_code(error: &BootLogError) -> &'static str {
    match error {
        BootLogError::SystemdLogNotSupported => "systemd_log_not_supported",
        BootLogError::FirmwareLogNotExpected { .. } => "firmware_log_not_expected",
        BootLogError::FirmwareLogMissing { .. } => "firmware_log_missing",
        BootLogError::FirmwareLog(FirmwareLogError::Malformed(_)) => "firmware_log_malformed",
        BootLogError::FirmwareLog(FirmwareLogError::Sha1Only { .. }) => "firmware_log_sha1_only",
        BootLogError::FirmwareLog(FirmwareLogError::NoSuchBank { .. }) => "firmware_log_without_bank",
        BootLogError::FirmwareLogMismatch { .. } => "firmware_log_mismatch",
    }
}

const fn application_log_code(error: &ApplicationLogError) -> &'static str {
    match error {
        ApplicationLogError::EventDigestMismatch { .. } => "event_digest_mismatch",
        ApplicationLogError::NoCanonicalForm { .. } | ApplicationLogError::Malformed { .. } => "application_log_malformed",
        ApplicationLogError::LaunchIncomplete { .. } => "launch_incomplete",
        ApplicationLogError::ExtendedAfterSeal { .. } => "extended_after_seal",
    }
}

const fn not_allowed_code(error: &NotAllowed) -> &'static str {
    match error {
        NotAllowed::Pcr { .. } => "pcr_not_allowed",
        NotAllowed::SelfReported { .. } => "self_reported_not_allowed",
        NotAllowed::Part { part: Part::GatewayBinary, .. } => "gateway_binary_not_allowed",
        NotAllowed::Part { part: Part::EnginePackages, .. } => "engine_packages_not_allowed",
        NotAllowed::Part { part: Part::Launch, .. } => "launch_not_allowed",
        NotAllowed::Part { part: Part::ChatTemplate, .. } => "chat_template_not_allowed",
        NotAllowed::Part { part: Part::Config, .. } => "config_not_allowed",
        NotAllowed::Part { part: Part::ModelWeights, .. } => "model_weights_not_allowed",
        NotAllowed::NotServing { .. } | NotAllowed::NothingServes => "release_not_serving",
        NotAllowed::PastLaunch { .. } => "past_launch_not_allowed",
    }
}

const fn session_code(error: &SessionError) -> &'static str {
    match error {
        SessionError::TlsKeyMismatch { .. } => "tls_key_mismatch",
        SessionError::TooOld { .. } => "evidence_too_old",
        SessionError::AttestationKeyChanged { .. } => "attestation_key_changed",
        SessionError::TpmWasReset { .. } => "tpm_was_reset",
        SessionError::TpmClockWentBack { .. } => "tpm_clock_went_back",
    }
}
