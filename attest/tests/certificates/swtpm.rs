//! Endorsement key certificates of a software TPM, as they are made and as NVRAM holds them.

use blindllama_attest::{
    certificate::{Certificate, Role, verify_chain},
    verify::UnixTime,
};

use crate::{NEW_YEAR_2027, authority::Entity, certificate, code, vector};

#[test]
fn swtpms_certificates_lead_to_its_local_root() {
    for leaf in ["swtpm/ek_rsa2048.der", "swtpm/ek_p384.der"] {
        let chain = [certificate(leaf), certificate("swtpm/issuer.der")];
        let roots = [certificate("swtpm/root.der")];
        let verified = verify_chain(&chain, &roots, NEW_YEAR_2027, Role::EndorsementKey).unwrap();
        assert!(verified.leaf().names_software_tpm() || verified.root().names_software_tpm());
        // They say 9999-12-31T23:59:59Z, which means that they do not expire.
        assert_eq!(code(verify_chain(&chain, &roots, UnixTime(253_402_300_799), Role::EndorsementKey)), "accepted");
        assert_eq!(code(verify_chain(&chain, &roots, NEW_YEAR_2027, Role::AttestationKey)), "certificate_key_usage");
    }
}

#[test]
fn nvram_may_be_larger_than_its_certificate() {
    let der = vector("swtpm/ek_rsa2048.der");
    for padding in [&[][..], &[0x00; 20], &[0xff; 300]] {
        let certificate = Certificate::parse_nvram(&[&der, padding].concat()).unwrap();
        assert_eq!(certificate.der(), der);
    }
    assert!(Certificate::parse_der(&[&der[..], &[0x00]].concat()).is_err());
    for wrong in [&[0x00, 0x01][..], &[0x30, 0x03]] {
        assert_eq!(Certificate::parse_nvram(&[&der, wrong].concat()).unwrap_err().code(), "certificate_malformed");
    }
    assert!(Certificate::parse_nvram(&der[..der.len() - 1]).is_err());
    assert!(Certificate::parse_nvram(&[0xff; 100]).is_err());
    assert!(Certificate::parse_nvram(&[]).is_err());
}

#[test]
fn a_software_tpm_is_recognised_by_name_and_by_manufacturer() {
    // The name is in subject and issuer of the authorities, and in the subjectAltName of the endorsement keys.
    for path in ["ek_rsa2048", "ek_p384", "issuer", "root"] {
        assert!(certificate(&format!("swtpm/{path}.der")).names_software_tpm(), "{path}");
    }
    for (name, expected) in [("My SwTPM 7", true), ("Switch TPM", false)] {
        let entity = Entity::authority(name);
        assert_eq!(entity.certificate(&entity).names_software_tpm(), expected, "{name}");
    }
    // Without its name, the manufacturer is left: in a certificate whose every "swtpm" is spoiled.
    let mut der = vector("swtpm/ek_rsa2048.der");
    while let Some(at) = der.windows(5).position(|window| window == b"swtpm") {
        der[at] = b'x';
    }
    assert!(Certificate::parse_der(&der).unwrap().names_software_tpm());
    let at = der.windows(11).position(|window| window == b"id:00001014").unwrap();
    der[at + 10] = b'5';
    assert!(!Certificate::parse_der(&der).unwrap().names_software_tpm());
}
