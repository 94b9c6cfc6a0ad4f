//! One quote for many nonces.

use std::sync::Arc;

use blindllama_attest::{
    digest::Sha256Digest,
    nonce::{NonceProof, NonceTree},
};
use tokio::sync::oneshot;

use crate::{Quote, TpmError};

/// A nonce's leaf that waits for the next quote.
pub(crate) struct Waiter {
    leaf: Sha256Digest,
    answer: oneshot::Sender<Result<Place, TpmError>>,
}

/// A leaf's place in the tree of a quote that was made over it.
pub(crate) struct Place {
    quoted: Arc<Quoted>,
    leaf_index: u32,
}

struct Quoted {
    quote: Arc<Quote>,
    tree: NonceTree,
}

impl Waiter {
    /// A waiter, and where its answer comes out.
    pub(crate) fn new(leaf: Sha256Digest) -> (Self, oneshot::Receiver<Result<Place, TpmError>>) {
        let (answer, place) = oneshot::channel();
        (Self { leaf, answer }, place)
    }
}

impl Place {
    /// The quote, with the proof that it is about this leaf. Called by whoever asked: the TPM's thread has better to do.
    pub(crate) fn prove(self) -> Option<(Arc<Quote>, NonceProof)> {
        let proof = self.quoted.tree.proof(self.leaf_index)?;
        Some((Arc::clone(&self.quoted.quote), proof))
    }
}

/// Makes one quote over all leaves whose clients still wait, and tells each its place. If there is no quote, all are told why.
pub(crate) fn answer(mut waiters: Vec<Waiter>, quote: impl FnOnce(Sha256Digest) -> Result<Quote, TpmError>) {
    waiters.retain(|waiter| !waiter.answer.is_closed());
    let Ok(tree) = NonceTree::new(waiters.iter().map(|waiter| waiter.leaf).collect()) else {
        // Everybody has gone. More than a tree can hold are never taken.
        return;
    };
    // A client that goes now has dropped the receiver, and its answer is dropped here.
    match quote(tree.qualifying_data()) {
        Ok(quote) => {
            let quoted = Arc::new(Quoted { quote: Arc::new(quote), tree });
            for (leaf_index, waiter) in (0..).zip(waiters) {
                drop(waiter.answer.send(Ok(Place { quoted: Arc::clone(&quoted), leaf_index })));
            }
        }
        Err(error) => {
            let error = Arc::new(error);
            for waiter in waiters {
                drop(waiter.answer.send(Err(TpmError::Shared(Arc::clone(&error)))));
            }
        }
    }
}
