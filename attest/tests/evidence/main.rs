//! Tests of the verifier against evidence from a soft quoter and vectors from other people's machines.

// Clippy's leave for tests covers test functions, not what they call.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

#[path = "../certificates/authority.rs"]
#[allow(dead_code, reason = "the tests of chains need more of it")]
mod authority;
mod bit_flips;
mod documents;
#[path = "../eventlog_vectors/vector.rs"]
#[allow(dead_code, reason = "the event logs' own tests need more of it")]
mod eventlog_vector;
mod every_code;
mod explanations;
#[path = "../kit/mod.rs"]
mod kit;
mod launches;
mod learned_policies;
mod nonce_tree;
mod policies;
mod policy_signatures;
mod robustness;
mod spec_vectors;
mod tpm_structures;
mod trust;
mod verdicts;
