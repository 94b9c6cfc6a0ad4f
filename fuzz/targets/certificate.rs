//! X.509 certificates, their chains, and the endorsement keys in them.
#![no_main]

use blindllama_attest::{
    certificate::{Certificate, Role, verify_chain},
    credential::EndorsementKey,
    verify::UnixTime,
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = Certificate::parse_nvram(bytes);
    let Ok(certificate) = Certificate::parse_der(bytes) else { return };
    assert_eq!(certificate.der(), bytes, "a certificate is read to its last byte");
    let _ = (certificate.subject(), certificate.issuer(), certificate.names_software_tpm());
    let _ = EndorsementKey::from_certificate(&certificate);
    let chain = [certificate];
    for role in [Role::AttestationKey, Role::EndorsementKey] {
        let alone = verify_chain(&chain, &chain, UnixTime(1_800_000_000), role);
        assert!(alone.is_err(), "a pinned leaf is no chain");
    }
});
