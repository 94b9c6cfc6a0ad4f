//! A verdict, and everything that it takes to tell and to explain it.

use blindllama_attest::{
    digest::Sha256Digest,
    evidence::EvidenceDocument,
    explain::{Explained, Explanation, Reference, documents_wanted, explain, explained_checks},
    policy::Policy,
    verify::{PassedCheck, UnixTime, VerifiedPeer, VerifyError},
};

use super::policy_file::PolicyFile;
use crate::{
    attestation::Attester,
    evidence_client::{EvidenceClient, FetchedEvidence},
    refusal::Refusal,
    saved_evidence::{PastVerdict, SavedEvidence},
};

/// What passed, now or then.
pub(super) enum Verdict {
    /// A gateway that was asked just now.
    Now(VerifiedPeer),
    /// Evidence out of a file.
    Past(PastVerdict),
}

impl Verdict {
    pub(super) const fn peer(&self) -> &VerifiedPeer {
        match self {
            Self::Now(peer) => peer,
            Self::Past(verdict) => verdict.peer(),
        }
    }
}

/// Where the evidence was.
pub(super) enum Source {
    /// A gateway, which can be asked for manifests too.
    Gateway(EvidenceClient),
    /// A file.
    Saved(SavedEvidence),
}

/// A verdict, its evidence and its policy.
pub(super) struct Judgement {
    pub(super) verdict: Result<Verdict, Refusal>,
    passed: Vec<PassedCheck>,
    pub(super) policy: PolicyFile,
    pub(super) source: Source,
    /// The evidence's time; `None` where none came.
    pub(super) at: Option<UnixTime>,
    document: Option<EvidenceDocument>,
    /// Why a check failed, once somebody asked.
    pub(super) explanation: Option<Explanation>,
}

impl Judgement {
    /// Asks a gateway and judges its answer.
    pub(super) async fn of_gateway(attester: Attester, policy: PolicyFile) -> Self {
        let client = attester.into_client();
        let mut fetched = client.fetch().await;
        if let Ok(evidence) = &mut fetched
            && let Err(refusal) = activate(&client, evidence, &policy.policy).await
        {
            fetched = Err(refusal);
        }
        Self::of_fetched(fetched, client, policy)
    }

    /// Judges what a gateway answered.
    pub(super) fn of_fetched(fetched: Result<FetchedEvidence, Refusal>, client: EvidenceClient, policy: PolicyFile) -> Self {
        let fetched = match fetched {
            Ok(fetched) => fetched,
            Err(refusal) => return Self::without_evidence(refusal, client, policy),
        };
        let (at, document) = (Some(fetched.fetched_at), EvidenceDocument::parse(&fetched.document).ok());
        let (passed, verdict) = fetched.verify_with_report(&policy.policy, None);
        let verdict = verdict.map(Verdict::Now).map_err(Refusal::from);
        Self { verdict, passed, policy, source: Source::Gateway(client), at, document, explanation: None }
    }

    fn without_evidence(refusal: Refusal, client: EvidenceClient, policy: PolicyFile) -> Self {
        let (verdict, source) = (Err(refusal), Source::Gateway(client));
        Self { verdict, passed: Vec::new(), policy, source, at: None, document: None, explanation: None }
    }

    /// Judges evidence out of a file.
    pub(super) fn of_saved(saved: SavedEvidence, policy: PolicyFile) -> Self {
        let (passed, verdict) = saved.verify_with_report(&policy.policy);
        let verdict = verdict.map(Verdict::Past).map_err(Refusal::from);
        let (at, document) = (Some(saved.fetched_at()), EvidenceDocument::parse(saved.document()).ok());
        Self { verdict, passed, policy, source: Source::Saved(saved), at, document, explanation: None }
    }

    /// Finds out why a check failed, with documents of the reference folder, the gateway and the file.
    pub(super) async fn explain(&mut self) {
        let Err(Refusal::Evidence(error)) = &self.verdict else { return };
        let reference = self.reference(error).await;
        let explanation = explain(error, self.document.as_ref(), &self.policy.policy, &reference);
        self.explanation = Some(explanation);
    }

    /// All sixteen checks.
    pub(super) fn checks(&self) -> Vec<Explained> {
        let failed = match &self.verdict {
            Err(Refusal::Evidence(error)) => Some(error),
            _ => None,
        };
        explained_checks(&self.passed, failed)
    }

    async fn reference(&self, error: &VerifyError) -> Reference {
        let log = self.policy.reference_firmware_log();
        let mut reference = log.map_or_else(|_| Reference::new(), |log| Reference::new().with_firmware_log(log));
        for digest in documents_wanted(error, self.document.as_ref(), &self.policy.policy) {
            let kept = self.policy.reference_manifest(digest).is_ok_and(|document| add(&mut reference, digest, document));
            if !kept && let Some(document) = self.document_behind(digest, &mut reference).await {
                add(&mut reference, digest, document);
            }
        }
        reference
    }

    /// The document as whoever gave the evidence has it, if they have it.
    async fn document_behind(&self, digest: Sha256Digest, reference: &mut Reference) -> Option<Vec<u8>> {
        match &self.source {
            Source::Gateway(client) => match client.manifest(digest).await {
                Ok(document) => Some(document.into()),
                Err(error) => {
                    reference.add_note(error.to_string());
                    None
                }
            },
            Source::Saved(saved) => saved.manifests().find(|(kept, _)| *kept == digest).map(|(_, document)| document.to_vec()),
        }
    }
}

/// Whether the document was the right one; if not, the reference says so itself.
fn add(reference: &mut Reference, digest: Sha256Digest, document: Vec<u8>) -> bool {
    reference.add_document(digest, document).is_ok()
}

/// Has the TPM open a credential, where the policy needs that. Evidence that does not get as far is left to its own verdict, which
/// says why.
pub(super) async fn activate(client: &EvidenceClient, fetched: &mut FetchedEvidence, policy: &Policy) -> Result<(), Refusal> {
    match client.activate(fetched, policy).await {
        Err(refusal @ Refusal::NotActivated(_)) => Err(refusal),
        _ => Ok(()),
    }
}
