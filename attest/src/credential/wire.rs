//! What travels: the bodies of `POST /attestation/activate`, read strictly.

use std::fmt;

use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::make::check_name;
use crate::{bytes::Reader, evidence::encoding::Base64Bytes};

/// The largest request or answer that is read, in bytes.
pub const MAX_ACTIVATION_BYTES: usize = 4 * 1024;

/// A TPM2B_ID_OBJECT with SHA-512 and a secret of 64 bytes is below this, in bytes.
const MAX_ID_OBJECT_BYTES: usize = 200;

/// A TPM2B_ENCRYPTED_SECRET for RSA-4096 is below this, in bytes.
const MAX_ENCRYPTED_SECRET_BYTES: usize = 600;

/// The verifier's request: a credential for TPM2_ActivateCredential.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ActivationRequest {
    /// The attestation key's Name, nameAlg and digest in lower-case hex.
    pub ak_name: String,
    /// TPM2B_ID_OBJECT.
    pub id_object: Base64Bytes,
    /// TPM2B_ENCRYPTED_SECRET.
    pub encrypted_secret: Base64Bytes,
}

/// The TPM's answer.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ActivationAnswer {
    /// The secret that was in the credential.
    pub secret: Base64Bytes,
}

/// The bytes are no request, or no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidActivation {
    /// There are too many.
    #[error("the activation message has {found} bytes; at most {MAX_ACTIVATION_BYTES} are read")]
    TooLarge {
        /// How many there are.
        found: usize,
    },
    /// They are no JSON of this format.
    #[error("the activation message is malformed: {0}")]
    Malformed(String),
    /// A field cannot hold what it should.
    #[error("{field} of the activation request is {problem}")]
    Field {
        /// The field.
        field: &'static str,
        /// What is wrong with it.
        problem: &'static str,
    },
}

impl ActivationRequest {
    /// Reads a request whose fields have the outer form that a TPM expects.
    ///
    /// # Errors
    /// [`InvalidActivation`] says what is wrong.
    pub fn parse(json: &[u8]) -> Result<Self, InvalidActivation> {
        let request: Self = parse_exact(json)?;
        request.ak_name()?;
        check_tpm2b("id_object", &request.id_object, MAX_ID_OBJECT_BYTES)?;
        check_tpm2b("encrypted_secret", &request.encrypted_secret, MAX_ENCRYPTED_SECRET_BYTES)?;
        Ok(request)
    }

    /// The attestation key's Name as bytes.
    ///
    /// # Errors
    /// [`InvalidActivation::Field`] if [`Self::ak_name`](field@Self::ak_name) is no Name.
    pub fn ak_name(&self) -> Result<Vec<u8>, InvalidActivation> {
        let name = HEXLOWER.decode(self.ak_name.as_bytes()).ok().filter(|name| check_name(name).is_ok());
        name.ok_or(InvalidActivation::Field { field: "ak_name", problem: "no TPM Name in lower-case hexadecimal digits" })
    }
}

impl ActivationAnswer {
    /// Reads an answer.
    ///
    /// # Errors
    /// [`InvalidActivation`] says what is wrong.
    pub fn parse(json: &[u8]) -> Result<Self, InvalidActivation> {
        parse_exact(json)
    }
}

impl fmt::Debug for ActivationAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ActivationAnswer").finish_non_exhaustive()
    }
}

/// Reads JSON that says exactly what was understood: derived readers also take an array for an object.
fn parse_exact<T: Serialize + DeserializeOwned>(json: &[u8]) -> Result<T, InvalidActivation> {
    if json.len() > MAX_ACTIVATION_BYTES {
        return Err(InvalidActivation::TooLarge { found: json.len() });
    }
    let malformed = |error: serde_json::Error| InvalidActivation::Malformed(error.to_string());
    let parsed: T = serde_json::from_slice(json).map_err(malformed)?;
    let given: serde_json::Value = serde_json::from_slice(json).map_err(malformed)?;
    if given != serde_json::to_value(&parsed).map_err(malformed)? {
        return Err(InvalidActivation::Malformed("it is not written as an object with these fields".to_owned()));
    }
    Ok(parsed)
}

fn check_tpm2b(field: &'static str, bytes: &Base64Bytes, limit: usize) -> Result<(), InvalidActivation> {
    if bytes.0.len() > limit {
        return Err(InvalidActivation::Field { field, problem: "too long" });
    }
    let mut reader = Reader::new(&bytes.0);
    let complete = reader.tpm2b().and_then(|_| reader.finish());
    complete.map_err(|_| InvalidActivation::Field { field, problem: "not one complete TPM2B" })
}
