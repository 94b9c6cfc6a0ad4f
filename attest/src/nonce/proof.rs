//! One nonce's way to the root of its quote's tree.

use serde::{Deserialize, Serialize};

use super::{MAX_LEAVES, inner_node};
use crate::digest::Sha256Digest;

/// Where a nonce stands in the tree of its quote.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NonceProof {
    /// Position of the leaf, from 0.
    pub leaf_index: u32,
    /// Number of leaves in the tree, 1 to [`MAX_LEAVES`].
    pub leaf_count: u32,
    /// Sibling nodes, from the leaf upwards.
    pub siblings: Vec<Sha256Digest>,
}

/// The proof does not fit a tree of that many leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the nonce proof has the wrong number of siblings, leaves or index for its tree")]
pub struct InvalidNonceProof;

impl NonceProof {
    /// The proof of the only leaf of a tree.
    #[must_use]
    pub fn single() -> Self {
        Self { leaf_index: 0, leaf_count: 1, siblings: Vec::new() }
    }

    /// The root that follows from `leaf` and this proof (RFC 9162, section 2.1.3.2).
    ///
    /// # Errors
    /// [`InvalidNonceProof`] unless there are exactly the siblings that `leaf_index` and `leaf_count` demand.
    pub fn root(&self, leaf: Sha256Digest) -> Result<Sha256Digest, InvalidNonceProof> {
        if self.leaf_count == 0 || self.leaf_count > MAX_LEAVES || self.leaf_index >= self.leaf_count {
            return Err(InvalidNonceProof);
        }
        let (mut index, mut last) = (self.leaf_index, self.leaf_count - 1);
        let mut node = leaf;
        for sibling in &self.siblings {
            if last == 0 {
                return Err(InvalidNonceProof);
            }
            if index % 2 == 1 || index == last {
                node = inner_node(*sibling, node);
                while index.is_multiple_of(2) && index != 0 {
                    index >>= 1;
                    last >>= 1;
                }
            } else {
                node = inner_node(node, *sibling);
            }
            index >>= 1;
            last >>= 1;
        }
        if last == 0 { Ok(node) } else { Err(InvalidNonceProof) }
    }
}
