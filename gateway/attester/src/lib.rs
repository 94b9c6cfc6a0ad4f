//! The gateway's evidence: the TPM's quotes put together with the logs, the certificates and the binding.
//!
//! [`TpmAttester`] joins the HTTP server's seam (`blindllama_gateway::attestation`) with the TPM's thread
//! (`blindllama_attest_tpm`). It knows no engine and no Python, so tests and benchmarks serve real evidence without them.

mod attester;
mod evidence_parts;

pub use attester::{Certificates, TpmAttester};
