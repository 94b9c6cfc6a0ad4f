//! Credential activation: has the gateway's TPM prove that its attestation key lives beside its certified endorsement key.

use std::sync::{Arc, Mutex, PoisonError};

use blindllama_attest::{
    credential::{
        ActivatedKey, ActivationAnswer, ActivationRequest, CredentialError, CredentialRandomness, MAX_ACTIVATION_BYTES,
    },
    verify::ActivationNeeded,
};
use bytes::Bytes;
use http::{Request, StatusCode, header};
use http_body_util::Full;
use rustls::ClientConfig;
use tokio::time::timeout;
use zeroize::Zeroizing;

use crate::{
    connection::{self, Connection},
    evidence_client::limited,
    gateway_url::GatewayUrl,
    refusal::Refusal,
    timeouts::Timeouts,
};

/// How often other randomness is drawn; on P-256 it takes more than one attempt once in 2^32.
const ATTEMPTS: usize = 3;

/// The activations of this process: one for each pair of keys is enough, since neither key leaves its TPM.
#[derive(Debug, Default)]
pub(crate) struct Activations(Mutex<Vec<ActivatedKey>>);

impl Activations {
    /// The activation that is needed: a remembered one, or a new one.
    pub(crate) async fn obtain(
        &self,
        needed: &ActivationNeeded,
        url: &GatewayUrl,
        tls: Arc<ClientConfig>,
        timeouts: Timeouts,
    ) -> Result<ActivatedKey, Refusal> {
        if let Some(known) = self.remembered(needed) {
            return Ok(known);
        }
        let activated = activate(needed, url, tls, timeouts).await?;
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(activated.clone());
        Ok(activated)
    }

    fn remembered(&self, needed: &ActivationNeeded) -> Option<ActivatedKey> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let fits =
            |key: &&ActivatedKey| key.ak_name() == needed.ak_name().as_bytes() && key.ek_spki_sha256() == needed.ek_spki_sha256();
        known.iter().find(fits).cloned()
    }
}

/// Asks over a connection of its own. Whoever relays the challenge gains nothing: only the TPM can answer it, and the quote
/// binds the TLS key that prompts go to.
async fn activate(
    needed: &ActivationNeeded,
    url: &GatewayUrl,
    tls: Arc<ClientConfig>,
    timeouts: Timeouts,
) -> Result<ActivatedKey, Refusal> {
    let (challenge, request) = challenge(needed)?;
    let body = serde_json::to_vec(&request).map_err(|error| Refusal::Local(error.to_string()))?;
    let connection = connection::open(url, tls, timeouts).await?;
    let answer = timeout(timeouts.evidence, post(connection, url, body)).await;
    let answer = answer.map_err(|_| Refusal::EvidenceTimedOut(timeouts))??;
    let answer = ActivationAnswer::parse(&answer).map_err(|error| Refusal::NotActivated(error.to_string()))?;
    challenge.check(&answer).map_err(|error| Refusal::NotActivated(error.to_string()))
}

fn challenge(needed: &ActivationNeeded) -> Result<(blindllama_attest::credential::Challenge, ActivationRequest), Refusal> {
    let local = |error: &dyn std::error::Error| Refusal::Local(error.to_string());
    for _ in 0..ATTEMPTS {
        let mut secret = [0; 32];
        getrandom::fill(&mut secret).map_err(|error| local(&error))?;
        let randomness = CredentialRandomness::new(random()?, random()?);
        match needed.challenge(secret, randomness) {
            Err(CredentialError::DrawAgain) => {}
            made => return made.map_err(|error| local(&error)),
        }
    }
    Err(Refusal::Local("its random numbers are no scalars of the endorsement key's curve".to_owned()))
}

fn random() -> Result<Zeroizing<[u8; CredentialRandomness::PART_BYTES]>, Refusal> {
    let mut bytes = Zeroizing::new([0; CredentialRandomness::PART_BYTES]);
    getrandom::fill(bytes.as_mut_slice()).map_err(|error| Refusal::Local(error.to_string()))?;
    Ok(bytes)
}

async fn post(mut connection: Connection<Full<Bytes>>, url: &GatewayUrl, body: Vec<u8>) -> Result<Bytes, Refusal> {
    let request = Request::post("/attestation/activate")
        .header(header::HOST, url.authority())
        .header(header::CONTENT_TYPE, "application/json")
        .body(Full::from(body))
        .map_err(|error| Refusal::Local(error.to_string()))?;
    let response = connection.sender.send_request(request).await.map_err(Refusal::EvidenceInterrupted)?;
    match response.status() {
        StatusCode::OK => limited(response.into_body(), MAX_ACTIVATION_BYTES).await,
        status => Err(Refusal::NotActivated(format!("it answered /attestation/activate with HTTP status {status}"))),
    }
}
