//! `encrypted_content`: thoughts that a client carries from one request to the next.
//!
//! Nothing is kept here between requests, and there are clients that drop whatever thoughts say in the clear. So each reasoning
//! item can have its thoughts sealed, where `include` asks for that. Sealed or not, they are as confidential as the rest of the
//! answer: whoever has them can have a model of this launch read them out.

use actix_web::{HttpRequest, web};
use data_encoding::BASE64;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use zeroize::Zeroizing;

use crate::openai::error::ApiError;

/// Keeps what is sealed here from being taken for anything else.
const PURPOSE: &[u8] = b"blindllama/reasoning/v1";

/// A key of this launch's (AES-256-GCM, NIST SP 800-38D, with random nonces). It opens nothing that another launch sealed.
pub(crate) struct ReasoningSeal {
    key: LessSafeKey,
}

impl ReasoningSeal {
    /// Makes a fresh key.
    ///
    /// # Errors
    /// Whatever the operating system's random source reports.
    pub(crate) fn generate() -> Result<Self, getrandom::Error> {
        let mut bytes = Zeroizing::new([0; 32]);
        getrandom::fill(bytes.as_mut())?;
        // The only fault is another length.
        let key = UnboundKey::new(&AES_256_GCM, bytes.as_slice()).map_err(|_| getrandom::Error::UNEXPECTED)?;
        Ok(Self { key: LessSafeKey::new(key) })
    }

    /// The server's.
    ///
    /// # Errors
    /// 500 outside the server.
    pub(super) fn of(request: &HttpRequest) -> Result<web::Data<Self>, ApiError> {
        request.app_data().cloned().ok_or_else(|| ApiError::internal("there is no key for thoughts"))
    }

    /// Base64 of nonce, sealed thoughts and tag.
    ///
    /// # Errors
    /// 500 if the random source fails.
    pub(super) fn seal(&self, thoughts: &str) -> Result<String, ApiError> {
        let mut nonce = [0; NONCE_LEN];
        getrandom::fill(&mut nonce).map_err(|error| ApiError::internal(format!("nonce: {error}")))?;
        let mut sealed = thoughts.as_bytes().to_vec();
        self.key
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(PURPOSE), &mut sealed)
            .map_err(|_| ApiError::internal("thoughts cannot be sealed"))?;
        Ok(BASE64.encode(&[&nonce, sealed.as_slice()].concat()))
    }

    /// The thoughts; `None` for what this launch did not seal.
    pub(super) fn open(&self, sealed: &str) -> Option<String> {
        let bytes = BASE64.decode(sealed.as_bytes()).ok()?;
        let (nonce, sealed) = bytes.split_first_chunk::<NONCE_LEN>()?;
        let mut sealed = sealed.to_vec();
        let thoughts = self.key.open_in_place(Nonce::assume_unique_for_key(*nonce), Aad::from(PURPOSE), &mut sealed).ok()?;
        String::from_utf8(thoughts.to_vec()).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_sealed_opens_once_more_and_never_looks_the_same() {
        let seal = ReasoningSeal::generate().unwrap();
        for thoughts in ["", "hm", "tänker 🤔\n"] {
            let (one, other) = (seal.seal(thoughts).unwrap(), seal.seal(thoughts).unwrap());
            assert_ne!(one, other);
            assert_eq!(seal.open(&one).as_deref(), Some(thoughts));
        }
    }

    #[test]
    fn every_flipped_bit_every_cut_and_every_other_launch_is_refused() {
        let seal = ReasoningSeal::generate().unwrap();
        let sealed = seal.seal("hm").unwrap();
        let bytes = BASE64.decode(sealed.as_bytes()).unwrap();
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(seal.open(&BASE64.encode(&flipped)), None, "bit {bit}");
        }
        for length in 0..bytes.len() {
            assert_eq!(seal.open(&BASE64.encode(&bytes[..length])), None, "{length} bytes");
        }
        assert_eq!(seal.open("not Base64"), None);
        assert_eq!(ReasoningSeal::generate().unwrap().open(&sealed), None);
    }
}
