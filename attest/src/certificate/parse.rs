//! From bytes to a certificate, strictly.

use x509_cert::{
    Version,
    der::{self, Decode as _, Reader as _, SliceReader, TagMode, TagNumber, pem},
    spki::AlgorithmIdentifierOwned,
};

use super::{
    extensions::Extensions,
    key::{PublicKey, UnsupportedKey},
    name,
};
use crate::{digest::Sha256Digest, verify::UnixTime};

/// The largest certificate that is read, in bytes of DER.
pub const MAX_CERTIFICATE_BYTES: usize = 16 * 1024;

/// The largest PEM text that is read, in bytes: base64 of the largest certificate, line breaks, and a preamble.
const MAX_PEM_BYTES: usize = 2 * MAX_CERTIFICATE_BYTES;

/// An X.509 certificate, read to its last byte (RFC 5280, section 4.1).
///
/// It carries no trust: [`super::verify_chain`] gives it.
#[derive(Debug, Clone)]
pub struct Certificate {
    der: Vec<u8>,
    fields: RawFields,
    parsed: x509_cert::Certificate,
    signature: Vec<u8>,
    extensions: Extensions,
}

/// Fields as they stand in the certificate: signatures and comparisons are over these bytes, never over a second encoding.
#[derive(Debug, Clone)]
struct RawFields {
    tbs: Vec<u8>,
    issuer: Vec<u8>,
    subject: Vec<u8>,
    spki: Vec<u8>,
}

/// A certificate is its bytes.
impl PartialEq for Certificate {
    fn eq(&self, other: &Self) -> bool {
        self.der() == other.der()
    }
}

impl Eq for Certificate {}

/// The bytes are no certificate that is read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidCertificate {
    /// It is larger than any honest certificate.
    #[error("the certificate has {found} bytes; at most {limit} are read")]
    TooLarge {
        /// Its size in bytes.
        found: usize,
        /// How many are read.
        limit: usize,
    },
    /// It is no strict DER, no PEM, or breaks a rule of RFC 5280.
    #[error("the certificate is malformed: {0}")]
    Malformed(String),
}

impl InvalidCertificate {
    /// The failure's stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        "certificate_malformed"
    }
}

impl From<der::Error> for InvalidCertificate {
    fn from(error: der::Error) -> Self {
        malformed(&error.to_string())
    }
}

impl Certificate {
    /// Reads one certificate in DER; nothing may follow it.
    ///
    /// # Errors
    /// [`InvalidCertificate`] says what is wrong with it.
    pub fn parse_der(der: &[u8]) -> Result<Self, InvalidCertificate> {
        at_most(der.len(), MAX_CERTIFICATE_BYTES)?;
        let parsed = x509_cert::Certificate::from_der(der)?;
        let tbs = parsed.tbs_certificate();
        if tbs.signature() != parsed.signature_algorithm() {
            return Err(malformed("the signature algorithm inside the signed part differs from the one outside"));
        }
        let signature = parsed.signature().as_bytes().ok_or_else(|| malformed("its signature is no whole number of bytes"))?;
        check_version(tbs)?;
        Ok(Self {
            der: der.to_vec(),
            fields: RawFields::parse(der)?,
            signature: signature.to_vec(),
            extensions: Extensions::parse(tbs.extensions().map_or(&[][..], Vec::as_slice))?,
            parsed,
        })
    }

    /// Reads one certificate in PEM (RFC 7468, strict); a second block is an error.
    ///
    /// # Errors
    /// [`InvalidCertificate`] says what is wrong with it.
    pub fn parse_pem(text: &str) -> Result<Self, InvalidCertificate> {
        at_most(text.len(), MAX_PEM_BYTES)?;
        match pem::decode_vec(text.as_bytes()) {
            Ok(("CERTIFICATE", der)) => Self::parse_der(&der),
            Ok((label, _)) => Err(malformed(&format!("the PEM block is a {label}, not a CERTIFICATE"))),
            Err(error) => Err(malformed(&format!("this is not one PEM block: {error}"))),
        }
    }

    /// Reads a certificate from a TPM's NVRAM, where its area may be larger than the certificate: trailing bytes that are
    /// all `00` or `ff` are ignored, others are an error.
    ///
    /// # Errors
    /// [`InvalidCertificate`] says what is wrong with it.
    pub fn parse_nvram(area: &[u8]) -> Result<Self, InvalidCertificate> {
        at_most(area.len(), MAX_CERTIFICATE_BYTES)?;
        let mut reader = SliceReader::new(area)?;
        let der = reader.tlv_bytes()?;
        let padding = area.get(der.len()..).unwrap_or_default();
        if padding.iter().any(|byte| !matches!(byte, 0x00 | 0xff)) {
            return Err(malformed("what follows it in the NVRAM area is not padding"));
        }
        Self::parse_der(der)
    }

    /// The certificate's bytes.
    #[must_use]
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// SHA-256 of the whole certificate.
    #[must_use]
    pub fn sha256(&self) -> Sha256Digest {
        Sha256Digest::of(&[&self.der])
    }

    /// The SubjectPublicKeyInfo, byte for byte.
    #[must_use]
    pub fn spki_der(&self) -> &[u8] {
        &self.fields.spki
    }

    /// SHA-256 of [`Self::spki_der`]: what policies name a key by.
    #[must_use]
    pub fn spki_sha256(&self) -> Sha256Digest {
        Sha256Digest::of(&[&self.fields.spki])
    }

    /// The subject for people: printable and short, so two names may look the same.
    #[must_use]
    pub fn subject(&self) -> String {
        name::printable(self.parsed.tbs_certificate().subject())
    }

    /// The issuer for people: printable and short, so two names may look the same.
    #[must_use]
    pub fn issuer(&self) -> String {
        name::printable(self.parsed.tbs_certificate().issuer())
    }

    /// Whether subject, issuer or subjectAltName say that the TPM is a software TPM.
    ///
    /// That it does not say so proves nothing.
    #[must_use]
    pub fn names_software_tpm(&self) -> bool {
        let tbs = self.parsed.tbs_certificate();
        let alternative = &self.extensions.directory_names;
        [tbs.subject(), tbs.issuer()].into_iter().chain(alternative).any(name::names_software_tpm)
    }

    pub(crate) fn public_key(&self) -> Result<PublicKey, UnsupportedKey> {
        PublicKey::parse(self.parsed.tbs_certificate().subject_public_key_info())
    }

    pub(super) const fn extensions(&self) -> &Extensions {
        &self.extensions
    }

    pub(super) fn is_version_1(&self) -> bool {
        self.parsed.tbs_certificate().version() == Version::V1
    }

    pub(super) fn is_issued_under_the_name_of(&self, issuer: &Self) -> bool {
        self.fields.issuer == issuer.fields.subject
    }

    pub(super) fn signature_algorithm(&self) -> &AlgorithmIdentifierOwned {
        self.parsed.signature_algorithm()
    }

    pub(super) fn signed_part(&self) -> &[u8] {
        &self.fields.tbs
    }

    pub(super) fn signature(&self) -> &[u8] {
        &self.signature
    }

    pub(super) fn not_before(&self) -> UnixTime {
        UnixTime(self.parsed.tbs_certificate().validity().not_before.to_unix_duration().as_secs())
    }

    pub(super) fn not_after(&self) -> UnixTime {
        UnixTime(self.parsed.tbs_certificate().validity().not_after.to_unix_duration().as_secs())
    }
}

impl RawFields {
    /// Cuts the fields out of a certificate that is known to be well formed.
    fn parse(certificate: &[u8]) -> Result<Self, InvalidCertificate> {
        let tbs = SliceReader::new(certificate)?.sequence(|reader| {
            let tbs = reader.tlv_bytes()?;
            reader.drain(reader.remaining_len()).map(|()| tbs)
        })?;
        let mut reader = SliceReader::new(tbs)?;
        let [issuer, subject, spki] = reader.sequence(|reader| {
            let _version = reader.context_specific::<Version>(TagNumber(0), TagMode::Explicit)?;
            let [_serial, _signature, issuer, _validity, subject, spki] = [(); 6].map(|()| reader.tlv_bytes());
            let fields = [issuer?, subject?, spki?];
            reader.drain(reader.remaining_len()).map(|()| fields)
        })?;
        Ok(Self { tbs: tbs.to_vec(), issuer: issuer.to_vec(), subject: subject.to_vec(), spki: spki.to_vec() })
    }
}

/// Version 3, or a version 1 that has none of the later fields; RFC 5280 has no use for version 2.
fn check_version(tbs: &x509_cert::TbsCertificate) -> Result<(), InvalidCertificate> {
    let has_unique_ids = tbs.issuer_unique_id().is_some() || tbs.subject_unique_id().is_some();
    match (tbs.version(), tbs.extensions()) {
        (Version::V3, _) => Ok(()),
        (Version::V1, None) if !has_unique_ids => Ok(()),
        (Version::V1, _) => Err(malformed("it is of version 1, yet has fields of a later version")),
        (Version::V2, _) => Err(malformed("it is of version 2, which nobody issues")),
    }
}

const fn at_most(found: usize, limit: usize) -> Result<(), InvalidCertificate> {
    if found <= limit { Ok(()) } else { Err(InvalidCertificate::TooLarge { found, limit }) }
}

pub(super) fn malformed(reason: &str) -> InvalidCertificate {
    InvalidCertificate::Malformed(name::excerpt(reason))
}
