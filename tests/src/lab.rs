//! A gateway without a model: a real TPM with a really recorded launch, for attacks by somebody who has the machine.

use std::path::PathBuf;

use blindllama_attest::{
    application::{LaunchPcr, LaunchPcrs, LoggedEvent, MeasuredFile, MeasuredManifest, Parts},
    binding::Binding,
    digest::Sha256Digest,
    evidence::{EventLogs, EvidenceDocument, TpmEvidence, VERSION, encoding::Base64Array, encoding::Base64Bytes},
    nonce::{self, Nonce},
    pcr_banks::PcrBanks,
    policy::{ApplicationMeasurements, Platform, PolicyDocument, Release, ReleaseStatus, TpmKind, TrustedAk, WeakeningSwitches},
    tpm::AttestationKey,
};
use blindllama_attest_tpm::{
    AkKind, ApplicationLog, EkKind, Tpm, TpmSettings,
    launch::{Code, Launch, SealedLaunch},
};
use bytes::Bytes;

use crate::gateway::Machine;

/// The PCRs of the default configuration.
const PCRS: [u8; 14] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 14, 15];
const FILE: MeasuredFile = MeasuredFile { sha256: Sha256Digest::from_bytes([1; 32]), bytes: 1 };
const WEIGHTS: MeasuredManifest = MeasuredManifest { manifest_sha256: Sha256Digest::from_bytes([2; 32]), files: 1, bytes: 1 };

const CODE: Code = Code { binary: FILE, packages: WEIGHTS, config: FILE, launch: FILE };
const LAUNCH_PCRS: LaunchPcrs = LaunchPcrs { application: LaunchPcr::zero(14), identity: LaunchPcr::zero(15) };

/// A machine after an honest launch.
pub struct Lab {
    /// What the launch measured.
    pub measured: Binding,
    tpm: Tpm,
    launch: SealedLaunch,
    machine: Machine,
}

impl Lab {
    /// Boots a machine and records a launch, as the gateway would.
    pub fn launch() -> Self {
        let machine = Machine::boot();
        let settings = TpmSettings {
            tcti: machine.tcti(),
            state_dir: machine.gateway_state(),
            pcrs: PCRS.to_vec(),
            ak: AkKind::EcdsaP256,
            ek: EkKind::Rsa2048,
            max_waiting_nonces: 1,
        };
        let tpm = Tpm::open(settings).expect("the machine's TPM");
        let log = ApplicationLog::open(&machine.path("application.log"), tpm.clone(), LAUNCH_PCRS).expect("a fresh log");
        let (tls_spki, receipt_key) = (Sha256Digest::from_bytes([3; 32]), [4; 32]);
        let launch = Launch::begin(log).and_then(|launch| launch.code(CODE)).and_then(|launch| launch.model(WEIGHTS, FILE));
        let launch = launch.and_then(|launch| launch.seal(tls_spki, receipt_key)).expect("a recorded launch");
        let measured = Binding {
            tls_spki_sha256: tls_spki,
            receipt_public_key: Base64Array(receipt_key),
            hpke_public_key: None,
            model_sha256: WEIGHTS.manifest_sha256,
        };
        Self { measured, tpm, launch, machine }
    }

    /// Writes the policy that trusts exactly this.
    pub fn policy(&self) -> PathBuf {
        let document = PolicyDocument {
            version: 1,
            revision: None,
            max_evidence_age_seconds: 30,
            reattest_after_seconds: 300,
            weakening: WeakeningSwitches { allow_software_tpm: true, allow_self_reported: true, ..WeakeningSwitches::default() },
            trusted_ak: vec![TrustedAk {
                name: AttestationKey::parse(self.tpm.ak_public()).expect("an attestation key").name(),
                machine: "lab".to_owned(),
                kind: TpmKind::Software,
            }],
            trusted_root: Vec::new(),
            platform: vec![self.platform()],
            release: vec![release()],
        };
        let path = self.machine.path("policy.toml");
        std::fs::write(&path, document.to_toml().expect("TOML")).expect("the policy's file");
        path
    }

    fn platform(&self) -> Platform {
        let mut sha256 = self.tpm.read_pcrs_blocking().expect("the PCRs");
        sha256.retain(|pcr, _| ![14, 15].contains(pcr));
        Platform {
            name: "lab".to_owned(),
            application_measurements: ApplicationMeasurements::SelfReported,
            application_pcr: 14,
            application_pcr_start: None,
            identity_pcr: 15,
            identity_pcr_start: None,
            firmware_log_pcrs: Vec::new(),
            firmware_log_bank: None,
            pcrs: PcrBanks::sha256(sha256),
        }
    }

    /// The log of what was measured.
    pub fn log(&self) -> Vec<LoggedEvent> {
        self.launch.entries().to_vec()
    }

    /// Extends a PCR and writes nothing down.
    pub fn extend(&self, pcr: u8, digest: Sha256Digest) {
        self.machine.extend(pcr, digest);
    }

    /// A genuine quote over `nonce` and whatever binding one asks for: to quote, root has to measure nothing.
    pub fn evidence(&self, nonce: &str, binding: &Binding) -> Bytes {
        self.evidence_with_log(nonce, binding, self.log())
    }

    /// The same, with whatever application log one likes.
    pub fn evidence_with_log(&self, nonce: &str, binding: &Binding, log: Vec<LoggedEvent>) -> Bytes {
        let nonce = Nonce::from_hex(nonce).expect("a verifier's nonce");
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let quoted = runtime.block_on(self.tpm.quote(nonce::leaf(&nonce, binding.digest())));
        let (quote, nonce_proof) = quoted.expect("a quote");
        let document = EvidenceDocument {
            version: VERSION,
            nonce: nonce.to_hex(),
            binding: binding.clone(),
            nonce_proof,
            tpm: TpmEvidence {
                quote: Base64Bytes(quote.attest.clone()),
                signature: Base64Bytes(quote.signature.clone()),
                ak_public: Base64Bytes(self.tpm.ak_public().to_vec()),
                ak_certificates: Vec::new(),
                ek_certificates: Vec::new(),
                pcrs: PcrBanks::sha256(quote.pcrs.clone()),
            },
            event_log: EventLogs { firmware: None, systemd: None, application: log },
            tee: [],
        };
        serde_json::to_vec(&document).expect("JSON").into()
    }
}

/// What the launch measured.
fn release() -> Release {
    let parts = Parts {
        gateway_binary: CODE.binary.sha256,
        engine_packages: CODE.packages.manifest_sha256,
        config: CODE.config.sha256,
        launch: CODE.launch.sha256,
        model_weights: WEIGHTS.manifest_sha256,
        chat_template: FILE.sha256,
    };
    Release::new("lab".to_owned(), ReleaseStatus::Serving, parts)
}
