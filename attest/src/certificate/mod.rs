//! X.509 certificates of attestation and endorsement keys, and the chains that lead them to a pinned root.
//!
//! A chain is checked link by link (RFC 5280, section 6.1, without what TPM makers do not use): there is no path building, and
//! whatever the check does not understand is refused. What it does **not** do is revocation: no CRL and no OCSP answer is
//! read, since a pure verifier has no network. Who learns that a maker's key is compromised removes its root from the policy.
//!
//! A verified chain says who vouches for a key, not that the key is the one in question: comparing [`Certificate::spki_der`]
//! with it is up to the caller.

mod chain;
mod error;
mod extensions;
mod key;
mod name;
mod parse;
mod signature;

pub use chain::{MAX_CHAIN_CERTIFICATES, Role, VerifiedChain, verify_chain};
pub use error::{ChainError, Position};
pub use parse::{Certificate, InvalidCertificate, MAX_CERTIFICATE_BYTES};

pub(crate) use key::PublicKey;
