//! Asks the gateway for evidence over a fresh connection and judges it against the policy.

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
    verify::{ActivationNeeded, Established, Expected, UnixTime, VerifiedPeer, activation_needed, verify},
};
use bytes::Bytes;
use http::{Request, StatusCode, header};
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

/// Verifies one gateway under one policy.
#[derive(Debug)]
pub struct Attester {
    url: GatewayUrl,
    policy: Policy,
    timeouts: Timeouts,
    tls: Arc<ClientConfig>,
    activations: Activations,
}

/// A document that nobody has judged yet, and what only this machine knows about it.
pub(crate) struct Unverified {
    pub(crate) document: Bytes,
    pub(crate) connection_spki_sha256: Sha256Digest,
    nonce: Nonce,
    age: Duration,
}

impl Attester {
    /// Prepares to verify the gateway at `url`.
    ///
    /// # Errors
    /// What rustls finds wrong with its own set-up; nothing that depends on outside data.
    pub fn new(url: GatewayUrl, policy: Policy, timeouts: Timeouts) -> Result<Self, rustls::Error> {
        Ok(Self { url, policy, timeouts, tls: tls::config_for_any_key()?, activations: Activations::default() })
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
        let fetched = fetch(&self.url, Arc::clone(&self.tls), self.timeouts).await?;
        let same_gateway = |peer: &&VerifiedPeer| peer.binding().tls_spki_sha256 == fetched.connection_spki_sha256;
        let established = previous.filter(same_gateway).map(VerifiedPeer::established);
        let activated = match fetched.needs_activation(&self.policy)? {
            Some(needed) => Some(self.activations.obtain(&needed, &self.url, Arc::clone(&self.tls), self.timeouts).await?),
            None => None,
        };
        fetched.judge(&self.policy, activated.as_ref(), established.as_ref())
    }
}

impl Unverified {
    /// Whether the policy trusts the attestation key only through its endorsement key.
    pub(crate) fn needs_activation(&self, policy: &Policy) -> Result<Option<ActivationNeeded>, Refusal> {
        Ok(activation_needed(&self.document, policy, &self.nonce, now()?)?)
    }

    /// Verifies the document. Where it renews a verdict, the same TPM's clock must have run on from `established`.
    pub(crate) fn judge(
        &self,
        policy: &Policy,
        activated: Option<&ActivatedKey>,
        established: Option<&Established>,
    ) -> Result<VerifiedPeer, Refusal> {
        let Self { document, connection_spki_sha256, nonce, age } = self;
        let connection_spki_sha256 = *connection_spki_sha256;
        let expected = Expected { nonce, connection_spki_sha256, age: *age, activated, established };
        Ok(verify(document, policy, &expected, now()?)?)
    }
}

/// Asks for evidence with a fresh nonce over a fresh connection.
pub(crate) async fn fetch(url: &GatewayUrl, tls: Arc<ClientConfig>, timeouts: Timeouts) -> Result<Unverified, Refusal> {
    let nonce = fresh_nonce()?;
    let connection = connection::open(url, tls, timeouts).await?;
    let connection_spki_sha256 = connection.spki_sha256;
    let sent = Stopwatch::start();
    let path = format!("/attestation?nonce={}", nonce.to_hex());
    let document = timeout(timeouts.evidence, get(connection, url, &path, MAX_DOCUMENT_BYTES))
        .await
        .map_err(|_| Refusal::EvidenceTimedOut(timeouts))??;
    Ok(Unverified { document, nonce, connection_spki_sha256, age: sent.elapsed() })
}

/// The body at `path`, of at most `limit` bytes.
pub(crate) async fn get(
    mut connection: Connection<Empty<Bytes>>,
    url: &GatewayUrl,
    path: &str,
    limit: usize,
) -> Result<Bytes, Refusal> {
    let request = Request::get(path)
        .header(header::HOST, url.authority())
        .header(header::ACCEPT, "application/json")
        .body(Empty::new())
        .map_err(|error| Refusal::Local(error.to_string()))?;
    let response = connection.sender.send_request(request).await.map_err(Refusal::EvidenceInterrupted)?;
    match response.status() {
        StatusCode::OK => limited(response.into_body(), limit).await,
        status => Err(Refusal::NoEvidence(status)),
    }
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
