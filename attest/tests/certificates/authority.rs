//! Certificates for tests: a root, an intermediate and a leaf, each of which a test may spoil.

use blindllama_attest::certificate::Certificate;
use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, SignatureAlgorithm, date_time_ymd,
};

/// Somebody with a key, and what their certificate will say.
pub(crate) struct Entity {
    pub(crate) params: CertificateParams,
    pub(crate) key: KeyPair,
}

impl Entity {
    pub(crate) fn authority(name: &str) -> Self {
        let mut entity = Self::new(name, &PKCS_ECDSA_P256_SHA256);
        entity.params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        entity.params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        entity
    }

    pub(crate) fn attestation_key() -> Self {
        let mut entity = Self::new("Test attestation key", &PKCS_ECDSA_P256_SHA256);
        entity.params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        entity
    }

    pub(crate) fn endorsement_key() -> Self {
        let mut entity = Self::new("Test endorsement key", &PKCS_ECDSA_P384_SHA384);
        entity.params.key_usages = vec![KeyUsagePurpose::KeyAgreement];
        entity.params.extended_key_usages = vec![purpose(&[2, 23, 133, 8, 1])];
        entity
    }

    fn new(name: &str, algorithm: &'static SignatureAlgorithm) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.remove(DnType::CommonName);
        params.distinguished_name.push(DnType::CommonName, name);
        params.not_before = date_time_ymd(2026, 1, 1);
        params.not_after = date_time_ymd(2028, 1, 1);
        Self { params, key: KeyPair::generate_for(algorithm).unwrap() }
    }

    pub(crate) fn certificate_der(&self, issuer: &Self) -> Vec<u8> {
        let issuer = Issuer::from_params(&issuer.params, &issuer.key);
        self.params.signed_by(&self.key, &issuer).unwrap().der().to_vec()
    }

    pub(crate) fn certificate(&self, issuer: &Self) -> Certificate {
        Certificate::parse_der(&self.certificate_der(issuer)).unwrap()
    }

    pub(crate) fn critical_extension(&mut self, oid: &[u64]) {
        let mut extension = CustomExtension::from_oid_content(oid, vec![0x05, 0x00]);
        extension.set_criticality(true);
        self.params.custom_extensions.push(extension);
    }
}

pub(crate) fn purpose(oid: &[u64]) -> ExtendedKeyUsagePurpose {
    ExtendedKeyUsagePurpose::Other(oid.to_vec())
}

/// An honest chain of three.
pub(crate) struct Chain {
    pub(crate) leaf: Entity,
    pub(crate) intermediate: Entity,
    pub(crate) root: Entity,
}

impl Chain {
    pub(crate) fn honest() -> Self {
        Self {
            leaf: Entity::attestation_key(),
            intermediate: Entity::authority("Test intermediate"),
            root: Entity::authority("Test root"),
        }
    }

    /// The chain without its root, leaf first, and the root.
    pub(crate) fn issue(&self) -> ([Certificate; 2], Certificate) {
        let below_root = [self.leaf.certificate(&self.intermediate), self.intermediate.certificate(&self.root)];
        (below_root, self.root.certificate(&self.root))
    }
}
