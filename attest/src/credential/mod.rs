//! Credential activation: proof that an attestation key lives in the TPM of an endorsement key.
//!
//! The verifier makes a credential for the endorsement key and the attestation key's Name: TPM2_MakeCredential, here in pure
//! Rust (TPM 2.0 Library, Part 1, sections 24, B.10.4 and C.6.4). Only a TPM that holds both keys gives the secret in it
//! back (TPM2_ActivateCredential). A [`Challenge`] waits for that answer, and turns it into an [`ActivatedKey`].
//!
//! The endorsement key comes from its certificate and nowhere else; checking the certificate's chain comes first. All
//! randomness is an argument.

mod challenge;
mod endorsement_key;
mod make;
mod primitives;
mod seed;
mod wire;

pub use challenge::{ActivatedKey, Challenge, WrongSecret};
pub use endorsement_key::{EndorsementKey, UnsupportedEndorsementKey};
pub use make::{Credential, CredentialError, CredentialRandomness, make_credential};
pub use wire::{ActivationAnswer, ActivationRequest, InvalidActivation, MAX_ACTIVATION_BYTES};
