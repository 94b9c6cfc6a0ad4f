//! Whole evidence: a laptop's firmware log, and an attestation key that is pinned or certified.

use std::{path::Path, time::Duration};

use blindllama_attest::{
    certificate::Certificate,
    digest::Sha256Digest,
    evidence::encoding::Base64Bytes,
    firmware::FirmwareLog,
    hash::HashAlgorithm,
    nonce::Nonce,
    pcr_banks::PcrBanks,
    policy::{Certifies, Machine, Policy, PolicyDocument, TpmKind, TrustedRoot},
    tpm::AttestationKey,
    verify::{Expected, UnixTime, VerifiedPeer, VerifyError, verify},
};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, PKCS_RSA_SHA256,
    PublicKeyData, SignatureAlgorithm, date_time_ymd,
};
use rsa::{pkcs1::EncodeRsaPublicKey as _, pkcs8::EncodePrivateKey as _};
use x509_cert::der::pem::{self, LineEnding};

use crate::{
    keys::{Key, SHA256, Scheme},
    soft_tpm::Scenario,
};

/// When all certificates are valid: 2027-01-01T00:00:00Z.
pub(crate) const NOW: UnixTime = UnixTime(1_798_761_600);

/// A log of 49,088 bytes, from the vectors of the verifier's tests.
const FIRMWARE_LOG: &str = "../attest/tests/vectors/eventlog/thinkpad-n40et41w/eventlog.bin";
/// The PCRs that it is held to.
const FIRMWARE_LOG_PCRS: [u8; 8] = [0, 1, 2, 3, 4, 5, 6, 7];

/// Evidence, with what a verifier needs to accept it.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) document: Vec<u8>,
    policy: Policy,
    nonce: Nonce,
    connection_spki: Sha256Digest,
}

impl Case {
    pub(crate) fn all() -> [Self; 4] {
        let p256 = p256::ecdsa::SigningKey::from_slice(&[7; 32]).unwrap();
        let pinned = |name, key, scheme| Self::new(name, &key, scheme, None);
        [
            Self::p256_chain(),
            Self::new("RSA-2048, three certificates", &rsa_key(), Scheme::Rsassa, Some(&Authorities::rsa())),
            pinned("P-256, pinned", Key::P256(p256), Scheme::Ecdsa),
            pinned("RSA-2048, pinned", rsa_key(), Scheme::Rsassa),
        ]
    }

    pub(crate) fn p256_chain() -> Self {
        let key = p256::ecdsa::SigningKey::from_slice(&[7; 32]).unwrap();
        Self::new("P-256, three certificates", &Key::P256(key), Scheme::Ecdsa, Some(&Authorities::p256()))
    }

    fn new(name: &'static str, ak: &Key, scheme: Scheme, authorities: Option<&Authorities>) -> Self {
        let mut scenario = Scenario::honest();
        let log = std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join(FIRMWARE_LOG)).unwrap();
        scenario.boot_pcrs = boot_pcrs(&log);
        scenario.firmware = Some(log);
        let mut evidence = scenario.evidence();
        evidence.tpm.ak_public = Base64Bytes(ak.area(scheme, SHA256).sized());
        evidence.tpm.signature = Base64Bytes(ak.sign(scheme, SHA256, &evidence.tpm.quote.0));
        let mut policy = scenario.policy.clone();
        policy.platform[0].pcrs = PcrBanks::sha256(scenario.boot_pcrs.clone());
        policy.platform[0].firmware_log_pcrs = FIRMWARE_LOG_PCRS.to_vec();
        policy.trusted_ak[0].name = AttestationKey::parse(&evidence.tpm.ak_public.0).unwrap().name();
        if let Some(authorities) = authorities {
            evidence.tpm.ak_certificates = authorities.chain(ak).map(Base64Bytes).to_vec();
            authorities.replace_pin(&mut policy);
        }
        Self {
            name,
            document: serde_json::to_vec(&evidence).unwrap(),
            policy: Policy::try_from(policy).unwrap(),
            connection_spki: scenario.connection_spki,
            nonce: scenario.nonce,
        }
    }

    pub(crate) fn verify(&self) -> Result<VerifiedPeer, VerifyError> {
        let expected = Expected {
            nonce: &self.nonce,
            connection_spki_sha256: self.connection_spki,
            age: Duration::from_secs(1),
            activated: None,
            established: None,
        };
        verify(&self.document, &self.policy, &expected, NOW)
    }

    /// The certificates of the pinned authorities.
    pub(crate) fn roots(&self) -> &[Certificate] {
        self.policy.authorities(Certifies::AttestationKey).certificates()
    }
}

fn boot_pcrs(log: &[u8]) -> std::collections::BTreeMap<u8, Sha256Digest> {
    let log = FirmwareLog::parse(log).unwrap();
    let value = |pcr| log.replay(HashAlgorithm::Sha256, pcr).unwrap().as_bytes().try_into().unwrap();
    FIRMWARE_LOG_PCRS.map(|pcr| (pcr, Sha256Digest::from_bytes(value(pcr)))).into()
}

fn rsa_key() -> Key {
    Key::rsa(2048, 1)
}

/// A root and an intermediate below it.
struct Authorities {
    root: (CertificateParams, KeyPair),
    intermediate: (CertificateParams, KeyPair),
}

impl Authorities {
    fn p256() -> Self {
        Self::new([(); 2].map(|()| KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap()))
    }

    fn rsa() -> Self {
        Self::new([2, 3].map(rsa_key_pair))
    }

    fn new([root, intermediate]: [KeyPair; 2]) -> Self {
        let params = |name| {
            let mut params = params(name, KeyUsagePurpose::KeyCertSign);
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            params
        };
        Self { root: (params("Benchmark root"), root), intermediate: (params("Benchmark intermediate"), intermediate) }
    }

    /// The certificates of `ak` and of the intermediate, in DER. The root's is in the policy.
    fn chain(&self, ak: &Key) -> [Vec<u8>; 2] {
        let (root, intermediate) = (&self.root, &self.intermediate);
        let ak = params("Benchmark attestation key", KeyUsagePurpose::DigitalSignature)
            .signed_by(&CertifiedKey::of(ak), &Issuer::from_params(&intermediate.0, &intermediate.1));
        let issued = intermediate.0.signed_by(&intermediate.1, &Issuer::from_params(&root.0, &root.1));
        [ak, issued].map(|certificate| certificate.unwrap().der().to_vec())
    }

    /// Has the policy trust the root instead of the key.
    fn replace_pin(&self, policy: &mut PolicyDocument) {
        let pinned = policy.trusted_ak.remove(0);
        let root = self.root.0.self_signed(&self.root.1).unwrap();
        let machine = Machine { name: pinned.machine, ak_name: Some(pinned.name), ek_sha256: None, certificate_sha256: None };
        policy.trusted_root.push(TrustedRoot {
            name: "maker".to_owned(),
            certifies: Certifies::AttestationKey,
            kind: TpmKind::Hardware,
            certificate: pem::encode_string("CERTIFICATE", LineEnding::LF, root.der()).unwrap(),
            machine: vec![machine],
        });
    }
}

fn params(name: &str, usage: KeyUsagePurpose) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.remove(DnType::CommonName);
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = date_time_ymd(2026, 1, 1);
    params.not_after = date_time_ymd(2028, 1, 1);
    params.key_usages = vec![usage];
    params
}

fn rsa_key_pair(seed: u32) -> KeyPair {
    let Key::Rsa(key) = Key::rsa(2048, seed) else { unreachable!("it was made as one") };
    let der = key.to_pkcs8_der().unwrap().as_bytes().to_vec();
    KeyPair::from_pkcs8_der_and_sign_algo(&der.as_slice().into(), &PKCS_RSA_SHA256).unwrap()
}

/// The key that a certificate is about: an attestation key's private half is the TPM's.
struct CertifiedKey {
    public_key: Vec<u8>,
    algorithm: &'static SignatureAlgorithm,
}

impl CertifiedKey {
    fn of(key: &Key) -> Self {
        match key {
            Key::P256(key) => Self {
                public_key: key.verifying_key().to_sec1_point(false).as_bytes().to_vec(),
                algorithm: &PKCS_ECDSA_P256_SHA256,
            },
            Key::Rsa(key) => {
                Self { public_key: key.to_public_key().to_pkcs1_der().unwrap().as_bytes().to_vec(), algorithm: &PKCS_RSA_SHA256 }
            }
            Key::P384(_) => unreachable!("no case has one"),
        }
    }
}

impl PublicKeyData for CertifiedKey {
    fn der_bytes(&self) -> &[u8] {
        &self.public_key
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        self.algorithm
    }
}
