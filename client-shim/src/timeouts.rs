//! How long the shim waits for the gateway before a request is sent.

use std::time::Duration;

/// Time limits towards the gateway. Nothing limits an answer: a model may think for as long as its client waits.
#[derive(Debug, Clone, Copy)]
pub struct Timeouts {
    /// Name resolution, TCP and the TLS handshake together.
    pub connect: Duration,
    /// From the request for evidence until its last byte. A TPM signs in up to 600 ms, one quote at a time.
    pub evidence: Duration,
    /// How long a failed verification answers for the next one, so that a flood of requests does not become a flood of
    /// verifications.
    pub retry: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self { connect: Duration::from_secs(10), evidence: Duration::from_secs(30), retry: Duration::from_secs(1) }
    }
}
