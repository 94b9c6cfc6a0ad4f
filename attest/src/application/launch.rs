//! Launches: what the application log says, once its grammar has been checked.
//!
//! A launch is twelve events in a fixed order over two PCRs. Since the order is fixed, a launch that was cut off (the process
//! died, or the machine's root stopped it) is simply a prefix of those twelve; it counts as aborted once a later
//! `launch.begin` follows. Only the last launch can be the one that is running, so only that one has to be complete.

use super::{Event, LaunchPcrs, LoggedEvent, Parts};
use crate::{digest::Sha256Digest, evidence::encoding::Base64Array};

/// Which of the two PCRs an event belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Register {
    Application,
    Identity,
}

/// One step of a launch.
struct Step(Register, &'static str);

/// The grammar of a launch: where each event belongs, by its type.
const STEPS: [Step; 12] = [
    Step(Register::Application, "launch.begin"),
    Step(Register::Identity, "launch.begin"),
    Step(Register::Application, "gateway.binary"),
    Step(Register::Application, "engine.packages"),
    Step(Register::Application, "config"),
    Step(Register::Application, "launch"),
    Step(Register::Application, "model.weights"),
    Step(Register::Application, "model.chat_template"),
    Step(Register::Application, "sealed"),
    Step(Register::Identity, "identity.tls_spki"),
    Step(Register::Identity, "identity.receipt_key"),
    Step(Register::Identity, "sealed"),
];
/// How many steps there are when the application PCR is sealed.
const APPLICATION_SEALED: usize = 9;

impl Step {
    /// Whether `event` is of this step's type. The two kinds of `sealed` differ in what they hold.
    fn fits(&self, event: &Event) -> bool {
        let Self(register, kind) = self;
        let kind_of_seal = match event {
            Event::SealedApplication => *register == Register::Application,
            Event::SealedIdentity(_) => *register == Register::Identity,
            _ => true,
        };
        event.kind() == *kind && kind_of_seal
    }
}

/// The last launch of a log: complete and sealed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Launch {
    /// The 16 random bytes that name the launch.
    pub id: Base64Array<16>,
    /// The digests that a release has to have.
    pub parts: Parts<Sha256Digest>,
    /// SHA-256 of the TLS key's SubjectPublicKeyInfo.
    pub tls_spki: Sha256Digest,
    /// The Ed25519 key of the receipts.
    pub receipt_key: Base64Array<32>,
}

/// A launch before the last one: complete, or cut off after some of its events. A part that was not measured has no digest.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EarlierLaunch {
    /// The digests that a release has to have.
    pub parts: Parts<Option<Sha256Digest>>,
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
    pcrs: LaunchPcrs,
}

impl<'a> ApplicationLog<'a> {
    /// Recomputes every claimed digest.
    ///
    /// # Errors
    /// [`ApplicationLogError::EventDigestMismatch`] for the first that differs.
    pub fn new(events: &'a [LoggedEvent], pcrs: LaunchPcrs) -> Result<Self, ApplicationLogError> {
        for (index, LoggedEvent { digest, event, .. }) in events.iter().enumerate() {
            let actual =
                event.digest().map_err(|error| ApplicationLogError::NoCanonicalForm { index, reason: error.to_string() })?;
            if actual != *digest {
                let kind = event.kind();
                return Err(ApplicationLogError::EventDigestMismatch { index, kind, claimed: *digest, actual });
            }
        }
        Ok(Self { events, pcrs })
    }

    /// The two PCRs with their values after the whole log: the application's, then the identity's.
    #[must_use]
    pub fn replay(&self) -> [(u8, Sha256Digest); 2] {
        [self.pcrs.application, self.pcrs.identity].map(|register| (register.pcr, register.replay(self.events)))
    }

    /// Parses the log into launches.
    ///
    /// # Errors
    /// [`ApplicationLogError`] unless the log is a sequence of launches of which the last is complete.
    pub fn launches(&self) -> Result<Launches, ApplicationLogError> {
        let mut earlier = Vec::new();
        let mut current = PartialLaunch::default();
        let mut application_value = self.pcrs.application.start;
        for (index, logged) in self.events.iter().enumerate() {
            let begins = logged.pcr == self.pcrs.application.pcr && matches!(logged.event, Event::LaunchBegin(_));
            if begins && current.steps > 0 {
                earlier.push(EarlierLaunch { parts: std::mem::take(&mut current).parts });
            }
            self.check_step(index, logged, current.steps)?;
            self.check_values(index, logged, current.id, application_value)?;
            current.take(&logged.event);
            if logged.pcr == self.pcrs.application.pcr {
                application_value = application_value.extended_with(logged.digest);
            }
        }
        Ok(Launches { earlier, last: current.into_complete()? })
    }

    fn check_step(&self, index: usize, logged: &LoggedEvent, steps: usize) -> Result<(), ApplicationLogError> {
        let sealed = steps >= APPLICATION_SEALED && logged.pcr == self.pcrs.application.pcr;
        let Some(step @ Step(register, kind)) = STEPS.get(steps).filter(|_| !sealed) else {
            return Err(ApplicationLogError::ExtendedAfterSeal { index, found: describe(logged) });
        };
        if logged.pcr == self.number(*register) && step.fits(&logged.event) {
            return Ok(());
        }
        let expected = format!("{kind} in PCR {}", self.number(*register));
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
        let sealed = |value| format!("sealed with PCR {} at {value}", self.pcrs.application.pcr);
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
            Register::Application => self.pcrs.application.pcr,
            Register::Identity => self.pcrs.identity.pcr,
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
    parts: Parts<Option<Sha256Digest>>,
    tls_spki: Option<Sha256Digest>,
    receipt_key: Option<Base64Array<32>>,
}

impl PartialLaunch {
    fn take(&mut self, event: &Event) {
        self.steps += 1;
        match event {
            Event::LaunchBegin(begin) => self.id = Some(begin.launch),
            Event::GatewayBinary(file) => self.parts.gateway_binary = Some(file.sha256),
            Event::EnginePackages(manifest) => self.parts.engine_packages = Some(manifest.manifest_sha256),
            Event::Config(file) => self.parts.config = Some(file.sha256),
            Event::Launch(file) => self.parts.launch = Some(file.sha256),
            Event::ModelWeights(manifest) => self.parts.model_weights = Some(manifest.manifest_sha256),
            Event::ChatTemplate(file) => self.parts.chat_template = Some(file.sha256),
            Event::TlsSpki(digest) => self.tls_spki = Some(*digest),
            Event::ReceiptKey(key) => self.receipt_key = Some(*key),
            Event::SealedApplication | Event::SealedIdentity(_) => {}
        }
    }

    fn into_complete(self) -> Result<Launch, ApplicationLogError> {
        let missing = |what: &str| ApplicationLogError::LaunchIncomplete { missing: what.to_owned() };
        if let Some(Step(_, kind)) = STEPS.get(self.steps) {
            return Err(missing(kind));
        }
        Ok(Launch {
            id: self.id.ok_or_else(|| missing("launch.begin"))?,
            parts: self.parts.complete().map_err(|part| missing(&part.to_string()))?,
            tls_spki: self.tls_spki.ok_or_else(|| missing("identity.tls_spki"))?,
            receipt_key: self.receipt_key.ok_or_else(|| missing("identity.receipt_key"))?,
        })
    }
}
