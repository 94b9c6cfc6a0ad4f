//! The shim against a scripted gateway that records every byte it is sent.

// Clippy's leave for tests covers test functions, not what they call.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod cli;
mod eventlog;
mod explained;
mod forwarding;
mod kit;
mod local_clients;
mod policy;
mod quotes;
mod receipt;
mod refusals;
mod renewal;
mod saved;
mod signed_policy;
#[path = "../../../attest/tests/kit/mod.rs"]
#[allow(dead_code, reason = "the verifier's own tests need more of it")]
mod soft_tpm;
