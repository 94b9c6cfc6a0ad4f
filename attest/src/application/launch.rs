//! Launches: what the application log says, once its grammar has been checked.
//!
//! A launch is nine events in a fixed order over two PCRs. Since the order is fixed, a launch that was cut off (the process
//! died, or the machine's root stopped it) is simply a prefix of those nine; it counts as aborted once a later
//! `launch.begin` follows. Only the last launch can be the one that is running, so only that one has to be complete.

use super::{Event, LoggedEvent, MeasuredFile, MeasuredManifest, replay_pcr};
use crate::{digest::Sha256Digest, evidence::encoding::Base64Array};

/// Which of the two PCRs an event belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Register {
    Application,
    Identity,
}

/// One step of a launch.
struct Step {
    register: Register,
    kind: &'static str,
    fits: fn(&Event) -> bool,
}

/// The grammar of a launch.
const STEPS: [Step; 9] = [
    Step { register: Register::Application, kind: "launch.begin", fits: |event| matches!(event, Event::LaunchBegin(_)) },
    Step { register: Register::Identity, kind: "launch.begin", fits: |event| matches!(event, Event::LaunchBegin(_)) },
    Step { register: Register::Application, kind: "gateway.binary", fits: |event| matches!(event, Event::GatewayBinary(_)) },
    Step { register: Register::Application, kind: "config", fits: |event| matches!(event, Event::Config(_)) },
    Step { register: Register::Application, kind: "model.weights", fits: |event| matches!(event, Event::ModelWeights(_)) },
    Step { register: Register::Application, kind: "sealed", fits: |event| matches!(event, Event::SealedApplication) },
    Step { register: Register::Identity, kind: "identity.tls_spki", fits: |event| matches!(event, Event::TlsSpki(_)) },
    Step { register: Register::Identity, kind: "identity.receipt_key", fits: |event| matches!(event, Event::ReceiptKey(_)) },
    Step { register: Register::Identity, kind: "sealed", fits: |event| matches!(event, Event::SealedIdentity(_)) },
];
/// How many steps there are when the application PCR is sealed.
const APPLICATION_SEALED: usize = 6;

/// A part of a launch that a release pins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The gateway's program file.
    GatewayBinary,
    /// The effective configuration.
    Config,
    /// The model's weights manifest.
    ModelWeights,
}

impl Part {
    /// All parts, in the order in which they are measured and reported.
    pub const ALL: [Self; 3] = [Self::GatewayBinary, Self::Config, Self::ModelWeights];
}

impl std::fmt::Display for Part {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::GatewayBinary => "gateway binary",
            Self::Config => "configuration",
            Self::ModelWeights => "model weights",
        })
    }
}

/// The last launch of a log: complete and sealed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Launch {
    /// The 16 random bytes that name the launch.
    pub id: Base64Array<16>,
    /// The gateway's program file.
    pub gateway_binary: MeasuredFile,
    /// The effective configuration.
    pub config: MeasuredFile,
    /// The model's weights.
    pub model_weights: MeasuredManifest,
    /// SHA-256 of the TLS key's SubjectPublicKeyInfo.
    pub tls_spki: Sha256Digest,
    /// The Ed25519 key of the receipts.
    pub receipt_key: Base64Array<32>,
}

impl Launch {
    /// The digest that a release has to have for `part`.
    #[must_use]
    pub const fn digest(&self, part: Part) -> Sha256Digest {
        match part {
            Part::GatewayBinary => self.gateway_binary.sha256,
            Part::Config => self.config.sha256,
            Part::ModelWeights => self.model_weights.manifest_sha256,
        }
    }
}

/// A launch before the last one: complete, or cut off after some of its events.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EarlierLaunch {
    gateway_binary: Option<Sha256Digest>,
    config: Option<Sha256Digest>,
    model_weights: Option<Sha256Digest>,
}

impl EarlierLaunch {
    /// The digest that was measured for `part`; `None` if the launch was cut off before.
    #[must_use]
    pub const fn digest(&self, part: Part) -> Option<Sha256Digest> {
        match part {
            Part::GatewayBinary => self.gateway_binary,
            Part::Config => self.config,
            Part::ModelWeights => self.model_weights,
        }
    }
}

/// Everything launched since boot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Launches {
    /// The launches before the last one, oldest first.
    pub earlier: Vec<EarlierLaunch>,
    /// The launch that runs now.
    pub last: Launch,
}

/// A log that no gateway writes, or that was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ApplicationLogError {
    /// A claimed digest is not that of its type and data.
    #[error(
        "entry {index} of the application log ({kind}) claims digest {claimed}, but its type and data have {actual}: it \
         was relabelled or changed"
    )]
    EventDigestMismatch {
        /// Position in the log, from 0.
        index: usize,
        /// The event's type.
        kind: &'static str,
        /// What the log claims.
        claimed: Sha256Digest,
        /// What type and data hash to.
        actual: Sha256Digest,
    },
    /// An event's data has no canonical form.
    #[error("entry {index} of the application log has data without a canonical form: {reason}")]
    NoCanonicalForm {
        /// Position in the log, from 0.
        index: usize,
        /// Why.
        reason: String,
    },
    /// An event stands where the grammar has another one.
    #[error("entry {index} of the application log is {found}, where {expected} belongs")]
    Malformed {
        /// Position in the log, from 0.
        index: usize,
        /// What stands there.
        found: String,
        /// What a launch has there.
        expected: String,
    },
    /// The last launch is not complete.
    #[error("the last launch in the application log is not complete: {missing} is missing; wait until the gateway is ready")]
    LaunchIncomplete {
        /// The first event that is missing.
        missing: String,
    },
    /// Something other than a new launch follows a seal.
    #[error(
        "entry {index} of the application log ({found}) extends a launch that was sealed; only a reboot or a new launch \
         is clean again"
    )]
    ExtendedAfterSeal {
        /// Position in the log, from 0.
        index: usize,
        /// What stands there.
        found: String,
    },
}

/// A log whose claimed digests all are those of their events, and the two PCRs that it is about.
#[derive(Debug, Clone, Copy)]
pub struct ApplicationLog<'a> {
    events: &'a [LoggedEvent],
    application_pcr: u8,
    identity_pcr: u8,
}

impl<'a> ApplicationLog<'a> {
    /// Recomputes every claimed digest.
    ///
    /// # Errors
    /// [`ApplicationLogError::EventDigestMismatch`] for the first that differs.
    pub fn new(events: &'a [LoggedEvent], application_pcr: u8, identity_pcr: u8) -> Result<Self, ApplicationLogError> {
        for (index, LoggedEvent { digest, event, .. }) in events.iter().enumerate() {
            let actual =
                event.digest().map_err(|error| ApplicationLogError::NoCanonicalForm { index, reason: error.to_string() })?;
            if actual != *digest {
                let kind = event.kind();
                return Err(ApplicationLogError::EventDigestMismatch { index, kind, claimed: *digest, actual });
            }
        }
        Ok(Self { events, application_pcr, identity_pcr })
    }

    /// The value of `pcr` after the whole log, starting from zero.
    #[must_use]
    pub fn replay(&self, pcr: u8) -> Sha256Digest {
        replay_pcr(self.events, pcr)
    }

    /// Parses the log into launches.
    ///
    /// # Errors
    /// [`ApplicationLogError`] unless the log is a sequence of launches of which the last is complete.
    pub fn launches(&self) -> Result<Launches, ApplicationLogError> {
        let mut earlier = Vec::new();
        let mut current = PartialLaunch::default();
        let mut application_value = Sha256Digest::ZERO;
        for (index, logged) in self.events.iter().enumerate() {
            let begins = logged.pcr == self.application_pcr && matches!(logged.event, Event::LaunchBegin(_));
            if begins && current.steps > 0 {
                earlier.push(std::mem::take(&mut current).into_earlier());
            }
            self.check_step(index, logged, current.steps)?;
            self.check_values(index, logged, current.id, application_value)?;
            current.take(&logged.event);
            if logged.pcr == self.application_pcr {
                application_value = application_value.extended_with(logged.digest);
            }
        }
        Ok(Launches { earlier, last: current.into_complete()? })
    }

    fn check_step(&self, index: usize, logged: &LoggedEvent, steps: usize) -> Result<(), ApplicationLogError> {
        let sealed = steps >= APPLICATION_SEALED && logged.pcr == self.application_pcr;
        let Some(step) = STEPS.get(steps).filter(|_| !sealed) else {
            return Err(ApplicationLogError::ExtendedAfterSeal { index, found: describe(logged) });
        };
        if logged.pcr == self.number(step.register) && (step.fits)(&logged.event) {
            return Ok(());
        }
        let expected = format!("{} in PCR {}", step.kind, self.number(step.register));
        Err(ApplicationLogError::Malformed { index, found: describe(logged), expected })
    }

    /// What an event repeats has to be what it repeats: the launch's name, and the application PCR at the end.
    fn check_values(
        &self,
        index: usize,
        logged: &LoggedEvent,
        id: Option<Base64Array<16>>,
        application_value: Sha256Digest,
    ) -> Result<(), ApplicationLogError> {
        let sealed = |value| format!("sealed with PCR {} at {value}", self.application_pcr);
        let (found, expected) = match (&logged.event, id) {
            (Event::LaunchBegin(begin), Some(id)) if begin.launch != id => {
                (format!("launch.begin of {:?}", begin.launch), format!("launch.begin of {id:?}"))
            }
            (Event::SealedIdentity(value), _) if *value != application_value => (sealed(*value), sealed(application_value)),
            _ => return Ok(()),
        };
        Err(ApplicationLogError::Malformed { index, found, expected })
    }

    const fn number(&self, register: Register) -> u8 {
        match register {
            Register::Application => self.application_pcr,
            Register::Identity => self.identity_pcr,
        }
    }
}

fn describe(logged: &LoggedEvent) -> String {
    format!("{} in PCR {}", logged.event.kind(), logged.pcr)
}

/// A launch while it is being read.
#[derive(Default)]
struct PartialLaunch {
    steps: usize,
    id: Option<Base64Array<16>>,
    gateway_binary: Option<MeasuredFile>,
    config: Option<MeasuredFile>,
    model_weights: Option<MeasuredManifest>,
    tls_spki: Option<Sha256Digest>,
    receipt_key: Option<Base64Array<32>>,
}

impl PartialLaunch {
    fn take(&mut self, event: &Event) {
        self.steps += 1;
        match event {
            Event::LaunchBegin(begin) => self.id = Some(begin.launch),
            Event::GatewayBinary(file) => self.gateway_binary = Some(*file),
            Event::Config(file) => self.config = Some(*file),
            Event::ModelWeights(manifest) => self.model_weights = Some(*manifest),
            Event::TlsSpki(digest) => self.tls_spki = Some(*digest),
            Event::ReceiptKey(key) => self.receipt_key = Some(*key),
            Event::SealedApplication | Event::SealedIdentity(_) => {}
        }
    }

    fn into_earlier(self) -> EarlierLaunch {
        EarlierLaunch {
            gateway_binary: self.gateway_binary.map(|file| file.sha256),
            config: self.config.map(|file| file.sha256),
            model_weights: self.model_weights.map(|manifest| manifest.manifest_sha256),
        }
    }

    fn into_complete(self) -> Result<Launch, ApplicationLogError> {
        if let Some(next) = STEPS.get(self.steps) {
            return Err(ApplicationLogError::LaunchIncomplete { missing: next.kind.to_owned() });
        }
        let missing = |kind: &str| ApplicationLogError::LaunchIncomplete { missing: kind.to_owned() };
        Ok(Launch {
            id: self.id.ok_or_else(|| missing("launch.begin"))?,
            gateway_binary: self.gateway_binary.ok_or_else(|| missing("gateway.binary"))?,
            config: self.config.ok_or_else(|| missing("config"))?,
            model_weights: self.model_weights.ok_or_else(|| missing("model.weights"))?,
            tls_spki: self.tls_spki.ok_or_else(|| missing("identity.tls_spki"))?,
            receipt_key: self.receipt_key.ok_or_else(|| missing("identity.receipt_key"))?,
        })
    }
}
