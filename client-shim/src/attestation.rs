//! Asks the gateway for evidence over a fresh connection and judges it against the policy.

use blindllama_attest::{policy::Policy, verify::VerifiedPeer};

use crate::{evidence_client::EvidenceClient, gateway_url::GatewayUrl, refusal::Refusal, timeouts::Timeouts};

/// Verifies one gateway under one policy.
#[derive(Debug)]
pub struct Attester {
    client: EvidenceClient,
    policy: Policy,
}

impl Attester {
    /// Prepares to verify the gateway at `url`.
    ///
    /// # Errors
    /// What rustls finds wrong with its own set-up; nothing that depends on outside data.
    pub fn new(url: GatewayUrl, policy: Policy, timeouts: Timeouts) -> Result<Self, rustls::Error> {
        Ok(Self { client: EvidenceClient::new(url, timeouts)?, policy })
    }

    /// What asks the gateway.
    #[must_use]
    pub const fn client(&self) -> &EvidenceClient {
        &self.client
    }

    /// Gives back what asks the gateway.
    #[must_use]
    pub fn into_client(self) -> EvidenceClient {
        self.client
    }

    /// The gateway's address.
    #[must_use]
    pub const fn url(&self) -> &GatewayUrl {
        self.client.url()
    }

    /// What the gateway is judged by.
    #[must_use]
    pub const fn policy(&self) -> &Policy {
        &self.policy
    }

    /// The time limits.
    #[must_use]
    pub const fn timeouts(&self) -> Timeouts {
        self.client.timeouts()
    }

    /// Fetches fresh evidence and verifies it. Where the gateway still has the TLS key of `previous`, its TPM's clock must
    /// have run on from there.
    ///
    /// # Errors
    /// [`Refusal`]: the gateway is not verified.
    pub async fn attest(&self, previous: Option<&VerifiedPeer>) -> Result<VerifiedPeer, Refusal> {
        let mut fetched = self.client.fetch().await?;
        self.client.activate(&mut fetched, &self.policy).await?;
        let same_gateway = |peer: &&VerifiedPeer| peer.binding().tls_spki_sha256 == fetched.connection_spki_sha256;
        let established = previous.filter(same_gateway).map(VerifiedPeer::established);
        Ok(fetched.verify(&self.policy, established.as_ref())?)
    }
}
