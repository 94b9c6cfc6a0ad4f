//! The key that signs receipts.

use blindllama_attest::receipt::{CompactReceipt, Receipt, UnsignableReceipt};
use ed25519_dalek::{Signer as _, SigningKey};
use zeroize::Zeroizing;

/// The private half of the evidence's `receipt_public_key`: made in this process, never written, erased when dropped.
pub(crate) struct ReceiptSigner {
    key: SigningKey,
}

impl ReceiptSigner {
    /// Makes a fresh Ed25519 key (RFC 8032).
    ///
    /// # Errors
    /// Whatever the operating system's random source reports.
    pub(crate) fn generate() -> Result<Self, getrandom::Error> {
        let mut seed = Zeroizing::new([0; 32]);
        getrandom::fill(seed.as_mut())?;
        Ok(Self { key: SigningKey::from_bytes(&seed) })
    }

    pub(crate) fn public_key(&self) -> [u8; 32] {
        self.key.verifying_key().to_bytes()
    }

    /// Signs what `receipt` says.
    ///
    /// # Errors
    /// [`UnsignableReceipt`] if no verifier could read it.
    pub(crate) fn sign(&self, receipt: &Receipt) -> Result<CompactReceipt, UnsignableReceipt> {
        let input = receipt.signing_input(&self.public_key())?;
        let signature = self.key.sign(input.as_bytes()).to_bytes();
        Ok(input.attach_signature(&signature))
    }
}
