//! The trusted authorities of one kind, with their certificates read.

use super::{Certifies, PolicyError, TrustedRoot};
use crate::certificate::Certificate;

/// The authorities that certify one sort of key.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Authorities {
    entries: Vec<TrustedRoot>,
    /// One for each entry, in the same order; an authority may have several entries.
    certificates: Vec<Certificate>,
}

impl Authorities {
    /// Reads the certificates of those entries that are about such keys.
    pub(super) fn new(roots: &[TrustedRoot], certifies: Certifies) -> Result<Self, PolicyError> {
        let mut authorities = Self::default();
        for (index, root) in roots.iter().enumerate().filter(|(_, root)| root.certifies == certifies) {
            let certificate = Certificate::parse_pem(&root.certificate).map_err(|error| PolicyError::Value {
                path: format!("trusted_root[{index}].certificate"),
                found: error.to_string(),
                expected: "it has to be exactly one X.509 certificate as PEM",
            })?;
            authorities.entries.push(root.clone());
            authorities.certificates.push(certificate);
        }
        Ok(authorities)
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The pinned certificates.
    #[must_use]
    pub fn certificates(&self) -> &[Certificate] {
        &self.certificates
    }

    /// The entries that pin this certificate.
    pub fn with_certificate(&self, certificate: &Certificate) -> impl Iterator<Item = &TrustedRoot> {
        let pairs = self.entries.iter().zip(&self.certificates);
        pairs.filter(move |(_, pinned)| *pinned == certificate).map(|(entry, _)| entry)
    }
}
