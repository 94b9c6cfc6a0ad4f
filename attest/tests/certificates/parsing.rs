//! Certificates that are no certificates.

use blindllama_attest::{
    certificate::{Certificate, InvalidCertificate, MAX_CERTIFICATE_BYTES},
    digest::Sha256Digest,
};
use proptest::prelude::{any, proptest};
use rcgen::CustomExtension;

use crate::{authority::Entity, certificate, vector};

fn reason(der: &[u8]) -> String {
    let error = Certificate::parse_der(der).unwrap_err();
    assert_eq!(error.code(), "certificate_malformed");
    error.to_string()
}

fn self_signed() -> Vec<u8> {
    let entity = Entity::attestation_key();
    entity.certificate_der(&entity)
}

#[test]
fn digests_are_over_the_bytes_as_they_stand() {
    let der = vector("swtpm/ek_p384.der");
    let parsed = Certificate::parse_der(&der).unwrap();
    assert_eq!(parsed.sha256(), Sha256Digest::of(&[&der]));
    assert_eq!(parsed.spki_der().len(), 120);
    assert!(der.windows(120).any(|window| window == parsed.spki_der()));
    assert_eq!(parsed.spki_sha256(), Sha256Digest::of(&[parsed.spki_der()]));
    assert_eq!((parsed.subject().as_str(), parsed.issuer().as_str()), ("CN=unknown", "CN=swtpm-localca"));
}

#[test]
fn a_certificate_that_is_cut_or_extended_is_refused() {
    let der = self_signed();
    for end in 0..der.len() {
        reason(&der[..end]);
    }
    reason(&[&der[..], &[0]].concat());
    let large = vec![0x30; MAX_CERTIFICATE_BYTES + 1];
    assert!(matches!(Certificate::parse_der(&large), Err(InvalidCertificate::TooLarge { found, .. }) if found == large.len()));
    assert!(matches!(Certificate::parse_nvram(&large), Err(InvalidCertificate::TooLarge { .. })));
}

/// The signed part says ECDSA with SHA-256, the outside SHA-384.
#[test]
fn the_signature_algorithms_have_to_agree() {
    let mut der = self_signed();
    let oid = [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02];
    let outer = der.windows(oid.len()).rposition(|window| window == oid).unwrap();
    der[outer + 7] = 0x03;
    assert!(reason(&der).contains("signature algorithm"), "{}", reason(&der));
}

#[test]
fn versions_other_than_three_are_refused() {
    let mut der = self_signed();
    let version = der.windows(5).position(|window| window == [0xa0, 0x03, 0x02, 0x01, 0x02]).unwrap();
    der[version + 4] = 0x01;
    assert!(reason(&der).contains("version 2"));
    der[version + 4] = 0x00;
    assert!(reason(&der).contains("version 1"));
    der[version + 4] = 0x03;
    reason(&der);
}

#[test]
fn an_extension_occurs_once() {
    let mut entity = Entity::attestation_key();
    for _ in 0..2 {
        entity.params.custom_extensions.push(CustomExtension::from_oid_content(&[1, 3, 6, 1, 4, 1, 32473, 1], vec![5, 0]));
    }
    assert!(reason(&entity.certificate_der(&entity)).contains("occurs twice"));
}

#[test]
fn a_known_extension_has_to_be_readable() {
    for extension in [15, 17, 19, 37] {
        let mut entity = Entity::attestation_key();
        entity.params.key_usages.clear();
        entity.params.custom_extensions.push(CustomExtension::from_oid_content(&[2, 5, 29, extension], vec![0x04, 0x00]));
        assert!(reason(&entity.certificate_der(&entity)).contains("is malformed"), "{extension}");
    }
}

#[test]
fn pem_is_one_block_with_a_certificate() {
    let text = String::from_utf8(vector("amd_milan/ark.pem")).unwrap();
    assert!(Certificate::parse_pem(&text).is_ok());
    let key = text.replace("CERTIFICATE", "PUBLIC KEY");
    for wrong in ["", "certificate", &key, &text[..200], &format!("{text}{text}"), &"-".repeat(2 * MAX_CERTIFICATE_BYTES + 1)] {
        assert_eq!(Certificate::parse_pem(wrong).unwrap_err().code(), "certificate_malformed");
    }
}

#[test]
fn error_messages_are_short_and_printable() {
    let text = String::from_utf8(vector("amd_milan/ark.pem")).unwrap();
    let label = "A".repeat(3000);
    let error = Certificate::parse_pem(&text.replace("CERTIFICATE", &label)).unwrap_err().to_string();
    assert!(error.len() < 300, "{error}");
}

proptest! {
    #[test]
    fn arbitrary_bytes_are_read_without_panic(bytes: Vec<u8>) {
        let _ = (Certificate::parse_der(&bytes), Certificate::parse_nvram(&bytes));
    }

    #[test]
    fn arbitrary_changes_are_read_without_panic(offset in 0..842_usize, byte in any::<u8>(), path in 0..2_usize) {
        let mut der = vector(["swtpm/ek_p384.der", "signatures/pss_sha384.der"][path]);
        let length = der.len();
        der[offset % length] = byte;
        if let Ok(parsed) = Certificate::parse_der(&der) {
            let _ = (parsed.subject(), parsed.issuer(), parsed.names_software_tpm());
            let _ = crate::verdict(&[parsed], &certificate("signatures/root_2048.der"));
        }
    }
}
