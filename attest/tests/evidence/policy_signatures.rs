//! Signed policies: whose signature counts, and over what.

use blindllama_attest::policy::{
    InvalidPolicyKey, PolicyKey, PolicySignature, PolicySigningKey, SignatureFileError, SignedPolicy, UnsignablePolicy,
};
use data_encoding::BASE64;
use ed25519_dalek::{Signer as _, SigningKey};

use crate::kit::Scenario;

/// The test key of RFC 8032, section 7.1, test 1, in PKCS#8.
const PRIVATE: &str =
    "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n-----END PRIVATE KEY-----\n";
/// Its public half, as `openssl pkey -pubout` writes it.
const PUBLIC: &str =
    "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n-----END PUBLIC KEY-----\n";
const PUBLIC_BASE64: &str = "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";

fn policy() -> String {
    let mut document = Scenario::honest().policy;
    document.revision = Some(3);
    document.to_toml().unwrap()
}

fn key() -> PolicySigningKey {
    PolicySigningKey::from_pkcs8_pem(PRIVATE).unwrap()
}

fn signed() -> String {
    PolicySignature::sign(policy().as_bytes(), &key()).unwrap().to_string()
}

fn verified(signature: &str, policy: &[u8], trusted: &PolicyKey) -> Result<SignedPolicy, SignatureFileError> {
    PolicySignature::parse(signature.as_bytes())?.verify(policy, trusted)
}

#[test]
fn both_forms_of_a_public_key_are_the_same_key() {
    for text in [PUBLIC, PUBLIC_BASE64, &format!(" {PUBLIC_BASE64}\n")] {
        assert_eq!(PolicyKey::parse(text), Ok(key().public()), "{text}");
    }
    assert_eq!(key().public().to_string(), PUBLIC_BASE64);
    for text in ["", "11qYAYKx", PRIVATE, "no base64", &PUBLIC.replace("MCow", "MCoW"), &PUBLIC_BASE64.replace('=', "")] {
        assert_eq!(PolicyKey::parse(text), Err(InvalidPolicyKey::NotPublic), "{text}");
    }
    assert!(matches!(PolicySigningKey::from_pkcs8_pem(PUBLIC), Err(InvalidPolicyKey::NotPrivate)));
    assert!(!format!("{:?}", key()).contains("nWGxne"), "the private key is printed");
}

#[test]
fn a_key_under_which_anything_is_signed_is_none() {
    let mut identity = [0_u8; 32];
    identity[0] = 1;
    assert_eq!(PolicyKey::parse(&BASE64.encode(&identity)), Err(InvalidPolicyKey::Weak));
}

#[test]
fn a_signed_policy_is_read() {
    let signed = verified(&signed(), policy().as_bytes(), &key().public()).unwrap();
    assert_eq!((signed.revision(), signed.key()), (3, key().public()));
    assert_eq!(signed.policy().revision(), Some(3));
    assert_eq!(signed.sha256(), blindllama_attest::digest::Sha256Digest::of(&[policy().as_bytes()]));
}

#[test]
fn a_policy_without_a_revision_is_not_signed_nor_believed() {
    let unnumbered = Scenario::honest().policy.to_toml().unwrap();
    assert_eq!(PolicySignature::sign(unnumbered.as_bytes(), &key()), Err(UnsignablePolicy::NoRevision));
    let refused = |bytes: &[u8]| verified(&raw_signature(b"blindllama/policy/v1\0", bytes), bytes, &key().public());
    assert_eq!(refused(unnumbered.as_bytes()), Err(UnsignablePolicy::NoRevision.into()));
    assert_eq!(refused(b"\xff"), Err(UnsignablePolicy::NotText.into()));
    assert!(matches!(refused(b"version = 1"), Err(SignatureFileError::Unusable(UnsignablePolicy::Policy(_)))));
}

/// A signature file made without the code under test.
fn raw_signature(domain: &[u8], policy: &[u8]) -> String {
    let seed = BASE64.decode(b"nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=").unwrap();
    let signature = SigningKey::from_bytes(&seed.try_into().unwrap()).sign(&[domain, policy].concat());
    format!("blindllama-policy-ed25519 {PUBLIC_BASE64} {}\n", BASE64.encode(&signature.to_bytes()))
}

#[test]
fn the_signed_bytes_are_the_prefix_and_the_file() {
    assert_eq!(signed(), raw_signature(b"blindllama/policy/v1\0", policy().as_bytes()));
    let other_domain = raw_signature(b"blindllama/policy/v2\0", policy().as_bytes());
    assert_eq!(verified(&other_domain, policy().as_bytes(), &key().public()), Err(SignatureFileError::Forged));
}

#[test]
fn every_changed_byte_is_noticed() {
    let (policy, signature, trusted) = (policy(), signed(), key().public());
    for index in 0..policy.len() {
        let mut changed = policy.clone().into_bytes();
        changed[index] ^= 1;
        assert_eq!(verified(&signature, &changed, &trusted), Err(SignatureFileError::Forged), "byte {index}");
    }
    for index in 0..signature.len() {
        let mut changed = signature.clone().into_bytes();
        changed[index] ^= 1;
        let parsed = PolicySignature::parse(&changed);
        let verified = parsed.and_then(|signature| signature.verify(policy.as_bytes(), &trusted));
        assert!(verified.is_err(), "byte {index}: {}", String::from_utf8_lossy(&changed));
    }
}

#[test]
fn another_key_does_not_count() {
    let other = PolicyKey::parse("PUAXw+hDiVqStwqnTRt+vJyYLM8uxJaMwM1V8Sr0Zgw=").unwrap();
    let refused = verified(&signed(), policy().as_bytes(), &other).unwrap_err();
    assert_eq!(refused, SignatureFileError::OtherKey { found: key().public(), trusted: other });
    let claimed = signed().replace(PUBLIC_BASE64, &other.to_string());
    assert_eq!(verified(&claimed, policy().as_bytes(), &other), Err(SignatureFileError::Forged));
}

#[test]
fn a_signature_file_is_one_line_of_three_words() {
    let line = signed();
    for wrong in [
        String::new(),
        line.trim_end().to_owned(),
        line.clone() + "\n",
        line.clone() + &line,
        line.replace(' ', "  "),
        line.replace('\n', " more\n"),
        line.replace('\n', "\r\n"),
        format!(" {line}"),
        line.replace("ed25519", "rsa"),
        line.replacen(' ', " \t", 1),
    ] {
        let refused = PolicySignature::parse(wrong.as_bytes()).unwrap_err();
        assert!(matches!(refused, SignatureFileError::Malformed(_)), "{wrong:?}: {refused}");
    }
    assert!(PolicySignature::parse(b"\xff\n").is_err());
}
