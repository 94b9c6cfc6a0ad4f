//! Clients that ask for evidence, one after the other or many at the same time.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use blindllama_attest::{digest::Sha256Digest, nonce::Nonce};
use blindllama_attest_tpm::Tpm;
use blindllama_gateway::attestation::Attester as _;
use blindllama_gateway_attester::TpmAttester;
use blindllama_tests::http::{KeptAlive, get};
use tokio::task::JoinSet;

use crate::machine::Machine;

/// What clients got in a stretch of time.
pub(crate) struct Load {
    clients: usize,
    evidences: u64,
    quotes: u64,
    elapsed: Duration,
    longest_wait: Duration,
}

impl Load {
    pub(crate) const HEADER: &str = "\
attestation key and TPM  |  what      | clients | evidences/s | quotes/s | evidences/quote | longest wait, in quotes
-------------------------|------------|---------|-------------|----------|-----------------|------------------------";

    pub(crate) fn print(&self, name: &str, what: &str) {
        let seconds = self.elapsed.as_secs_f64();
        let [evidences, quotes] = [self.evidences, self.quotes].map(|count| count as f64);
        println!(
            "{name:24} | {what:10} | {:7} | {:11.0} | {:8.1} | {:15.1} | {:7.2}",
            self.clients,
            evidences / seconds,
            quotes / seconds,
            evidences / quotes,
            self.longest_wait_in_quotes()
        );
    }

    /// The longest wait for an evidence, in units of the time from one quote to the next.
    pub(crate) fn longest_wait_in_quotes(&self) -> f64 {
        self.longest_wait.as_secs_f64() * self.quotes as f64 / self.elapsed.as_secs_f64()
    }

    /// Lets each of `clients` ask again and again for so long.
    pub(crate) async fn measure<C: Client>(machine: &Machine, clients: Vec<C>, duration: Duration) -> Self {
        let count = clients.len();
        let (quotes, started) = (machine.quotes(), Instant::now());
        let end = started + duration;
        let mut asking: JoinSet<_> = clients.into_iter().map(|client| ask_until(end, client)).collect();
        let (mut evidences, mut longest_wait) = (0, Duration::ZERO);
        while let Some(asked) = asking.join_next().await {
            let (answers, longest) = asked.unwrap();
            evidences += answers;
            longest_wait = longest_wait.max(longest);
        }
        let elapsed = started.elapsed();
        Self { clients: count, evidences, quotes: machine.quotes() - quotes, elapsed, longest_wait }
    }
}

/// How many answers the client got, and how long it waited for the slowest.
async fn ask_until<C: Client>(end: Instant, mut client: C) -> (u64, Duration) {
    let (mut answers, mut longest_wait) = (0, Duration::ZERO);
    loop {
        let asked = Instant::now();
        if asked >= end {
            return (answers, longest_wait);
        }
        client.ask(fresh_nonce()).await;
        answers += 1;
        longest_wait = longest_wait.max(asked.elapsed());
    }
}

/// Something that asks, and waits for the answer.
pub(crate) trait Client: Send + 'static {
    fn ask(&mut self, nonce: Nonce) -> impl Future<Output = ()> + Send;
}

/// Asks for the quote alone.
impl Client for Tpm {
    async fn ask(&mut self, nonce: Nonce) {
        self.quote(Sha256Digest::of(&[nonce.as_bytes()])).await.unwrap();
    }
}

/// Asks for evidence without HTTP and TLS.
impl Client for Arc<TpmAttester> {
    async fn ask(&mut self, nonce: Nonce) {
        self.evidence(nonce).await.unwrap();
    }
}

/// Asks over a TLS connection that stays open.
impl Client for KeptAlive {
    async fn ask(&mut self, nonce: Nonce) {
        let nonce = nonce.to_hex();
        let answer = self.send(get(&format!("/attestation?nonce={nonce}"))).await.unwrap();
        let expected = format!("{{\"nonce\":\"{nonce}\"");
        assert!(answer.status.is_success() && answer.body.starts_with(expected.as_bytes()), "{answer:?}");
    }
}

fn fresh_nonce() -> Nonce {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).unwrap();
    Nonce::from_bytes(bytes.to_vec()).unwrap()
}
