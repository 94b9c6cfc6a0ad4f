//! The gateway's identity: keys that are made in this process and never leave it.

use std::sync::Arc;

use blindllama_attest::digest::Sha256Digest;
use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256, PublicKeyData as _};
use rustls::{
    ServerConfig,
    crypto::ring,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
    server::NoServerSessionStorage,
    sign::{CertifiedKey, SingleCertAndKey},
};
use zeroize::Zeroize as _;

use crate::{receipt::ReceiptSigner, responses::ReasoningSeal};

/// The name in the certificate. Clients do not look at names: they pin the key that the evidence names.
const CERTIFICATE_NAME: &str = "blindllama-gateway";

/// The keys of one launch: TLS, receipts, and thoughts that clients carry.
///
/// No key is ever written anywhere; a restarted gateway is another identity and has to be attested anew.
pub struct ServerIdentity {
    certified_key: Arc<CertifiedKey>,
    tls_spki_sha256: Sha256Digest,
    receipt_signer: Arc<ReceiptSigner>,
    reasoning_seal: Arc<ReasoningSeal>,
}

/// The keys could not be made.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// The operating system gave no random bytes.
    #[error("the operating system gives no random bytes: {0}")]
    Random(#[from] getrandom::Error),
    /// The TLS key or its certificate could not be made.
    #[error("the TLS certificate cannot be made: {0}")]
    Certificate(#[from] rcgen::Error),
    /// The TLS library refused the key.
    #[error("the TLS library refuses the key: {0}")]
    Tls(#[from] rustls::Error),
}

impl ServerIdentity {
    /// Makes fresh keys: ECDSA P-256 in a self-signed certificate for TLS, Ed25519 (RFC 8032) for receipts, AES-256 for thoughts.
    ///
    /// # Errors
    /// [`IdentityError`] if the operating system gives no random bytes or a library refuses the key.
    pub fn generate() -> Result<Self, IdentityError> {
        let mut key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let certificate = CertificateParams::new(vec![CERTIFICATE_NAME.to_owned()])?.self_signed(&key)?;
        let tls_spki_sha256 = Sha256Digest::of(&[&key.subject_public_key_info()]);
        let signer = ring::sign::any_ecdsa_type(&PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialized_der())));
        key.zeroize();
        let certified_key = Arc::new(CertifiedKey::new(vec![certificate.der().clone()], signer?));
        let receipt_signer = Arc::new(ReceiptSigner::generate()?);
        let reasoning_seal = Arc::new(ReasoningSeal::generate()?);
        Ok(Self { certified_key, tls_spki_sha256, receipt_signer, reasoning_seal })
    }

    /// SHA-256 of the TLS key's SubjectPublicKeyInfo in DER (RFC 5280, section 4.1.2.7).
    #[must_use]
    pub const fn tls_spki_sha256(&self) -> Sha256Digest {
        self.tls_spki_sha256
    }

    /// The Ed25519 key that receipts can be checked with.
    #[must_use]
    pub fn receipt_public_key(&self) -> [u8; 32] {
        self.receipt_signer.public_key()
    }

    /// The private half of [`Self::receipt_public_key`], for the server.
    pub(crate) fn receipt_signer(&self) -> Arc<ReceiptSigner> {
        Arc::clone(&self.receipt_signer)
    }

    /// The key for thoughts that clients carry.
    pub(crate) fn reasoning_seal(&self) -> Arc<ReasoningSeal> {
        Arc::clone(&self.reasoning_seal)
    }

    /// TLS 1.3 only: without tickets, resumption or early data, so that each connection proves the key anew.
    ///
    /// # Errors
    /// [`rustls::Error`] if the provider lacks TLS 1.3, which it does not.
    pub fn rustls_config(&self) -> Result<ServerConfig, rustls::Error> {
        let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(SingleCertAndKey::from(Arc::clone(&self.certified_key))));
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        config.max_early_data_size = 0;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(config)
    }
}

impl std::fmt::Debug for ServerIdentity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ServerIdentity").field("tls_spki_sha256", &self.tls_spki_sha256).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use rustls::server::ParsedCertificate;

    use super::*;

    #[test]
    fn the_digest_is_that_of_the_certificates_key() {
        let identity = ServerIdentity::generate().unwrap();
        let certificate = identity.certified_key.end_entity_cert().unwrap();
        let spki = ParsedCertificate::try_from(certificate).unwrap().subject_public_key_info();
        assert_eq!(identity.tls_spki_sha256(), Sha256Digest::of(&[spki.as_ref()]));
    }

    #[test]
    fn each_identity_is_another() {
        let (one, other) = (ServerIdentity::generate().unwrap(), ServerIdentity::generate().unwrap());
        assert_ne!(one.tls_spki_sha256(), other.tls_spki_sha256());
        assert_ne!(one.receipt_public_key(), other.receipt_public_key());
    }

    #[test]
    fn nothing_is_resumed_and_nothing_comes_early() {
        let config = ServerIdentity::generate().unwrap().rustls_config().unwrap();
        assert_eq!((config.send_tls13_tickets, config.max_early_data_size), (0, 0));
        assert!(!config.session_storage.can_cache());
        assert!(!config.ticketer.enabled());
    }

    #[test]
    fn no_key_is_printed() {
        let identity = ServerIdentity::generate().unwrap();
        let expected = format!("ServerIdentity {{ tls_spki_sha256: {:?}, .. }}", identity.tls_spki_sha256());
        assert_eq!(format!("{identity:?}"), expected);
    }
}
