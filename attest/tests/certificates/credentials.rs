//! Credentials: known answers of an independent implementation (docs/spec/vectors/make_credential.py), and challenges.

use blindllama_attest::{
    certificate::Certificate,
    credential::{
        ActivatedKey, ActivationAnswer, Challenge, CredentialError, CredentialRandomness, EndorsementKey, WrongSecret,
        make_credential,
    },
    evidence::encoding::Base64Bytes,
};
use data_encoding::{BASE64, HEXLOWER};

use crate::certificate;

/// A known answer.
struct KnownAnswer {
    what: String,
    ek: EndorsementKey,
    fields: serde_json::Value,
}

impl KnownAnswer {
    fn all() -> Vec<Self> {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/spec/vectors/credential.json");
        let vectors: Vec<serde_json::Value> = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        vectors.into_iter().map(Self::new).collect()
    }

    fn new(fields: serde_json::Value) -> Self {
        let der = BASE64.decode(fields["ek_certificate"].as_str().unwrap().as_bytes()).unwrap();
        let ek = EndorsementKey::from_certificate(&Certificate::parse_der(&der).unwrap()).unwrap();
        Self { what: fields["what"].as_str().unwrap().to_owned(), ek, fields }
    }

    fn of(template: &str) -> Self {
        Self::all().into_iter().find(|answer| answer.fields["template"] == template).unwrap()
    }

    fn bytes(&self, field: &str) -> Vec<u8> {
        HEXLOWER.decode(self.fields[field].as_str().unwrap().as_bytes()).unwrap()
    }

    fn randomness(&self) -> CredentialRandomness {
        let part = |field| self.bytes(field).as_slice().try_into().map(<[u8; 48]>::into).unwrap();
        CredentialRandomness::new(part("seed"), part("ephemeral"))
    }
}

#[test]
fn known_answers() {
    let answers = KnownAnswer::all();
    assert_eq!(answers.len(), 7);
    for answer in answers {
        let made = make_credential(&answer.ek, &answer.bytes("ak_name"), &answer.bytes("secret"), answer.randomness()).unwrap();
        assert_eq!(made.encrypted_secret, answer.bytes("encrypted_secret"), "{}", answer.what);
        assert_eq!(made.id_object, answer.bytes("id_object"), "{}", answer.what);
    }
}

#[test]
fn other_endorsement_keys_are_refused_by_name() {
    for (path, reason) in [
        ("swtpm/issuer.der", "RSA with 3072 bits"),
        ("signatures/root_1024.der", "1024 bits"),
        ("signatures/exponent_3.der", "exponent"),
        ("signatures/root_ed25519.der", "1.3.101.112"),
    ] {
        let error = EndorsementKey::from_certificate(&certificate(path)).unwrap_err();
        assert!(error.reason.contains(reason), "{error}");
    }
    for path in ["swtpm/ek_rsa2048.der", "swtpm/ek_p384.der", "signatures/root_p256.der"] {
        let certificate = certificate(path);
        assert_eq!(EndorsementKey::from_certificate(&certificate).unwrap().spki_sha256(), certificate.spki_sha256());
    }
}

#[test]
fn a_name_is_an_algorithm_and_its_digest() {
    let answer = KnownAnswer::of("L-2");
    let make = |name: &[u8]| make_credential(&answer.ek, name, &[1; 32], answer.randomness()).map(|_| ());
    let name = answer.bytes("ak_name");
    assert_eq!(make(&name), Ok(()));
    let sha1 = [&[0x00, 0x04][..], &[0; 20]].concat();
    for wrong in [&[][..], &[0x00], &[0x00, 0x0b], &name[..33], &[&name[..], &[0]].concat(), &sha1, &[0x40; 34]] {
        assert_eq!(make(wrong), Err(CredentialError::InvalidName), "{wrong:?}");
    }
}

#[test]
fn a_secret_fits_the_endorsement_keys_digest() {
    for (template, limit) in [("L-1", 32), ("L-2", 32), ("H-3", 48)] {
        let answer = KnownAnswer::of(template);
        let make = |secret: &[u8]| make_credential(&answer.ek, &answer.bytes("ak_name"), secret, answer.randomness());
        assert!(make(&vec![1; limit]).is_ok());
        assert_eq!(make(&[]).unwrap_err(), CredentialError::SecretSize { found: 0, limit });
        assert_eq!(make(&vec![1; limit + 1]).unwrap_err(), CredentialError::SecretSize { found: limit + 1, limit });
    }
}

#[test]
fn a_scalar_outside_the_curves_order_asks_for_another() {
    for template in ["L-2", "H-3"] {
        let answer = KnownAnswer::of(template);
        for ephemeral in [[0; 48], [0xff; 48]] {
            let randomness = CredentialRandomness::new([1; 48].into(), ephemeral.into());
            let made = make_credential(&answer.ek, &answer.bytes("ak_name"), &[1; 32], randomness);
            assert_eq!(made.unwrap_err(), CredentialError::DrawAgain, "{template}");
        }
    }
}

#[test]
fn only_the_secret_activates_a_key() {
    let (answer, secret) = (KnownAnswer::of("L-1"), [7; 32]);
    let name = answer.bytes("ak_name");
    let challenge = || Challenge::new(&answer.ek, &name, secret, answer.randomness()).unwrap().0;
    let with = |bytes: &[u8]| challenge().check(&ActivationAnswer { secret: Base64Bytes(bytes.to_vec()) });
    let activated = with(&secret).unwrap();
    assert_eq!((activated.ak_name(), activated.ek_spki_sha256()), (name.as_slice(), answer.ek.spki_sha256()));
    let recorded = ActivatedKey::recorded(name.clone(), answer.ek.spki_sha256());
    assert!(recorded.is_recorded() && !activated.is_recorded(), "a record never passes for a proof");
    let mut changed = secret;
    changed[31] ^= 0x80;
    for wrong in [&changed[..], &secret[..31], &[7; 33], &[]] {
        assert_eq!(with(wrong), Err(WrongSecret));
    }
}

#[test]
fn the_request_carries_the_credential() {
    let answer = KnownAnswer::of("L-1");
    let secret: [u8; 32] = answer.bytes("secret").try_into().unwrap();
    let (_, request) = Challenge::new(&answer.ek, &answer.bytes("ak_name"), secret, answer.randomness()).unwrap();
    assert_eq!(request.ak_name().unwrap(), answer.bytes("ak_name"));
    assert_eq!(request.id_object.0, answer.bytes("id_object"));
    assert_eq!(request.encrypted_secret.0, answer.bytes("encrypted_secret"));
}
