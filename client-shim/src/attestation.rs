//! Asks the gateway for evidence over a fresh connection and judges it against the policy.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use blindllama_attest::{
    digest::Sha256Digest,
    evidence::MAX_DOCUMENT_BYTES,
    nonce::Nonce,
    policy::Policy,
    verify::{Expected, UnixTime, VerifiedPeer, verify},
};
use bytes::Bytes;
use http::{Request, StatusCode, header};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::body::Incoming;
use rustls::ClientConfig;
use tokio::time::timeout;

use crate::{
    connection::{self, Connection},
    gateway_url::GatewayUrl,
    refusal::Refusal,
    stopwatch::Stopwatch,
    timeouts::Timeouts,
    tls,
};

/// Verifies one gateway under one policy.
#[derive(Debug)]
pub struct Attester {
    url: GatewayUrl,
    policy: Policy,
    timeouts: Timeouts,
    tls: Arc<ClientConfig>,
}

/// A document that nobody has judged yet, and what only this machine knows about it.
struct Unverified {
    document: Bytes,
    nonce: Nonce,
    connection_spki_sha256: Sha256Digest,
    age: Duration,
}

impl Attester {
    /// Prepares to verify the gateway at `url`.
    ///
    /// # Errors
    /// What rustls finds wrong with its own set-up; nothing that depends on outside data.
    pub fn new(url: GatewayUrl, policy: Policy, timeouts: Timeouts) -> Result<Self, rustls::Error> {
        Ok(Self { url, policy, timeouts, tls: tls::config_for_any_key()? })
    }

    /// The gateway's address.
    #[must_use]
    pub const fn url(&self) -> &GatewayUrl {
        &self.url
    }

    /// What the gateway is judged by.
    #[must_use]
    pub const fn policy(&self) -> &Policy {
        &self.policy
    }

    /// The time limits.
    #[must_use]
    pub const fn timeouts(&self) -> Timeouts {
        self.timeouts
    }

    /// Fetches fresh evidence and verifies it. Where the gateway still has the TLS key of `previous`, its TPM's clock must
    /// have run on from there.
    ///
    /// # Errors
    /// [`Refusal`]: the gateway is not verified.
    pub async fn attest(&self, previous: Option<&VerifiedPeer>) -> Result<VerifiedPeer, Refusal> {
        let fetched = self.fetch().await?;
        let same_gateway = |peer: &&VerifiedPeer| peer.binding().tls_spki_sha256 == fetched.connection_spki_sha256;
        let established = previous.filter(same_gateway).map(VerifiedPeer::established);
        let expected = Expected {
            nonce: &fetched.nonce,
            connection_spki_sha256: fetched.connection_spki_sha256,
            age: fetched.age,
            activated: None,
            established: established.as_ref(),
        };
        Ok(verify(&fetched.document, &self.policy, &expected, now()?)?)
    }

    async fn fetch(&self) -> Result<Unverified, Refusal> {
        let nonce = fresh_nonce()?;
        let connection = connection::open(&self.url, Arc::clone(&self.tls), self.timeouts).await?;
        let connection_spki_sha256 = connection.spki_sha256;
        let sent = Stopwatch::start();
        let document = timeout(self.timeouts.evidence, self.document(connection, &nonce))
            .await
            .map_err(|_| Refusal::EvidenceTimedOut(self.timeouts))??;
        Ok(Unverified { document, nonce, connection_spki_sha256, age: sent.elapsed() })
    }

    async fn document(&self, mut connection: Connection<Empty<Bytes>>, nonce: &Nonce) -> Result<Bytes, Refusal> {
        let request = Request::get(format!("/attestation?nonce={}", nonce.to_hex()))
            .header(header::HOST, self.url.authority())
            .header(header::ACCEPT, "application/json")
            .body(Empty::new())
            .map_err(|error| Refusal::Local(error.to_string()))?;
        let response = connection.sender.send_request(request).await.map_err(Refusal::EvidenceInterrupted)?;
        match response.status() {
            StatusCode::OK => limited(response.into_body()).await,
            status => Err(Refusal::NoEvidence(status)),
        }
    }
}

async fn limited(body: Incoming) -> Result<Bytes, Refusal> {
    let collected = Limited::new(body, MAX_DOCUMENT_BYTES).collect().await;
    let collected = collected.map_err(|error| match error.downcast::<hyper::Error>() {
        Ok(error) => Refusal::EvidenceInterrupted(*error),
        Err(_too_large) => Refusal::EvidenceTooLarge,
    })?;
    Ok(collected.to_bytes())
}

fn fresh_nonce() -> Result<Nonce, Refusal> {
    let mut bytes = vec![0; 32];
    getrandom::fill(&mut bytes).map_err(|error| Refusal::Local(error.to_string()))?;
    Nonce::from_bytes(bytes).map_err(|error| Refusal::Local(error.to_string()))
}

fn now() -> Result<UnixTime, Refusal> {
    let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let since_epoch = since_epoch.map_err(|_| Refusal::Local("its clock stands before 1970".to_owned()))?;
    Ok(UnixTime(since_epoch.as_secs()))
}
