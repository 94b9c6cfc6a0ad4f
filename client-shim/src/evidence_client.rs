//! Asks a gateway for evidence, over a fresh connection to whatever key it shows. Nothing here judges what comes back.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use blindllama_attest::{
    credential::ActivatedKey,
    digest::Sha256Digest,
    evidence::MAX_DOCUMENT_BYTES,
    nonce::Nonce,
    policy::Policy,
    verify::{Established, Expected, PassedCheck, UnixTime, VerifiedPeer, VerifyError, activation_needed, verify_with_report},
};
use bytes::Bytes;
use http::{Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::body::Incoming;
use rustls::ClientConfig;
use tokio::time::timeout;

use crate::{
    activation::Activations,
    connection::{self, Connection},
    gateway_url::GatewayUrl,
    refusal::Refusal,
    stopwatch::Stopwatch,
    timeouts::Timeouts,
    tls,
};

/// The largest manifest that is read, in bytes.
pub const MAX_MANIFEST_BYTES: usize = 64 * 1024 * 1024;

/// Fetches evidence from one gateway.
#[derive(Debug)]
pub struct EvidenceClient {
    url: GatewayUrl,
    timeouts: Timeouts,
    tls: Arc<ClientConfig>,
    activations: Activations,
}

/// A document that nobody has judged yet, and what only this machine knows about it.
#[derive(Debug, Clone)]
pub struct FetchedEvidence {
    /// The evidence document, as it came.
    pub document: Bytes,
    /// The nonce that it was asked for with.
    pub nonce: Nonce,
    /// SHA-256 of the SubjectPublicKeyInfo of the connection's TLS key, whose CertificateVerify was checked.
    pub connection_spki_sha256: Sha256Digest,
    /// Time from sending the nonce to the document's last byte.
    pub age: Duration,
    /// When it had come.
    pub fetched_at: UnixTime,
    /// A completed credential activation, where there was one.
    pub activated: Option<ActivatedKey>,
}

impl FetchedEvidence {
    /// Judges the document. `established` is what the verdict that this one renews has established, if there is one.
    ///
    /// # Errors
    /// [`VerifyError`]: the first check that failed.
    pub fn verify(&self, policy: &Policy, established: Option<&Established>) -> Result<VerifiedPeer, VerifyError> {
        self.verify_with_report(policy, established).1
    }

    /// [`Self::verify`], with the checks that were passed before the verdict.
    pub(crate) fn verify_with_report(
        &self,
        policy: &Policy,
        established: Option<&Established>,
    ) -> (Vec<PassedCheck>, Result<VerifiedPeer, VerifyError>) {
        let expected = Expected {
            nonce: &self.nonce,
            connection_spki_sha256: self.connection_spki_sha256,
            age: self.age,
            activated: self.activated.as_ref(),
            established,
        };
        verify_with_report(&self.document, policy, &expected, self.fetched_at)
    }
}

/// A manifest that the gateway did not give. It would only have explained something.
#[derive(Debug, thiserror::Error)]
pub enum NoManifest {
    /// The gateway has none of that digest, or does not give it.
    #[error("the gateway answered the request for manifest {0} with HTTP status {1}")]
    Status(Sha256Digest, StatusCode),
    /// It could not be asked, or its answer not be read.
    #[error("manifest {0} could not be fetched: {1}")]
    Failed(Sha256Digest, #[source] Box<Refusal>),
}

impl EvidenceClient {
    /// Prepares to ask the gateway at `url`.
    ///
    /// # Errors
    /// What rustls finds wrong with its own set-up; nothing that depends on outside data.
    pub fn new(url: GatewayUrl, timeouts: Timeouts) -> Result<Self, rustls::Error> {
        Ok(Self { url, timeouts, tls: tls::config_for_any_key()?, activations: Activations::default() })
    }

    /// The gateway's address.
    #[must_use]
    pub const fn url(&self) -> &GatewayUrl {
        &self.url
    }

    /// The time limits.
    #[must_use]
    pub const fn timeouts(&self) -> Timeouts {
        self.timeouts
    }

    /// Sends a fresh nonce and reads the evidence made for it.
    ///
    /// # Errors
    /// [`Refusal`]: there is no evidence.
    pub async fn fetch(&self) -> Result<FetchedEvidence, Refusal> {
        let nonce = fresh_nonce()?;
        let connection = self.connect().await?;
        let connection_spki_sha256 = connection.spki_sha256;
        let sent = Stopwatch::start();
        let document = self.in_time(self.document(connection, &nonce)).await?;
        let (age, fetched_at) = (sent.elapsed(), now()?);
        Ok(FetchedEvidence { document, nonce, connection_spki_sha256, age, fetched_at, activated: None })
    }

    /// Has the TPM prove that both its keys are there, where the policy trusts the attestation key only through its
    /// endorsement key. Keys that proved it before need not again.
    ///
    /// # Errors
    /// [`Refusal`]: the TPM did not, or the evidence does not get that far.
    pub async fn activate(&self, fetched: &mut FetchedEvidence, policy: &Policy) -> Result<(), Refusal> {
        if let Some(needed) = activation_needed(&fetched.document, policy, &fetched.nonce, now()?)? {
            let activated = self.activations.obtain(&needed, &self.url, Arc::clone(&self.tls), self.timeouts).await?;
            fetched.activated = Some(activated);
        }
        Ok(())
    }

    /// Reads the document behind a digest of the application log. Whoever uses it has to check its hash.
    ///
    /// # Errors
    /// [`NoManifest`] says why there is none.
    pub async fn manifest(&self, digest: Sha256Digest) -> Result<Bytes, NoManifest> {
        let failed = |refusal| NoManifest::Failed(digest, Box::new(refusal));
        let connection = self.connect().await.map_err(failed)?;
        let reading = async {
            let answer = self.get(connection, &format!("/attestation/manifests/{digest}")).await?;
            match answer.response.status() {
                StatusCode::OK => limited_answer(answer, MAX_MANIFEST_BYTES).await.map(Ok),
                status => Ok(Err(status)),
            }
        };
        self.in_time(reading).await.map_err(failed)?.map_err(|status| NoManifest::Status(digest, status))
    }

    async fn connect(&self) -> Result<Connection<Empty<Bytes>>, Refusal> {
        Ok(connection::open(&self.url, Arc::clone(&self.tls), self.timeouts).await?)
    }

    async fn in_time<T>(&self, reading: impl Future<Output = Result<T, Refusal>>) -> Result<T, Refusal> {
        timeout(self.timeouts.evidence, reading).await.map_err(|_| Refusal::EvidenceTimedOut(self.timeouts))?
    }

    async fn document(&self, connection: Connection<Empty<Bytes>>, nonce: &Nonce) -> Result<Bytes, Refusal> {
        let answer = self.get(connection, &format!("/attestation?nonce={}", nonce.to_hex())).await?;
        match answer.response.status() {
            StatusCode::OK => limited_answer(answer, MAX_DOCUMENT_BYTES).await,
            status => Err(Refusal::NoEvidence(status)),
        }
    }

    async fn get(&self, mut connection: Connection<Empty<Bytes>>, path: &str) -> Result<Answer, Refusal> {
        let request = Request::get(path)
            .header(header::HOST, self.url.authority())
            .header(header::ACCEPT, "application/json")
            .body(Empty::new())
            .map_err(|error| Refusal::Local(error.to_string()))?;
        let response = connection.sender.send_request(request).await.map_err(Refusal::EvidenceInterrupted)?;
        Ok(Answer { response, _connection: connection })
    }
}

/// An answer, and the connection that its body still comes over.
struct Answer {
    response: Response<Incoming>,
    _connection: Connection<Empty<Bytes>>,
}

async fn limited_answer(answer: Answer, limit: usize) -> Result<Bytes, Refusal> {
    limited(answer.response.into_body(), limit).await
}

pub(crate) async fn limited(body: Incoming, limit: usize) -> Result<Bytes, Refusal> {
    let collected = Limited::new(body, limit).collect().await;
    let collected = collected.map_err(|error| match error.downcast::<hyper::Error>() {
        Ok(error) => Refusal::EvidenceInterrupted(*error),
        Err(_too_large) => Refusal::EvidenceTooLarge(limit),
    })?;
    Ok(collected.to_bytes())
}

fn fresh_nonce() -> Result<Nonce, Refusal> {
    let mut bytes = vec![0; 32];
    getrandom::fill(&mut bytes).map_err(|error| Refusal::Local(error.to_string()))?;
    Nonce::from_bytes(bytes).map_err(|error| Refusal::Local(error.to_string()))
}

pub(crate) fn now() -> Result<UnixTime, Refusal> {
    let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let since_epoch = since_epoch.map_err(|_| Refusal::Local("its clock stands before 1970".to_owned()))?;
    Ok(UnixTime(since_epoch.as_secs()))
}
