//! The verifier's nonce, and the tree that lets many nonces share one quote.
//!
//! A TPM signs one quote at a time, in 1 to 600 ms. The nonces that wait for the same quote become leaves of a Merkle tree
//! shaped as in RFC 6962 (section 2.1); each client gets an inclusion proof of its own.

mod proof;
mod tree;

pub use proof::{InvalidNonceProof, NonceProof};
pub use tree::{InvalidLeafCount, NonceTree};

use data_encoding::HEXLOWER;

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

/// The leaf of a nonce: `SHA-256(0x00 ‖ nonce ‖ binding_digest)`.
#[must_use]
pub fn leaf(nonce: &Nonce, binding: BindingDigest) -> Sha256Digest {
    Sha256Digest::of(&[&[0x00], nonce.as_bytes(), binding.digest().as_bytes()])
}

/// What the TPM signs as `qualifyingData`: `SHA-256("blindllama/quote/v1" ‖ u32be(leaf_count) ‖ root)`.
#[must_use]
pub fn qualifying_data(leaf_count: u32, root: Sha256Digest) -> Sha256Digest {
    Sha256Digest::of(&[b"blindllama/quote/v1", &leaf_count.to_be_bytes(), root.as_bytes()])
}

fn inner_node(left: Sha256Digest, right: Sha256Digest) -> Sha256Digest {
    Sha256Digest::of(&[&[0x01], left.as_bytes(), right.as_bytes()])
}
