//! The verifier's nonce, and the tree that lets many nonces share one quote.
//!
//! A TPM signs one quote at a time, in 1 to 600 ms. The nonces that wait for the same quote become leaves of a Merkle tree
//! shaped as in RFC 6962 (section 2.1); each client gets an inclusion proof of its own.

use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};

use crate::{binding::BindingDigest, digest::Sha256Digest};

/// The most leaves that one quote may carry.
pub const MAX_LEAVES: u32 = 65_536;

/// A verifier's nonce: 16 to 64 bytes, chosen freshly for each request.
#[derive(Clone, PartialEq, Eq)]
pub struct Nonce(Vec<u8>);

/// The text was not a nonce.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a nonce is 16 to 64 bytes as lower-case hexadecimal digits")]
pub struct InvalidNonce;

impl Nonce {
    /// Takes bytes from a random source.
    ///
    /// # Errors
    /// [`InvalidNonce`] unless there are 16 to 64 of them.
    pub fn from_bytes(bytes: Vec<u8>) -> Result<Self, InvalidNonce> {
        if (16..=64).contains(&bytes.len()) { Ok(Self(bytes)) } else { Err(InvalidNonce) }
    }

    /// Parses lower-case hexadecimal digits.
    ///
    /// # Errors
    /// [`InvalidNonce`] for other characters or lengths.
    pub fn from_hex(text: &str) -> Result<Self, InvalidNonce> {
        let bytes = HEXLOWER.decode(text.as_bytes()).map_err(|_| InvalidNonce)?;
        Self::from_bytes(bytes)
    }

    /// The lower-case hexadecimal digits.
    #[must_use]
    pub fn to_hex(&self) -> String {
        HEXLOWER.encode(&self.0)
    }

    /// The raw bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl std::fmt::Debug for Nonce {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "nonce:{}", self.to_hex())
    }
}

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

/// The leaf of a nonce: `SHA-256(0x00 ‖ nonce ‖ binding_digest)`.
#[must_use]
pub fn leaf(nonce: &Nonce, binding: BindingDigest) -> Sha256Digest {
    Sha256Digest::of(&[&[0x00], nonce.as_bytes(), binding.digest().as_bytes()])
}

fn inner_node(left: Sha256Digest, right: Sha256Digest) -> Sha256Digest {
    Sha256Digest::of(&[&[0x01], left.as_bytes(), right.as_bytes()])
}

/// What the TPM signs as `qualifyingData`: `SHA-256("blindllama/quote/v1" ‖ u32be(leaf_count) ‖ root)`.
#[must_use]
pub fn qualifying_data(leaf_count: u32, root: Sha256Digest) -> Sha256Digest {
    Sha256Digest::of(&[b"blindllama/quote/v1", &leaf_count.to_be_bytes(), root.as_bytes()])
}
