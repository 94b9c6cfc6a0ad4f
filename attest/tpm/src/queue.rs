//! What waits for the TPM, and in which order it gets it.
//!
//! 1. Work of the gateway itself: extends and reads of PCRs. There is little of it, and none once the gateway serves.
//! 2. Nonces. Whenever the TPM is free, all that wait share one quote; so none waits longer than two quotes, plus the one
//!    activation that may come between them.
//! 3. Activations of credentials: one after each quote, so that nonces without end do not keep them waiting for ever.

use std::sync::Arc;

use blindllama_attest::{
    digest::Sha256Digest,
    nonce::{MAX_LEAVES, NonceProof},
};
use tokio::sync::{
    mpsc::{self, error::TrySendError},
    oneshot,
};

use crate::{
    Quote, TpmError,
    quoter::{self, Waiter},
};

/// How many commands of the gateway may wait.
const JOBS: usize = 64;

/// How many activations may wait; a TPM needs some 10 to 500 ms for each.
const ACTIVATIONS: usize = 16;

/// The most nonces that are taken at a time.
const BATCH: usize = MAX_LEAVES as usize;

/// Work for the thread that owns `O`.
type Job<O> = Box<dyn FnOnce(&mut O) + Send>;

/// The end at which commands are put in.
pub(crate) struct Queue<O> {
    jobs: mpsc::Sender<Job<O>>,
    nonces: mpsc::Sender<Waiter>,
    activations: mpsc::Sender<Job<O>>,
}

/// The end at which commands come out.
pub(crate) struct Commands<O> {
    jobs: mpsc::Receiver<Job<O>>,
    nonces: mpsc::Receiver<Waiter>,
    activations: mpsc::Receiver<Job<O>>,
}

/// A queue with room for `max_nonces` waiting nonces, at least one and at most [`MAX_LEAVES`].
pub(crate) fn queue<O>(max_nonces: usize) -> (Queue<O>, Commands<O>) {
    let (job_sender, jobs) = mpsc::channel(JOBS);
    let (nonce_sender, nonces) = mpsc::channel(max_nonces.clamp(1, BATCH));
    let (activation_sender, activations) = mpsc::channel(ACTIVATIONS);
    let queue = Queue { jobs: job_sender, nonces: nonce_sender, activations: activation_sender };
    (queue, Commands { jobs, nonces, activations })
}

impl<O: 'static> Queue<O> {
    /// Puts `work` first in line and waits for its outcome.
    pub(crate) async fn call<T, F>(&self, work: F) -> Result<T, TpmError>
    where
        T: Send + 'static,
        F: FnOnce(&mut O) -> Result<T, TpmError> + Send + 'static,
    {
        submit(&self.jobs, work).await
    }

    /// [`Queue::call`] for threads; it waits for room, too.
    pub(crate) fn call_blocking<T, F>(&self, work: F) -> Result<T, TpmError>
    where
        T: Send + 'static,
        F: FnOnce(&mut O) -> Result<T, TpmError> + Send + 'static,
    {
        let (job, outcome) = job(work);
        self.jobs.blocking_send(job).map_err(|_| TpmError::Stopped)?;
        outcome.blocking_recv().map_err(|_| TpmError::Stopped)?
    }

    /// Puts `work` behind the nonces.
    pub(crate) async fn call_later<T, F>(&self, work: F) -> Result<T, TpmError>
    where
        T: Send + 'static,
        F: FnOnce(&mut O) -> Result<T, TpmError> + Send + 'static,
    {
        submit(&self.activations, work).await
    }

    /// Waits for a quote over `leaf`.
    pub(crate) async fn quote(&self, leaf: Sha256Digest) -> Result<(Arc<Quote>, NonceProof), TpmError> {
        let (waiter, place) = Waiter::new(leaf);
        self.nonces.try_send(waiter).map_err(refused)?;
        place.await.map_err(|_| TpmError::Stopped)??.prove().ok_or(TpmError::Stopped)
    }
}

impl<O> Commands<O> {
    /// Runs what comes, until the queue is gone and nothing waits any more.
    pub(crate) async fn serve(mut self, owner: &mut O, quote: impl Fn(&mut O, Sha256Digest) -> Result<Quote, TpmError>) {
        let mut waiting = Vec::new();
        loop {
            tokio::select! {
                biased;
                Some(job) = self.jobs.recv() => job(owner),
                1.. = self.nonces.recv_many(&mut waiting, BATCH) => {
                    quoter::answer(std::mem::take(&mut waiting), |data| quote(owner, data));
                    if let Ok(job) = self.activations.try_recv() {
                        job(owner);
                    }
                }
                Some(job) = self.activations.recv() => job(owner),
                else => return,
            }
        }
    }
}

async fn submit<O: 'static, T, F>(line: &mpsc::Sender<Job<O>>, work: F) -> Result<T, TpmError>
where
    T: Send + 'static,
    F: FnOnce(&mut O) -> Result<T, TpmError> + Send + 'static,
{
    let (job, outcome) = job(work);
    line.try_send(job).map_err(refused)?;
    outcome.await.map_err(|_| TpmError::Stopped)?
}

fn refused<T>(error: TrySendError<T>) -> TpmError {
    match error {
        TrySendError::Full(_) => TpmError::Busy,
        TrySendError::Closed(_) => TpmError::Stopped,
    }
}

/// Work that waits, and where its outcome comes out. Work that nobody waits for any more is not begun.
fn job<O: 'static, T, F>(work: F) -> (Job<O>, oneshot::Receiver<Result<T, TpmError>>)
where
    T: Send + 'static,
    F: FnOnce(&mut O) -> Result<T, TpmError> + Send + 'static,
{
    let (sender, receiver) = oneshot::channel();
    let job = Box::new(move |owner: &mut O| {
        if !sender.is_closed() {
            drop(sender.send(work(owner)));
        }
    });
    (job, receiver)
}

#[cfg(test)]
mod tests;
