//! Tests of certificate chains and of credentials, against certificates that other programs made.

// Clippy's leave for tests covers test functions, not what they call.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod authority;
mod chains;
mod credentials;
mod messages;
mod parsing;
mod signatures;
mod swtpm;

use std::path::PathBuf;

use blindllama_attest::{
    certificate::{Certificate, ChainError, Role, VerifiedChain, verify_chain},
    verify::UnixTime,
};

/// 2027-01-01T00:00:00Z: all test certificates are valid then.
const NEW_YEAR_2027: UnixTime = UnixTime(1_798_761_600);

fn vector(path: &str) -> Vec<u8> {
    std::fs::read(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/certificates").join(path)).unwrap()
}

fn certificate(path: &str) -> Certificate {
    Certificate::parse_der(&vector(path)).unwrap()
}

fn code(result: Result<VerifiedChain<'_>, ChainError>) -> &'static str {
    result.err().map_or("accepted", |error| error.code())
}

impl authority::Chain {
    fn verdict(&self) -> &'static str {
        let (below_root, root) = self.issue();
        verdict(&below_root, &root)
    }
}

/// The verdict over a chain of an attestation key in 2027.
fn verdict(leaf_first: &[Certificate], root: &Certificate) -> &'static str {
    code(verify_chain(leaf_first, std::slice::from_ref(root), NEW_YEAR_2027, Role::AttestationKey))
}
