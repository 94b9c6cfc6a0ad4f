//! The evidence document as pieces of JSON: what never changes, what changes with the quote, and the nonce.
//!
//! Logs and certificates can be a hundred kilobytes; they are written once, and copied for each nonce.

use std::sync::{Arc, Mutex, PoisonError};

use blindllama_attest::{
    evidence::{EvidenceDocument, encoding::Base64Bytes},
    nonce::{Nonce, NonceProof},
    pcr_banks::PcrBanks,
};
use blindllama_attest_tpm::Quote;
use serde::Serialize;
use serde_json::{Map, Value};

/// Everything but nonce, proof and quote.
pub(crate) struct EvidenceParts {
    /// The members of the document, and the brace that ends it.
    document: String,
    /// The members of its `tpm`, and the brace that ends it.
    tpm: String,
    latest: Mutex<Option<(Arc<Quote>, Arc<str>)>>,
}

/// The members of `tpm` that a quote brings along.
#[derive(Serialize)]
struct QuoteMembers {
    quote: Base64Bytes,
    signature: Base64Bytes,
    pcrs: PcrBanks,
}

impl EvidenceParts {
    /// Takes `template` apart; its nonce, proof and quote are left out.
    ///
    /// # Errors
    /// Whatever the serialiser reports.
    pub(crate) fn new(template: &EvidenceDocument) -> serde_json::Result<Self> {
        let mut document = members(template)?;
        let mut tpm = members(&template.tpm)?;
        document.retain(|key, _| !["nonce", "nonce_proof", "tpm"].contains(&key.as_str()));
        tpm.retain(|key, _| !["quote", "signature", "pcrs"].contains(&key.as_str()));
        Ok(Self { document: without_brace(&document)?, tpm: without_brace(&tpm)?, latest: Mutex::default() })
    }

    /// The document for one nonce.
    ///
    /// # Errors
    /// Whatever the serialiser reports.
    pub(crate) fn document(&self, nonce: &Nonce, proof: &NonceProof, quote: &Arc<Quote>) -> serde_json::Result<Vec<u8>> {
        let quote = self.quote_members(quote)?;
        let (nonce, proof) = (nonce.to_hex(), serde_json::to_string(proof)?);
        let parts =
            ["{\"nonce\":\"", &nonce, "\",\"nonce_proof\":", &proof, ",\"tpm\":{", &quote, ",", &self.tpm, ",", &self.document];
        Ok(parts.concat().into_bytes())
    }

    /// The members of a quote, written once for all nonces that share it.
    fn quote_members(&self, quote: &Arc<Quote>) -> serde_json::Result<Arc<str>> {
        let mut latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        match &*latest {
            Some((written, members)) if Arc::ptr_eq(written, quote) => Ok(Arc::clone(members)),
            _ => {
                let members: Arc<str> = write_quote(quote)?.into();
                *latest = Some((Arc::clone(quote), Arc::clone(&members)));
                Ok(members)
            }
        }
    }
}

fn write_quote(quote: &Quote) -> serde_json::Result<String> {
    let mut members = without_brace(&QuoteMembers {
        quote: Base64Bytes(quote.attest.clone()),
        signature: Base64Bytes(quote.signature.clone()),
        pcrs: PcrBanks::sha256(quote.pcrs.clone()),
    })?;
    // Others follow.
    members.pop();
    Ok(members)
}

fn members(value: &impl Serialize) -> serde_json::Result<Map<String, Value>> {
    serde_json::from_value(serde_json::to_value(value)?)
}

/// A JSON object without the brace that begins it.
fn without_brace(object: &impl Serialize) -> serde_json::Result<String> {
    let mut text = serde_json::to_string(object)?;
    text.remove(0);
    Ok(text)
}

#[cfg(test)]
mod tests {
    use blindllama_attest::{
        application::{Event, LoggedEvent},
        binding::Binding,
        digest::Sha256Digest,
        evidence::{EventLogs, TpmEvidence, VERSION, encoding::Base64Array},
        nonce::NonceTree,
    };

    use super::*;

    /// A document with something in each of its places.
    fn document(nonce: &Nonce, nonce_proof: NonceProof, quote: &Quote) -> EvidenceDocument {
        let bytes = |byte: u8| Base64Bytes(vec![byte; 40]);
        EvidenceDocument {
            version: VERSION,
            nonce: nonce.to_hex(),
            binding: Binding {
                tls_spki_sha256: Sha256Digest::of(&[b"tls"]),
                receipt_public_key: Base64Array([7; 32]),
                hpke_public_key: None,
                model_sha256: Sha256Digest::of(&[b"model"]),
            },
            nonce_proof,
            tpm: TpmEvidence {
                quote: Base64Bytes(quote.attest.clone()),
                signature: Base64Bytes(quote.signature.clone()),
                ak_public: bytes(1),
                ak_certificates: vec![bytes(2), bytes(3)],
                ek_certificates: vec![bytes(4)],
                pcrs: PcrBanks::sha256(quote.pcrs.clone()),
            },
            event_log: EventLogs {
                firmware: Some(bytes(5)),
                systemd: None,
                application: vec![LoggedEvent::new(14, Event::SealedApplication).unwrap()],
            },
            tee: [],
        }
    }

    fn quote(byte: u8) -> Arc<Quote> {
        let pcrs = [(0, Sha256Digest::of(&[&[byte]])), (14, Sha256Digest::ZERO)].into();
        Arc::new(Quote { attest: vec![byte; 120], signature: vec![byte; 70], pcrs })
    }

    #[test]
    fn the_pieces_make_the_document_that_serde_would_write() {
        let leaves = (0..9).map(|number: u8| Sha256Digest::of(&[&[number]])).collect();
        let tree = NonceTree::new(leaves).unwrap();
        let old = Nonce::from_bytes(vec![0; 16]).unwrap();
        let parts = EvidenceParts::new(&document(&old, NonceProof::single(), &quote(0))).unwrap();
        // Quotes come and go: each nonce gets its own.
        let (first, second) = (quote(1), quote(2));
        for (index, quote) in [(0, &first), (8, &first), (3, &second), (4, &first)] {
            let nonce = Nonce::from_bytes(vec![0xa0 + u8::try_from(index).unwrap(); 64]).unwrap();
            let proof = tree.proof(index).unwrap();
            let expected = document(&nonce, proof.clone(), quote);
            let written = parts.document(&nonce, &proof, quote).unwrap();
            let value: Value = serde_json::from_slice(&written).unwrap();
            assert_eq!(value, serde_json::to_value(&expected).unwrap());
            let parsed = EvidenceDocument::parse(&written).unwrap();
            assert_eq!(serde_json::to_value(parsed).unwrap(), value);
        }
    }
}
