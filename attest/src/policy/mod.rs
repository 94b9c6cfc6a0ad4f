//! The policy that a user holds: which TPMs, platforms and releases to accept, and for how long.
//!
//! [`PolicyDocument`] is the TOML file as written; [`Policy`] is a document that makes sense, and the only thing that
//! [`crate::verify::verify`] takes. What a policy does not list is refused. Whatever weakens a check is switched on by its
//! own key, false by default, and repeated in every verdict.

mod authorities;
mod document;
mod error;
mod learn;
mod platform;
mod release;
mod rules;
mod signature;
mod signing_key;
mod trust;
mod valid;
mod weakening;

pub use authorities::Authorities;
pub use document::{PolicyDocument, WeakeningSwitches};
pub use error::PolicyError;
pub use learn::{LearnError, LearnedNames, LearnedTrust, learn};
pub use platform::{ApplicationMeasurements, BankName, Platform};
pub use release::{Release, ReleaseStatus};
pub use signature::{PolicySignature, SignatureFileError, SignedPolicy, UnsignablePolicy};
pub use signing_key::{InvalidPolicyKey, PolicyKey, PolicySigningKey};
pub use trust::{Certifies, Machine, MachineIdentity, TpmKind, TrustedAk, TrustedRoot};
pub use valid::Policy;
pub use weakening::Weakening;
