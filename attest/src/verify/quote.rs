//! Checks 6 to 8: the key signed a quote, and the quote is about my nonce and this binding.

use super::{
    VerifyError,
    document::Fresh,
    report::Passed,
    trust::{Trust, Trusted},
};
use crate::{
    binding::BindingDigest,
    nonce::{leaf, qualifying_data},
    tpm::{AttestationKey, Quote, Signature},
};

/// Check 6 passed: bytes that the trusted key signed.
pub(super) struct Signed<'d> {
    trusted: Trusted<'d>,
    bytes: &'d [u8],
}

/// Check 7 passed: a quote that the trusted key signed.
pub(super) struct Quoted<'d> {
    trusted: Trusted<'d>,
    quote: Quote,
}

/// Check 8 passed: a quote made for my nonce and this binding.
pub(super) struct Bound<'d> {
    pub(super) evidence: &'d Fresh<'d>,
    pub(super) key: AttestationKey,
    pub(super) trust: Trust,
    pub(super) quote: Quote,
    pub(super) binding_digest: BindingDigest,
}

/// Check 6: the signature over the raw quote bytes.
pub(super) fn check_signature(trusted: Trusted<'_>) -> Result<Passed<Signed<'_>>, VerifyError> {
    let tpm = &trusted.evidence.document.tpm;
    let bytes = tpm.quote.0.as_slice();
    let signature = Signature::parse(&tpm.signature.0)?;
    trusted.key.verify(bytes, &signature)?;
    let statement = format!("the quote's {} bytes carry that key's {} signature", bytes.len(), trusted.key.scheme());
    Ok(Passed::new(6, "signature", statement, Signed { trusted, bytes }))
}

/// Check 7: magic and type.
pub(super) fn parse(signed: Signed<'_>) -> Result<Passed<Quoted<'_>>, VerifyError> {
    let Signed { trusted, bytes } = signed;
    let quote = Quote::parse(bytes)?;
    let statement =
        format!("a TPM made it, as a quote, after {} resets, at clock {} ms", quote.clock.reset_count, quote.clock.clock);
    Ok(Passed::new(7, "quote", statement, Quoted { trusted, quote }))
}

/// Check 8: `qualifyingData` follows from my nonce, the proof and the binding.
pub(super) fn check_qualifying_data(quoted: Quoted<'_>) -> Result<Passed<Bound<'_>>, VerifyError> {
    let Quoted { trusted: Trusted { evidence, key, trust }, quote } = quoted;
    let proof = &evidence.document.nonce_proof;
    let binding_digest = evidence.document.binding.digest();
    let root = proof.root(leaf(evidence.nonce, binding_digest))?;
    let expected = qualifying_data(proof.leaf_count, root);
    if quote.extra_data != expected.as_bytes() {
        return Err(VerifyError::QualifyingDataMismatch { expected });
    }
    let statement = format!("the quote was made for this nonce and the binding {}", binding_digest.digest());
    Ok(Passed::new(8, "qualifying_data", statement, Bound { evidence, key, trust, quote, binding_digest }))
}
