//! A TPM made of a signing key, and honest evidence made with it: for tests only.
//!
//! A [`Scenario`] starts honest; a test bends one thing and looks at the verdict. The binary structures are written here
//! byte by byte from the specification, so that parser and test do not share a mistake.

use std::{collections::BTreeMap, time::Duration};

use blindllama_attest::{
    application::{Event, LaunchBegin, LaunchPcr, LoggedEvent, MeasuredFile, MeasuredManifest, Parts},
    binding::Binding,
    credential::ActivatedKey,
    digest::Sha256Digest,
    evidence::{
        EventLogs, EvidenceDocument, TpmEvidence, VERSION,
        encoding::{Base64Array, Base64Bytes},
    },
    nonce::{Nonce, NonceProof, leaf, qualifying_data},
    pcr_banks::PcrBanks,
    policy::{
        ApplicationMeasurements, Platform, Policy, PolicyDocument, Release, ReleaseStatus, TpmKind, TrustedAk, WeakeningSwitches,
    },
    tpm::{AttestationKey, TpmClock},
    verify::{Established, Expected, UnixTime, VerifiedPeer, VerifyError, verify},
};
use p256::ecdsa::{Signature, SigningKey, signature::Signer as _};

/// fixedTPM, fixedParent, sensitiveDataOrigin, userWithAuth, restricted, sign.
const AK_ATTRIBUTES: u32 = 0x0005_0072;

/// A digest of one repeated byte.
pub(crate) const fn digest(byte: u8) -> Sha256Digest {
    Sha256Digest::from_bytes([byte; 32])
}

fn tpm2b(bytes: &[u8]) -> Vec<u8> {
    [&u16::try_from(bytes.len()).unwrap().to_be_bytes(), bytes].concat()
}

/// What a whole exchange looks like; each field may be bent.
pub(crate) struct Scenario {
    pub(crate) key: SigningKey,
    pub(crate) policy: PolicyDocument,
    /// PCRs other than the application's; quoted in full.
    pub(crate) boot_pcrs: BTreeMap<u8, Sha256Digest>,
    pub(crate) bank: u16,
    pub(crate) log: Vec<LoggedEvent>,
    /// The application PCR's value before the log.
    pub(crate) application_start: Sha256Digest,
    pub(crate) firmware: Option<Vec<u8>>,
    /// Certificates of the attestation key and of the endorsement key, DER.
    pub(crate) ak_certificates: Vec<Vec<u8>>,
    pub(crate) ek_certificates: Vec<Vec<u8>>,
    pub(crate) binding: Binding,
    pub(crate) clock: TpmClock,
    pub(crate) nonce: Nonce,
    pub(crate) connection_spki: Sha256Digest,
    pub(crate) age: Duration,
    pub(crate) activated: Option<ActivatedKey>,
    pub(crate) established: Option<Established>,
    /// Bends the quote before it is signed.
    pub(crate) edit_quote: fn(&mut Vec<u8>),
    /// Bends the TPM2B_PUBLIC.
    pub(crate) edit_ak: fn(&mut Vec<u8>),
    /// Bends the finished evidence.
    pub(crate) edit_evidence: fn(&mut EvidenceDocument),
    /// Bends the document's bytes.
    pub(crate) edit_document: fn(&mut Vec<u8>),
}

impl Scenario {
    pub(crate) fn honest() -> Self {
        let key = SigningKey::from_slice(&[7; 32]).unwrap();
        let boot_pcrs: BTreeMap<u8, Sha256Digest> = (0..8).map(|pcr| (pcr, digest(pcr))).collect();
        Self {
            policy: policy(&key, &boot_pcrs),
            key,
            boot_pcrs,
            bank: 0x000b,
            log: launch(1, &[]),
            application_start: Sha256Digest::ZERO,
            firmware: None,
            ak_certificates: Vec::new(),
            ek_certificates: Vec::new(),
            binding: Binding {
                tls_spki_sha256: digest(0xe1),
                receipt_public_key: Base64Array([0xe2; 32]),
                hpke_public_key: None,
                model_sha256: digest(0xa3),
            },
            clock: TpmClock { clock: 5000, reset_count: 3, restart_count: 1, safe: true },
            nonce: Nonce::from_bytes(vec![0x55; 32]).unwrap(),
            connection_spki: digest(0xe1),
            age: Duration::from_secs(1),
            activated: None,
            established: None,
            edit_quote: |_| {},
            edit_ak: |_| {},
            edit_evidence: |_| {},
            edit_document: |_| {},
        }
    }

    /// What a verdict on this scenario establishes.
    pub(crate) fn establishes(&self) -> Established {
        Established { ak_name: self.policy.trusted_ak[0].name, clock: self.clock }
    }

    pub(crate) fn ak_public(&self) -> Vec<u8> {
        let mut public = ak_public(&self.key);
        (self.edit_ak)(&mut public);
        public
    }

    pub(crate) fn pcrs(&self) -> BTreeMap<u8, Sha256Digest> {
        let mut pcrs = self.boot_pcrs.clone();
        let application = LaunchPcr { pcr: 14, start: self.application_start };
        pcrs.extend([application, LaunchPcr::zero(15)].map(|register| (register.pcr, register.replay(&self.log))));
        pcrs
    }

    /// TPMS_ATTEST over the scenario's PCRs, for its nonce and binding.
    pub(crate) fn quote(&self) -> Vec<u8> {
        let pcrs = self.pcrs();
        let values: Vec<&[u8]> = pcrs.values().map(|value| value.as_bytes().as_slice()).collect();
        let selected = pcrs.keys().fold([0_u8; 3], |mut bits, pcr| {
            bits[usize::from(pcr / 8)] |= 1 << (pcr % 8);
            bits
        });
        let extra_data = qualifying_data(1, leaf(&self.nonce, self.binding.digest()));
        let mut quote = [
            &0xff54_4347_u32.to_be_bytes()[..],
            &0x8018_u16.to_be_bytes(),
            &tpm2b(&[0x0b; 34]),
            &tpm2b(extra_data.as_bytes()),
            &self.clock.clock.to_be_bytes(),
            &self.clock.reset_count.to_be_bytes(),
            &self.clock.restart_count.to_be_bytes(),
            &[u8::from(self.clock.safe)],
            &0x2019_1023_u64.to_be_bytes(),
            &1_u32.to_be_bytes(),
            &self.bank.to_be_bytes(),
            &[3],
            &selected,
            &tpm2b(Sha256Digest::of(&values).as_bytes()),
        ]
        .concat();
        (self.edit_quote)(&mut quote);
        quote
    }

    pub(crate) fn evidence(&self) -> EvidenceDocument {
        let quote = self.quote();
        let mut evidence = EvidenceDocument {
            version: VERSION,
            nonce: self.nonce.to_hex(),
            binding: self.binding.clone(),
            nonce_proof: NonceProof::single(),
            tpm: TpmEvidence {
                signature: Base64Bytes(sign(&self.key, &quote)),
                quote: Base64Bytes(quote),
                ak_public: Base64Bytes(self.ak_public()),
                ak_certificates: self.ak_certificates.iter().cloned().map(Base64Bytes).collect(),
                ek_certificates: self.ek_certificates.iter().cloned().map(Base64Bytes).collect(),
                pcrs: PcrBanks::sha256(self.pcrs()),
            },
            event_log: EventLogs {
                firmware: self.firmware.clone().map(Base64Bytes),
                systemd: None,
                application: self.log.clone(),
            },
            tee: [],
        };
        (self.edit_evidence)(&mut evidence);
        evidence
    }

    pub(crate) fn document(&self) -> Vec<u8> {
        let mut document = serde_json::to_vec(&self.evidence()).unwrap();
        (self.edit_document)(&mut document);
        document
    }

    pub(crate) fn verify(&self) -> Result<VerifiedPeer, VerifyError> {
        self.verify_document(&self.document())
    }

    pub(crate) fn verify_document(&self, document: &[u8]) -> Result<VerifiedPeer, VerifyError> {
        let policy = Policy::try_from(self.policy.clone()).unwrap();
        let expected = Expected {
            nonce: &self.nonce,
            connection_spki_sha256: self.connection_spki,
            age: self.age,
            activated: self.activated.as_ref(),
            established: self.established.as_ref(),
        };
        verify(document, &policy, &expected, UnixTime(1_800_000_000))
    }
}

/// TPM2B_PUBLIC of a restricted P-256 signing key.
pub(crate) fn ak_public(key: &SigningKey) -> Vec<u8> {
    let point = key.verifying_key().to_sec1_point(false);
    let (x, y) = point.as_bytes()[1..].split_at(32);
    tpm2b(
        &[
            &[0x00, 0x23, 0x00, 0x0b][..],                                     // type ECC, nameAlg SHA-256
            &AK_ATTRIBUTES.to_be_bytes(),                                      // objectAttributes
            &[0x00, 0x00],                                                     // authPolicy
            &[0x00, 0x10, 0x00, 0x18, 0x00, 0x0b, 0x00, 0x03, 0x00, 0x10][..], // no symmetric, ECDSA SHA-256, P-256, no KDF
            &tpm2b(x),
            &tpm2b(y),
        ]
        .concat(),
    )
}

/// TPMT_SIGNATURE: ECDSA with SHA-256.
pub(crate) fn sign(key: &SigningKey, message: &[u8]) -> Vec<u8> {
    let signature: Signature = key.sign(message);
    let (r, s) = signature.split_bytes();
    [&[0x00, 0x18, 0x00, 0x0b][..], &tpm2b(&r), &tpm2b(&s)].concat()
}

/// The twelve events of a launch of the policy's release, after a log that holds `before`.
pub(crate) fn launch(id: u8, before: &[LoggedEvent]) -> Vec<LoggedEvent> {
    let begin = Event::LaunchBegin(LaunchBegin { launch: Base64Array([id; 16]) });
    let mut log = before.to_vec();
    let mut add = |pcr, event| log.push(LoggedEvent::new(pcr, event).unwrap());
    add(14, begin.clone());
    add(15, begin);
    add(14, Event::GatewayBinary(MeasuredFile { sha256: digest(0xa1), bytes: 4096 }));
    add(14, Event::EnginePackages(MeasuredManifest { manifest_sha256: digest(0xa4), files: 30_000, bytes: 2_000_000_000 }));
    add(14, Event::Config(MeasuredFile { sha256: digest(0xa2), bytes: 100 }));
    add(14, Event::Launch(MeasuredFile { sha256: digest(0xa5), bytes: 120 }));
    add(14, Event::ModelWeights(MeasuredManifest { manifest_sha256: digest(0xa3), files: 7, bytes: 270_000_000 }));
    add(14, Event::ChatTemplate(MeasuredFile { sha256: digest(0xa6), bytes: 800 }));
    add(14, Event::SealedApplication);
    add(15, Event::TlsSpki(digest(0xe1)));
    add(15, Event::ReceiptKey(Base64Array([0xe2; 32])));
    let sealed = Event::SealedIdentity(LaunchPcr::zero(14).replay(&log));
    log.push(LoggedEvent::new(15, sealed).unwrap());
    log
}

/// The policy's only release.
pub(crate) fn release(name: &str, status: ReleaseStatus) -> Release {
    let parts = Parts {
        gateway_binary: digest(0xa1),
        engine_packages: digest(0xa4),
        config: digest(0xa2),
        launch: digest(0xa5),
        model_weights: digest(0xa3),
        chat_template: digest(0xa6),
    };
    Release::new(name.to_owned(), status, parts)
}

fn policy(key: &SigningKey, boot_pcrs: &BTreeMap<u8, Sha256Digest>) -> PolicyDocument {
    PolicyDocument {
        version: 1,
        revision: None,
        max_evidence_age_seconds: 30,
        reattest_after_seconds: 300,
        weakening: WeakeningSwitches { allow_software_tpm: true, allow_self_reported: true, any_machine: false },
        trusted_ak: vec![TrustedAk {
            name: AttestationKey::parse(&ak_public(key)).unwrap().name(),
            machine: "my laptop".to_owned(),
            kind: TpmKind::Software,
        }],
        trusted_root: Vec::new(),
        platform: vec![Platform {
            name: "swtpm".to_owned(),
            application_measurements: ApplicationMeasurements::SelfReported,
            application_pcr: 14,
            application_pcr_start: None,
            identity_pcr: 15,
            identity_pcr_start: None,
            firmware_log_pcrs: Vec::new(),
            firmware_log_bank: None,
            pcrs: PcrBanks::sha256(boot_pcrs.clone()),
        }],
        release: vec![release("dev", ReleaseStatus::Serving)],
    }
}

/// The first event of a crypto-agile firmware log, with these banks.
pub(crate) fn spec_id_event(banks: &[(u16, u16)]) -> Vec<u8> {
    let mut data = [&b"Spec ID Event03\0"[..], &[0; 4], &[0, 2, 0, 2]].concat();
    data.extend(u32::try_from(banks.len()).unwrap().to_le_bytes());
    for (algorithm, size) in banks {
        data.extend(algorithm.to_le_bytes());
        data.extend(size.to_le_bytes());
    }
    data.push(0);
    let size = u32::try_from(data.len()).unwrap().to_le_bytes();
    [&0_u32.to_le_bytes()[..], &3_u32.to_le_bytes(), &[0; 20], &size, &data].concat()
}
