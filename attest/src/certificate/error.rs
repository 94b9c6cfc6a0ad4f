//! Why a chain is refused.

use std::{fmt, time::Duration};

use x509_cert::der::{DateTime, asn1::ObjectIdentifier};

use super::Certificate;
use crate::verify::UnixTime;

/// Which certificate an error is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position {
    /// Its place in the chain: 0 is the leaf; a root that the chain leaves out stands after its last certificate.
    pub index: usize,
    /// Its subject, printable and short.
    pub subject: String,
}

/// A chain that does not lead its leaf to a pinned root.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChainError {
    /// There is no certificate.
    #[error("the certificate chain is empty")]
    Empty,
    /// There are too many.
    #[error("the certificate chain has {found} certificates; at most {limit} are read")]
    TooLong {
        /// How many there are.
        found: usize,
        /// How many are read.
        limit: usize,
    },
    /// The chain ends elsewhere than at, or right below, a pinned root.
    #[error(
        "{at} is no pinned root, and no pinned root is called {issuer}, which issued it; \
         complete the chain, or pin its root if you trust it"
    )]
    RootNotTrusted {
        /// The chain's last certificate.
        at: Position,
        /// Its issuer.
        issuer: String,
    },
    /// Two certificates that follow each other do not belong together.
    #[error("{at} was issued by {issuer}, but {next} comes next; order the chain leaf first, each followed by its issuer")]
    IssuerMismatch {
        /// The issued certificate.
        at: Position,
        /// Its issuer.
        issuer: String,
        /// The certificate that should be the issuer's.
        next: Position,
    },
    /// The issuer did not sign the certificate.
    #[error("{at} is not signed by the key of its issuer {issuer}: it was changed, or is from another issuer of that name")]
    SignatureInvalid {
        /// The certificate.
        at: Position,
        /// The issuer's certificate.
        issuer: Position,
    },
    /// An algorithm or key that is not checked, SHA-1 among them.
    #[error("the signature of {at} cannot be checked: {reason}")]
    SignatureUnsupported {
        /// The certificate.
        at: Position,
        /// What is not supported.
        reason: String,
    },
    /// Its time has not come.
    #[error("{at} is not valid before {}, and the time is {}", Rfc3339(*.not_before), Rfc3339(*.time))]
    NotYetValid {
        /// The certificate.
        at: Position,
        /// The first second of its validity.
        not_before: UnixTime,
        /// The time of the check.
        time: UnixTime,
    },
    /// Its time is over.
    #[error("{at} is not valid after {}, and the time is {}", Rfc3339(*.not_after), Rfc3339(*.time))]
    Expired {
        /// The certificate.
        at: Position,
        /// The last second of its validity.
        not_after: UnixTime,
        /// The time of the check.
        time: UnixTime,
    },
    /// A critical extension that the check does not understand, such as name constraints.
    #[error("{at} has the critical extension {oid}, which is not understood; such a certificate must not be used")]
    CriticalExtension {
        /// The certificate.
        at: Position,
        /// The extension.
        oid: ObjectIdentifier,
    },
    /// A certificate of version 1 that is not the pinned root.
    #[error("{at} is of version 1; only a pinned root may be")]
    Version {
        /// The certificate.
        at: Position,
    },
    /// An issuer that is no certificate authority.
    #[error("{at} issued a certificate, but its basicConstraints do not make it a certificate authority")]
    NotACa {
        /// The issuer.
        at: Position,
    },
    /// A leaf that is a certificate authority.
    #[error("{at} is a certificate authority; a TPM key's certificate must not be")]
    LeafIsACa {
        /// The leaf.
        at: Position,
    },
    /// Too many certificates between an authority and the leaf.
    #[error("{at} allows {limit} intermediate certificates below it; there are {found}")]
    PathTooLong {
        /// The authority.
        at: Position,
        /// Its pathLenConstraint.
        limit: u8,
        /// Intermediate certificates below it, self-issued ones aside.
        found: usize,
    },
    /// The keyUsage does not allow what the key is used for.
    #[error("{at} has no keyUsage {missing}, which its place in the chain needs")]
    KeyUsage {
        /// The certificate.
        at: Position,
        /// The usage's name in RFC 5280.
        missing: &'static str,
    },
    /// The extendedKeyUsage does not allow the leaf's role.
    #[error("{at} {problem}")]
    ExtendedKeyUsage {
        /// The leaf.
        at: Position,
        /// What is wrong with it.
        problem: &'static str,
    },
}

impl ChainError {
    /// The failure's stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Empty => "certificate_chain_empty",
            Self::TooLong { .. } => "certificate_chain_too_long",
            Self::RootNotTrusted { .. } => "certificate_root_not_trusted",
            Self::IssuerMismatch { .. } => "certificate_issuer_mismatch",
            Self::SignatureInvalid { .. } => "certificate_signature_invalid",
            Self::SignatureUnsupported { .. } => "certificate_signature_unsupported",
            Self::NotYetValid { .. } => "certificate_not_yet_valid",
            Self::Expired { .. } => "certificate_expired",
            Self::CriticalExtension { .. } => "certificate_critical_extension",
            Self::Version { .. } => "certificate_version",
            Self::NotACa { .. } => "certificate_not_a_ca",
            Self::LeafIsACa { .. } => "certificate_leaf_is_a_ca",
            Self::PathTooLong { .. } => "certificate_path_too_long",
            Self::KeyUsage { .. } => "certificate_key_usage",
            Self::ExtendedKeyUsage { .. } => "certificate_extended_key_usage",
        }
    }
}

impl Position {
    pub(super) fn new(index: usize, certificate: &Certificate) -> Self {
        Self { index, subject: certificate.subject() }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "certificate {} ({})", self.index, self.subject)
    }
}

/// A time as people read it; seconds where the calendar of certificates ends.
struct Rfc3339(UnixTime);

impl fmt::Display for Rfc3339 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let UnixTime(seconds) = self.0;
        match DateTime::from_unix_duration(Duration::from_secs(seconds)) {
            Ok(time) => time.fmt(f),
            Err(_) => write!(f, "{seconds} seconds after 1970"),
        }
    }
}
