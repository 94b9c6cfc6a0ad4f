//! Signature algorithms: what openssl signed, and AMD's chain with RSASSA-PSS.

use blindllama_attest::{
    certificate::{Certificate, Role, verify_chain},
    verify::UnixTime,
};

use crate::{certificate, code, vector, verdict};

fn signed_as(leaf: &str, root: &str) -> &'static str {
    verdict(&[certificate(&format!("signatures/{leaf}.der"))], &certificate(&format!("signatures/{root}.der")))
}

#[test]
fn sha_2_signatures_are_checked() {
    for leaf in ["pkcs1_sha256", "pkcs1_sha384", "pkcs1_sha512", "pss_sha256", "pss_sha384", "pss_sha512"] {
        assert_eq!(signed_as(leaf, "root_2048"), "accepted", "{leaf}");
    }
    for (leaf, root) in
        [("p256_sha256", "root_p256"), ("p256_sha384", "root_p256"), ("p384_sha256", "root_p384"), ("p384_sha384", "root_p384")]
    {
        assert_eq!(signed_as(leaf, root), "accepted", "{leaf}");
    }
}

#[test]
fn other_signatures_are_refused_by_name() {
    for leaf in ["pkcs1_sha1", "pss_sha1", "pss_salt_20", "pss_mask_sha1"] {
        assert_eq!(signed_as(leaf, "root_2048"), "certificate_signature_unsupported", "{leaf}");
    }
    for (leaf, root) in
        [("p256_sha1", "root_p256"), ("p384_sha1", "root_p384"), ("under_1024", "root_1024"), ("under_ed25519", "root_ed25519")]
    {
        assert_eq!(signed_as(leaf, root), "certificate_signature_unsupported", "{leaf}");
    }
}

#[test]
fn a_root_of_version_1_may_be_pinned() {
    assert_eq!(signed_as("under_v1", "root_v1"), "accepted");
}

#[test]
fn every_changed_byte_of_a_signature_is_noticed() {
    for (leaf, root) in [("pkcs1_sha256", "root_2048"), ("pss_sha384", "root_2048"), ("p384_sha384", "root_p384")] {
        let (honest, root) = (vector(&format!("signatures/{leaf}.der")), certificate(&format!("signatures/{root}.der")));
        for offset in honest.len() - 90..honest.len() {
            let mut der = honest.clone();
            der[offset] ^= 0x01;
            let Ok(changed) = Certificate::parse_der(&der) else { continue };
            assert_eq!(verdict(&[changed], &root), "certificate_signature_invalid", "byte {offset} of {leaf}");
        }
    }
}

fn pem(path: &str) -> Certificate {
    Certificate::parse_pem(&String::from_utf8(vector(path)).unwrap()).unwrap()
}

/// AMD's chain is of RSA-4096 with RSASSA-PSS and SHA-384; its leaf has neither keyUsage nor extendedKeyUsage.
#[test]
fn amds_chain_holds_while_it_is_valid() {
    let chain = [certificate("amd_milan/vcek.der"), pem("amd_milan/ask.pem")];
    let roots = [pem("amd_milan/ark.pem")];
    let (january_27_2025, september_2025, january_29_2032) = (1_737_994_015, 1_756_728_000, 1_959_006_415);
    let at = |time| code(verify_chain(&chain, &roots, UnixTime(time), Role::AttestationKey));
    assert_eq!(at(january_27_2025), "certificate_not_yet_valid");
    assert_eq!(at(september_2025), "accepted");
    assert_eq!(at(january_29_2032), "certificate_expired");
}

#[test]
fn amds_chain_with_a_part_changed_or_missing_is_refused() {
    let (ask, ark) = (pem("amd_milan/ask.pem"), pem("amd_milan/ark.pem"));
    let mut changed = vector("amd_milan/vcek.der");
    assert_eq!(verdict(&[Certificate::parse_der(&changed).unwrap()], &ark), "certificate_root_not_trusted");
    *changed.last_mut().unwrap() ^= 0x01;
    assert_eq!(verdict(&[Certificate::parse_der(&changed).unwrap(), ask], &ark), "certificate_signature_invalid");
}
