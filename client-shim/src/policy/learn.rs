//! Learns a policy from a gateway that one trusts now.

use blindllama_attest::{
    evidence::EvidenceDocument,
    policy::{LearnError, LearnedNames, LearnedTrust, Policy, PolicyDocument, PolicyError, Weakening, learn as learn_document},
    verify::{VerifiedPeer, VerifyError},
};
use jiff::Timestamp;

use super::reference::{Reference, ReferenceError};
use crate::{
    evidence_client::{EvidenceClient, now},
    gateway_url::GatewayUrl,
    refusal::Refusal,
    timeouts::Timeouts,
};

/// A policy for review, and what led to it.
#[derive(Debug)]
pub struct Learned {
    /// The policy file's text.
    pub text: String,
    /// The policy.
    pub policy: Policy,
    /// The verdict on the gateway's evidence under exactly that text.
    pub peer: VerifiedPeer,
    /// The documents behind its digests.
    pub reference: Reference,
}

/// Nothing was learned.
#[derive(Debug, thiserror::Error)]
pub enum LearnFailure {
    /// There is no evidence, or it contradicts itself.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The evidence does not say what a policy needs.
    #[error(transparent)]
    NothingToLearn(#[from] LearnError),
    /// What the evidence shows, or the authority, makes no policy.
    #[error("no policy can be made of this: {0}")]
    NoPolicy(#[from] PolicyError),
    /// The documents behind the digests cannot be had.
    #[error(transparent)]
    Reference(#[from] ReferenceError),
}

impl LearnFailure {
    /// What the gateway did wrong, where it is a matter of the exchange and not of what was learned.
    #[must_use]
    pub const fn refusal(&self) -> Option<&Refusal> {
        match self {
            Self::Refused(refusal) | Self::Reference(ReferenceError::Refused { refusal, .. }) => Some(refusal),
            Self::NothingToLearn(_) | Self::NoPolicy(_) | Self::Reference(ReferenceError::OtherDocument { .. }) => None,
        }
    }
}

/// Fetches evidence from whoever answers at `url`, writes the policy that allows it, and verifies that very evidence against
/// that very text: what contradicts itself teaches nothing.
///
/// # Errors
/// [`LearnFailure`].
pub async fn learn(
    url: &GatewayUrl,
    machine: Option<String>,
    trust: LearnedTrust,
    timeouts: Timeouts,
) -> Result<Learned, LearnFailure> {
    let client = EvidenceClient::new(url.clone(), timeouts).map_err(local)?;
    let mut fetched = client.fetch().await?;
    let evidence = EvidenceDocument::parse(&fetched.document).map_err(|error| Refusal::from(VerifyError::from(error)))?;
    let date = today()?;
    let document = learn_document(&evidence, names(url, machine, &date), trust)?;
    let text = introduction(url, &date, &document) + &document.to_toml()?;
    let policy = Policy::parse(&text)?;
    client.activate(&mut fetched, &policy).await?;
    let peer = fetched.verify(&policy, None).map_err(Refusal::from)?;
    let reference = Reference::fetch(&evidence, &document, &client).await?;
    Ok(Learned { text, policy, peer, reference })
}

fn local(error: impl ToString) -> Refusal {
    Refusal::Local(error.to_string())
}

fn today() -> Result<String, Refusal> {
    let seconds = i64::try_from(now()?.0).map_err(local)?;
    let timestamp = Timestamp::from_second(seconds).map_err(local)?;
    Ok(timestamp.strftime("%Y-%m-%d").to_string())
}

fn names(url: &GatewayUrl, machine: Option<String>, date: &str) -> LearnedNames {
    let host = url.authority();
    LearnedNames {
        machine: machine.unwrap_or_else(|| host.clone()),
        platform: format!("boot of {host} on {date}"),
        release: format!("learned from {host} on {date}"),
    }
}

fn introduction(url: &GatewayUrl, date: &str, document: &PolicyDocument) -> String {
    let mut text = format!(
        "# Learned on {date} from {url}: a draft for review.\n\
         #\n\
         # Whoever answered there showed this machine, this boot state and this software. Before you rely on it, compare\n\
         #   * the attestation key or the machine with what its owner reads on the machine itself,\n\
         #   * the PCRs with those of a second machine of the same kind, or with what its maker publishes,\n\
         #   * each digest of the serving release with your own build, configuration and copy of the weights.\n\
         # PCRs that change while a machine runs (10 under IMA, 16 and 23) will be refused later: delete their lines.\n\
         # Past releases ran earlier since the machine's boot; after a reboot of the machine they can go.\n\
         #\n\
         # Nothing that was shown proves more, so this policy weakens:\n"
    );
    let weakened = Weakening::ALL.into_iter().filter(|weakening| document.weakening.get(*weakening));
    text.extend(weakened.map(|weakening| format!("#   {}\n", reason(weakening))));
    text + "#\n# Increase the revision with each change, then sign: blindllama policy sign FILE --key KEY\n\n"
}

const fn reason(weakening: Weakening) -> &'static str {
    match weakening {
        Weakening::SoftwareTpm => "allow_software_tpm = true, because no certificate shows that hardware holds the key",
        Weakening::SelfReported => {
            "allow_self_reported = true, because no evidence shows that the operating system measures the gateway"
        }
        Weakening::AnyMachine => "any_machine = true",
    }
}
