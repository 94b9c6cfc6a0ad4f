//! Answers to the HTTP server: evidence for nonces, activations, manifests.

use std::{collections::HashMap, sync::Arc};

use blindllama_attest::{
    binding::Binding,
    digest::Sha256Digest,
    evidence::{EventLogs, EvidenceDocument, TpmEvidence, VERSION, encoding::Base64Bytes},
    nonce::{self, Nonce, NonceProof},
    pcr_banks::PcrBanks,
};
use blindllama_attest_tpm::{Tpm, TpmError, launch::SealedLaunch};
use blindllama_gateway::attestation::{
    ActivationAnswer, ActivationFuture, ActivationRequest, AttestError, Attester, EvidenceFuture,
};
use bytes::Bytes;

use crate::evidence_parts::EvidenceParts;

/// Answers nonces with quotes. Everything that does not depend on the nonce was fixed when the launch was sealed.
pub struct TpmAttester {
    sealed: Arc<Sealed>,
    manifests: HashMap<Sha256Digest, Bytes>,
}

/// What evidence says about the origin of the TPM's keys, in DER, leaf first. A TPM whose maker gives no certificates has none.
#[derive(Debug, Clone, Default)]
pub struct Certificates {
    /// Of the attestation key.
    pub ak: Vec<Base64Bytes>,
    /// Of the endorsement key.
    pub ek: Vec<Base64Bytes>,
}

struct Sealed {
    tpm: Tpm,
    binding: Binding,
    parts: EvidenceParts,
    /// Keeps the log's lock.
    _launch: SealedLaunch,
}

impl TpmAttester {
    /// An attester for a sealed launch; `documents` are what the log's digests stand for: the manifest of the model and the
    /// effective configuration.
    ///
    /// # Errors
    /// Whatever the serialiser reports.
    pub fn new(
        tpm: Tpm,
        certificates: Certificates,
        binding: Binding,
        firmware_log: Option<Vec<u8>>,
        launch: SealedLaunch,
        documents: Vec<Vec<u8>>,
    ) -> serde_json::Result<Self> {
        let manifests = documents.into_iter().map(|bytes| (Sha256Digest::of(&[&bytes]), Bytes::from(bytes))).collect();
        let parts = EvidenceParts::new(&template(&tpm, certificates, &binding, firmware_log, &launch))?;
        Ok(Self { sealed: Arc::new(Sealed { tpm, binding, parts, _launch: launch }), manifests })
    }
}

/// The evidence, without nonce and quote.
fn template(
    tpm: &Tpm,
    certificates: Certificates,
    binding: &Binding,
    firmware_log: Option<Vec<u8>>,
    launch: &SealedLaunch,
) -> EvidenceDocument {
    let absent = || Base64Bytes(Vec::new());
    EvidenceDocument {
        version: VERSION,
        nonce: String::new(),
        binding: binding.clone(),
        nonce_proof: NonceProof::single(),
        tpm: TpmEvidence {
            quote: absent(),
            signature: absent(),
            ak_public: Base64Bytes(tpm.ak_public().to_vec()),
            ak_certificates: certificates.ak,
            ek_certificates: certificates.ek,
            pcrs: PcrBanks::default(),
        },
        event_log: EventLogs { firmware: firmware_log.map(Base64Bytes), systemd: None, application: launch.entries().to_vec() },
        tee: [],
    }
}

impl Sealed {
    async fn evidence(&self, nonce: Nonce) -> Result<Bytes, AttestError> {
        let leaf = nonce::leaf(&nonce, self.binding.digest());
        let (quote, proof) = self.tpm.quote(leaf).await.map_err(attest_error)?;
        let document = self.parts.document(&nonce, &proof, &quote);
        document.map(Bytes::from).map_err(|error| AttestError::Failed(error.to_string()))
    }

    async fn activate(&self, request: ActivationRequest) -> Result<ActivationAnswer, AttestError> {
        let ak_name = request.ak_name().map_err(|_| AttestError::ForeignName)?;
        let ActivationRequest { id_object, encrypted_secret, .. } = &request;
        let secret = self.tpm.activate(&ak_name, &id_object.0, &encrypted_secret.0).await.map_err(attest_error)?;
        Ok(ActivationAnswer { secret: Base64Bytes(secret.to_vec()) })
    }
}

fn attest_error(error: TpmError) -> AttestError {
    match error {
        TpmError::Busy => AttestError::Busy,
        TpmError::ForeignName => AttestError::ForeignName,
        TpmError::CredentialRefused => AttestError::CredentialRefused,
        error => AttestError::Failed(error.to_string()),
    }
}

impl Attester for TpmAttester {
    fn evidence(&self, nonce: Nonce) -> EvidenceFuture {
        let sealed = Arc::clone(&self.sealed);
        Box::pin(async move { sealed.evidence(nonce).await })
    }

    fn activate(&self, request: ActivationRequest) -> ActivationFuture {
        let sealed = Arc::clone(&self.sealed);
        Box::pin(async move { sealed.activate(request).await })
    }

    fn binding(&self) -> &Binding {
        &self.sealed.binding
    }

    fn manifest(&self, digest: &Sha256Digest) -> Option<Bytes> {
        self.manifests.get(digest).cloned()
    }
}
