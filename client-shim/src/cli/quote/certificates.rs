//! The attestation key's certificate: whose key it is, and that a root vouches for it.

use std::path::{Path, PathBuf};

use blindllama_attest::{
    certificate::{Certificate, Role, verify_chain},
    tpm::QuoteKey,
};

use super::{Line, QuoteCheckOptions, read, time, unreadable};
use crate::cli::{Outcome, text::rfc3339};

const CHECK: &str = "certificate";

pub(super) fn check(leaf: &Path, options: &QuoteCheckOptions, ak: &QuoteKey) -> Result<Line, Outcome> {
    let mut leaf_first = vec![parse(leaf)?];
    for path in &options.chain {
        leaf_first.push(parse(path)?);
    }
    let roots = options.root.iter().map(|path: &PathBuf| parse(path)).collect::<Result<Vec<_>, _>>()?;
    let at = time(options.at);
    let chain = match verify_chain(&leaf_first, &roots, at, Role::AttestationKey) {
        Ok(chain) => chain,
        Err(error) => return Ok(Line::failed(CHECK, error.to_string())),
    };
    let of_this_key = ak.public_key().spki_der().is_ok_and(|spki| spki == chain.leaf().spki_der());
    if !of_this_key {
        return Ok(Line::failed(CHECK, "the certificate is about another key than --ak"));
    }
    let of_software = leaf_first.iter().chain([chain.root()]).any(Certificate::names_software_tpm);
    let software = if of_software { "; it names a software TPM, which proves nothing about hardware" } else { "" };
    let (root, time) = (chain.root().subject(), rfc3339(at));
    Ok(Line::passed(CHECK, format!("{root} vouches for this key at {time}; revocation is not looked at{software}")))
}

/// PEM or DER.
fn parse(path: &Path) -> Result<Certificate, Outcome> {
    let bytes = read(path)?;
    let parsed = match str::from_utf8(&bytes) {
        Ok(text) if text.trim_start().starts_with("-----BEGIN") => Certificate::parse_pem(text),
        _ => Certificate::parse_der(&bytes),
    };
    parsed.map_err(|error| unreadable(path, &error))
}
