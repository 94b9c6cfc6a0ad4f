//! Checks 6 to 8: the key signed a quote, and the quote is about my nonce and this binding.

use super::{VerifyError, attestation_key::Trusted, document::Fresh, report::Passed};
use crate::{
    binding::BindingDigest,
    nonce::{leaf, qualifying_data},
    policy::TrustedAk,
    tpm::{Quote, Signature},
};

/// Check 6 passed: bytes that the trusted key signed.
pub(super) struct Signed<'d, 'p> {
    evidence: &'d Fresh<'d>,
    ak: &'p TrustedAk,
    bytes: &'d [u8],
}

/// Check 7 passed: a quote that the trusted key signed.
pub(super) struct Quoted<'d, 'p> {
    evidence: &'d Fresh<'d>,
    ak: &'p TrustedAk,
    quote: Quote,
}

/// Check 8 passed: a quote made for my nonce and this binding.
pub(super) struct Bound<'d, 'p> {
    pub(super) evidence: &'d Fresh<'d>,
    pub(super) ak: &'p TrustedAk,
    pub(super) quote: Quote,
    pub(super) binding_digest: BindingDigest,
}

/// Check 6: the signature over the raw quote bytes.
pub(super) fn check_signature<'d, 'p>(trusted: Trusted<'d, 'p>) -> Result<Passed<Signed<'d, 'p>>, VerifyError> {
    let Trusted { evidence, key, ak } = trusted;
    let bytes = evidence.document.tpm.quote.0.as_slice();
    let signature = Signature::parse(&evidence.document.tpm.signature.0)?;
    key.verify(bytes, &signature)?;
    let statement = format!("the quote's {} bytes carry that key's {} signature", bytes.len(), key.scheme());
    Ok(Passed::new(6, "signature", statement, Signed { evidence, ak, bytes }))
}

/// Check 7: magic and type.
pub(super) fn parse<'d, 'p>(signed: Signed<'d, 'p>) -> Result<Passed<Quoted<'d, 'p>>, VerifyError> {
    let Signed { evidence, ak, bytes } = signed;
    let quote = Quote::parse(bytes)?;
    let statement =
        format!("a TPM made it, as a quote, after {} resets, at clock {} ms", quote.clock.reset_count, quote.clock.clock);
    Ok(Passed::new(7, "quote", statement, Quoted { evidence, ak, quote }))
}

/// Check 8: `qualifyingData` follows from my nonce, the proof and the binding.
pub(super) fn check_qualifying_data<'d, 'p>(quoted: Quoted<'d, 'p>) -> Result<Passed<Bound<'d, 'p>>, VerifyError> {
    let Quoted { evidence, ak, quote } = quoted;
    let proof = &evidence.document.nonce_proof;
    let binding_digest = evidence.document.binding.digest();
    let root = proof.root(leaf(evidence.nonce, binding_digest))?;
    let expected = qualifying_data(proof.leaf_count, root);
    if quote.extra_data != expected.as_bytes() {
        return Err(VerifyError::QualifyingDataMismatch { expected });
    }
    let statement = format!("the quote was made for this nonce and the binding {}", binding_digest.digest());
    Ok(Passed::new(8, "qualifying_data", statement, Bound { evidence, ak, quote, binding_digest }))
}
