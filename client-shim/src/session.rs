//! The verified state of one gateway, and the one place where it is made, renewed and lost.
//!
//! A request gets a connection only out of a live verification. There is one verification at a time: whoever comes meanwhile
//! waits for it and shares its result. It runs in a task of its own, so a client that goes away does not cut it off for the
//! others. A request that is under way when a verification runs out is finished: it was sent to a gateway that was verified
//! then, over a connection to the attested key.

use std::sync::Arc;

use blindllama_attest::verify::VerifiedPeer;
use tokio::sync::{Mutex, OwnedMutexGuard};

use crate::{
    attestation::Attester,
    client::{ConnectError, PinnedClient, PinnedConnection, connect},
    refusal::Refusal,
    stopwatch::Stopwatch,
};

/// A gateway that passed, with the client that this entitles to.
#[derive(Debug)]
pub struct VerifiedGateway {
    peer: Arc<VerifiedPeer>,
    client: PinnedClient,
    since: Stopwatch,
}

impl VerifiedGateway {
    /// What was verified.
    #[must_use]
    pub fn peer(&self) -> &VerifiedPeer {
        &self.peer
    }
}

/// One gateway under one policy, verified when needed.
#[derive(Debug, Clone)]
pub struct Session {
    attester: Arc<Attester>,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    standing: Standing,
    /// The last peer that passed, kept while refused: a TPM's clock that went back stays noticed.
    last: Option<Arc<VerifiedPeer>>,
}

#[derive(Debug, Default)]
enum Standing {
    #[default]
    Unverified,
    Verified(Arc<VerifiedGateway>),
    Refused {
        refusal: Arc<Refusal>,
        since: Stopwatch,
    },
}

impl Standing {
    fn refused(refusal: &Arc<Refusal>) -> Self {
        Self::Refused { refusal: Arc::clone(refusal), since: Stopwatch::start() }
    }
}

impl Session {
    /// Starts unverified.
    #[must_use]
    pub fn new(attester: Attester) -> Self {
        Self { attester: Arc::new(attester), state: Arc::default() }
    }

    /// Whom this session verifies, and how.
    #[must_use]
    pub fn attester(&self) -> &Attester {
        &self.attester
    }

    /// The gateway as verified within the policy's re-attestation interval; verifies first where that is not so.
    ///
    /// # Errors
    /// The refusal, which also answers for the next moment ([`crate::timeouts::Timeouts::retry`]).
    pub async fn verified(&self) -> Result<Arc<VerifiedGateway>, Arc<Refusal>> {
        let state = Arc::clone(&self.state).lock_owned().await;
        match &state.standing {
            Standing::Verified(gateway) if gateway.since.elapsed() < self.attester.policy().reattest_after() => {
                Ok(Arc::clone(gateway))
            }
            Standing::Refused { refusal, since } if since.elapsed() < self.attester.timeouts().retry => Err(Arc::clone(refusal)),
            _ => self.verify(state).await,
        }
    }

    /// A connection pinned to a verified gateway. A gateway that shows another key has been restarted or replaced: it is
    /// verified anew, once, before anything is sent.
    ///
    /// # Errors
    /// The refusal; no byte of a request has left this machine.
    pub async fn connection(&self) -> Result<(Arc<VerifiedGateway>, PinnedConnection), Arc<Refusal>> {
        let gateway = self.verified().await?;
        match gateway.client.connection().await {
            Err(ConnectError::WrongKey) => self.end(&gateway, Standing::Unverified).await,
            Err(error) => return Err(Arc::new(error.into())),
            Ok(connection) => return Ok((gateway, connection)),
        }
        let gateway = self.verified().await?;
        match gateway.client.connection().await {
            Ok(connection) => Ok((gateway, connection)),
            Err(error) => {
                let refusal = Arc::new(Refusal::from(error));
                self.end(&gateway, Standing::refused(&refusal)).await;
                Err(refusal)
            }
        }
    }

    async fn verify(&self, state: OwnedMutexGuard<State>) -> Result<Arc<VerifiedGateway>, Arc<Refusal>> {
        let verification = tokio::spawn(verify(Arc::clone(&self.attester), state));
        verification.await.unwrap_or_else(|stopped| Err(Arc::new(Refusal::Local(stopped.to_string()))))
    }

    /// Ends the verification of `stale`, unless somebody has renewed it already.
    async fn end(&self, stale: &Arc<VerifiedGateway>, standing: Standing) {
        let mut state = self.state.lock().await;
        if matches!(&state.standing, Standing::Verified(current) if Arc::ptr_eq(current, stale)) {
            tracing::warn!("the gateway no longer has the attested TLS key: nothing is sent before it is verified again");
            state.standing = standing;
        }
    }
}

/// Verifies and records the result. Holding the guard is what makes everybody else wait.
async fn verify(attester: Arc<Attester>, mut state: OwnedMutexGuard<State>) -> Result<Arc<VerifiedGateway>, Arc<Refusal>> {
    // Started before the evidence is asked for: what it says cannot be older than that.
    let since = Stopwatch::start();
    let previous = state.last.clone();
    let before = std::mem::take(&mut state.standing);
    match attest(&attester, previous.as_deref(), since).await {
        Ok(gateway) => {
            log_verified(&gateway);
            let gateway = Arc::new(gateway);
            state.standing = Standing::Verified(Arc::clone(&gateway));
            state.last = Some(Arc::clone(&gateway.peer));
            Ok(gateway)
        }
        Err(refusal) => {
            log_refused(&refusal, &before);
            let refusal = Arc::new(refusal);
            state.standing = Standing::refused(&refusal);
            Err(refusal)
        }
    }
}

async fn attest(attester: &Attester, previous: Option<&VerifiedPeer>, since: Stopwatch) -> Result<VerifiedGateway, Refusal> {
    let peer = attester.attest(previous).await?;
    let client = connect(&peer, attester.url(), attester.timeouts()).map_err(|error| Refusal::Local(error.to_string()))?;
    Ok(VerifiedGateway { peer: Arc::new(peer), client, since })
}

fn log_verified(gateway: &VerifiedGateway) {
    let peer = gateway.peer();
    tracing::info!(release = %peer.release(), platform = %peer.platform(), binding = %peer.binding_digest().digest(), "verified");
    for weakening in peer.weakenings() {
        tracing::warn!("weakened by the policy: {}", weakening.explanation());
    }
}

/// The same refusal, again and again, is said once.
fn log_refused(refusal: &Refusal, before: &Standing) {
    if !matches!(before, Standing::Refused { refusal: known, .. } if known.code() == refusal.code()) {
        tracing::warn!(code = refusal.code(), "not verified, nothing is sent: {refusal}");
    }
}
