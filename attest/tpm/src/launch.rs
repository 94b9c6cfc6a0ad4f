//! One launch of the gateway, recorded in the only order that a verifier accepts.
//!
//! Each step consumes the one before, so an event cannot be forgotten, repeated or put elsewhere: [`Launch::begin`],
//! [`Launch::code`] before any of that code runs, [`LaunchedCode::model`] once the model is loaded, and
//! [`MeasuredLaunch::seal`], after which nothing can be added. Between `code` and `seal` the gateway loads what it has
//! measured, and checks that it did not change meanwhile.

use blindllama_attest::{
    application::{Event, LaunchBegin, LoggedEvent, MeasuredFile, MeasuredManifest},
    digest::Sha256Digest,
    evidence::encoding::Base64Array,
};

use crate::{ApplicationLog, LogError};

/// A launch could not be recorded.
#[derive(Debug, thiserror::Error)]
pub enum LaunchError {
    /// The operating system gave no random bytes for the launch's name.
    #[error("the operating system gives no random bytes: {0}")]
    Random(#[from] getrandom::Error),
    /// An event could not be recorded.
    #[error(transparent)]
    Log(#[from] LogError),
}

/// A launch that has begun in both PCRs.
pub struct Launch {
    log: ApplicationLog,
}

/// A launch whose code is measured: now it may run.
pub struct LaunchedCode {
    log: ApplicationLog,
}

/// A launch whose application is measured and not yet sealed.
pub struct MeasuredLaunch {
    log: ApplicationLog,
}

/// What a launch runs, and how it was asked to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Code {
    /// The gateway's program file.
    pub binary: MeasuredFile,
    /// Every file that the engine's interpreter can load.
    pub packages: MeasuredManifest,
    /// The effective configuration.
    pub config: MeasuredFile,
    /// Command line and environment.
    pub launch: MeasuredFile,
}

/// A complete launch: the log can be served, and not be added to. It keeps the log's lock.
pub struct SealedLaunch {
    log: ApplicationLog,
}

impl Launch {
    /// Records `launch.begin`, with the same random name in both PCRs.
    ///
    /// # Errors
    /// [`LaunchError`] if there are no random bytes or the log fails.
    pub fn begin(mut log: ApplicationLog) -> Result<Self, LaunchError> {
        let mut name = [0; 16];
        getrandom::fill(&mut name)?;
        let begin = Event::LaunchBegin(LaunchBegin { launch: Base64Array(name) });
        log.append_application(begin.clone())?;
        log.append_identity(begin)?;
        Ok(Self { log })
    }

    /// Records what is about to run. No interpreter may have started yet.
    ///
    /// # Errors
    /// [`LaunchError::Log`] if an event cannot be recorded.
    pub fn code(mut self, code: Code) -> Result<LaunchedCode, LaunchError> {
        let Code { binary, packages, config, launch } = code;
        self.log.append_application(Event::GatewayBinary(binary))?;
        self.log.append_application(Event::EnginePackages(packages))?;
        self.log.append_application(Event::Config(config))?;
        self.log.append_application(Event::Launch(launch))?;
        Ok(LaunchedCode { log: self.log })
    }
}

impl LaunchedCode {
    /// Records the model: the manifest of its folder, and the chat template's text as it is rendered.
    ///
    /// # Errors
    /// [`LaunchError::Log`] if an event cannot be recorded.
    pub fn model(mut self, weights: MeasuredManifest, chat_template: MeasuredFile) -> Result<MeasuredLaunch, LaunchError> {
        self.log.append_application(Event::ModelWeights(weights))?;
        self.log.append_application(Event::ChatTemplate(chat_template))?;
        Ok(MeasuredLaunch { log: self.log })
    }
}

impl MeasuredLaunch {
    /// Seals the application, then records and seals the identity: the SHA-256 of the TLS key's SubjectPublicKeyInfo, and
    /// the Ed25519 key of the receipts.
    ///
    /// # Errors
    /// [`LogError::Unexplained`] if other software extended a PCR meanwhile; [`LaunchError::Log`] also if an event
    /// cannot be recorded.
    pub fn seal(mut self, tls_spki: Sha256Digest, receipt_key: [u8; 32]) -> Result<SealedLaunch, LaunchError> {
        self.log.append_application(Event::SealedApplication)?;
        self.log.append_identity(Event::TlsSpki(tls_spki))?;
        self.log.append_identity(Event::ReceiptKey(Base64Array(receipt_key)))?;
        let application = self.log.application_value()?;
        self.log.append_identity(Event::SealedIdentity(application))?;
        Ok(SealedLaunch { log: self.log })
    }
}

impl SealedLaunch {
    /// Everything measured since boot, this launch last.
    #[must_use]
    pub fn entries(&self) -> &[LoggedEvent] {
        self.log.entries()
    }
}
