//! Evidence for the HTTP server: the TPM's quote put together with the log and the binding.

use std::{collections::HashMap, sync::Arc};

use actix_web::web::Bytes;
use blindllama_attest::{
    binding::Binding,
    digest::Sha256Digest,
    evidence::{EventLogs, EvidenceDocument, TpmEvidence, VERSION, encoding::Base64Bytes},
    nonce::{self, Nonce, NonceProof},
    pcr_banks::PcrBanks,
};
use blindllama_attest_tpm::{Tpm, TpmError, launch::SealedLaunch};
use blindllama_gateway::attestation::{AttestError, Attester, EvidenceFuture};

/// Answers nonces with quotes. Everything that does not depend on the nonce was fixed when the launch was sealed.
pub(crate) struct TpmAttester {
    sealed: Arc<Sealed>,
    manifests: HashMap<Sha256Digest, Bytes>,
}

struct Sealed {
    tpm: Tpm,
    binding: Binding,
    firmware_log: Option<Vec<u8>>,
    launch: SealedLaunch,
}

impl TpmAttester {
    /// An attester for a sealed launch; `documents` are what the log's digests stand for: the manifest of the model and the
    /// effective configuration.
    pub(crate) fn new(
        tpm: Tpm,
        binding: Binding,
        firmware_log: Option<Vec<u8>>,
        launch: SealedLaunch,
        documents: Vec<Vec<u8>>,
    ) -> Self {
        let manifests = documents.into_iter().map(|bytes| (Sha256Digest::of(&[&bytes]), Bytes::from(bytes))).collect();
        Self { sealed: Arc::new(Sealed { tpm, binding, firmware_log, launch }), manifests }
    }
}

impl Sealed {
    async fn evidence(&self, nonce: Nonce) -> Result<EvidenceDocument, AttestError> {
        let nonce_proof = NonceProof::single();
        // The root of a tree with one leaf is that leaf.
        let root = nonce::leaf(&nonce, self.binding.digest());
        let qualifying_data = nonce::qualifying_data(nonce_proof.leaf_count, root);
        let quote = self.tpm.quote(qualifying_data).await.map_err(|error| match error {
            TpmError::Busy => AttestError::Busy,
            error => AttestError::Failed(error.to_string()),
        })?;
        Ok(EvidenceDocument {
            version: VERSION,
            nonce: nonce.to_hex(),
            binding: self.binding.clone(),
            nonce_proof,
            tpm: TpmEvidence {
                quote: Base64Bytes(quote.attest),
                signature: Base64Bytes(quote.signature),
                ak_public: Base64Bytes(self.tpm.ak_public().to_vec()),
                ak_certificates: Vec::new(),
                ek_certificates: Vec::new(),
                pcrs: PcrBanks::sha256(quote.pcrs),
            },
            event_log: EventLogs {
                firmware: self.firmware_log.clone().map(Base64Bytes),
                systemd: None,
                application: self.launch.entries().to_vec(),
            },
            tee: [],
        })
    }
}

impl Attester for TpmAttester {
    fn evidence(&self, nonce: Nonce) -> EvidenceFuture {
        let sealed = Arc::clone(&self.sealed);
        Box::pin(async move { sealed.evidence(nonce).await })
    }

    fn binding(&self) -> &Binding {
        &self.sealed.binding
    }

    fn manifest(&self, digest: &Sha256Digest) -> Option<Bytes> {
        self.manifests.get(digest).cloned()
    }
}
