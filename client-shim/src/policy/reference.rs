//! What a learned policy's digests stand for, kept beside it: with it a later refusal can say which event or file differs.
//!
//! The folder `<policy>.reference` holds `firmware.bin`, the firmware log, and `manifests/<sha256>`, the document behind each
//! digest of the serving release. Nothing in it is trusted when a gateway is verified.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use blindllama_attest::{
    application::Part,
    digest::Sha256Digest,
    evidence::EvidenceDocument,
    policy::{PolicyDocument, Release, ReleaseStatus},
};
use bytes::Bytes;
use http::StatusCode;

use super::{
    file::beside,
    output::{self, Existing},
};
use crate::{
    evidence_client::{EvidenceClient, NoManifest},
    refusal::Refusal,
};

/// The parts that are documents, and not the gateway's program itself.
const DOCUMENTS: [Part; 5] = [Part::EnginePackages, Part::Config, Part::Launch, Part::ModelWeights, Part::ChatTemplate];

/// The documents behind a policy's digests.
#[derive(Debug, Clone, Default)]
pub struct Reference {
    firmware: Option<Vec<u8>>,
    manifests: Vec<(Sha256Digest, Bytes)>,
    missing: Vec<(Part, StatusCode)>,
}

/// The documents cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum ReferenceError {
    /// The gateway does not answer as it should.
    #[error("the document behind the {part} could not be fetched: {refusal}")]
    Refused {
        /// What it is about.
        part: Part,
        /// What went wrong.
        refusal: Refusal,
    },
    /// The gateway measured one thing and serves another.
    #[error("the gateway measured {measured} for its {part}, but serves a document with digest {served}")]
    OtherDocument {
        /// What it is about.
        part: Part,
        /// The digest in the application log.
        measured: Sha256Digest,
        /// The served document's digest.
        served: Sha256Digest,
    },
}

impl Reference {
    /// Fetches the documents behind the serving releases of `policy` from the gateway.
    ///
    /// # Errors
    /// [`ReferenceError`]; a document that the gateway does not have is only noted, in [`Self::missing`].
    pub(super) async fn fetch(
        evidence: &EvidenceDocument,
        policy: &PolicyDocument,
        client: &EvidenceClient,
    ) -> Result<Self, ReferenceError> {
        let firmware = evidence.event_log.firmware.as_ref().map(|log| log.0.clone());
        let mut reference = Self { firmware, ..Self::default() };
        let serving = policy.release.iter().filter(|release| release.status == ReleaseStatus::Serving);
        let wanted = serving.flat_map(|release: &Release| DOCUMENTS.map(|part| (part, release.digest(part))));
        for (part, measured) in wanted {
            match client.manifest(measured).await {
                Ok(document) => reference.add(part, measured, document)?,
                Err(NoManifest::Status(_, status)) => reference.missing.push((part, status)),
                Err(NoManifest::Failed(_, refusal)) => return Err(ReferenceError::Refused { part, refusal: *refusal }),
            }
        }
        Ok(reference)
    }

    fn add(&mut self, part: Part, measured: Sha256Digest, document: Bytes) -> Result<(), ReferenceError> {
        let served = Sha256Digest::of(&[&document]);
        if served != measured {
            return Err(ReferenceError::OtherDocument { part, measured, served });
        }
        self.manifests.push((measured, document));
        Ok(())
    }

    /// The parts whose documents the gateway does not serve, with its answers.
    #[must_use]
    pub fn missing(&self) -> &[(Part, StatusCode)] {
        &self.missing
    }

    /// Writes the folder. Documents that are there already stay: their names say what they hold.
    ///
    /// # Errors
    /// What the file system says.
    pub fn write(&self, folder: &Path) -> io::Result<()> {
        let manifests = folder.join("manifests");
        fs::create_dir_all(&manifests)?;
        for (digest, document) in &self.manifests {
            output::write(&manifests.join(digest.to_hex()), document, Existing::Replace)?;
        }
        let firmware = folder.join("firmware.bin");
        match &self.firmware {
            Some(log) => output::write(&firmware, log, Existing::Replace),
            None => remove_if_there(&firmware),
        }
    }
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Where the reference of the policy at `path` lies: beside it, with `.reference` after its name.
#[must_use]
pub fn reference_path(path: &Path) -> PathBuf {
    beside(path, ".reference")
}
