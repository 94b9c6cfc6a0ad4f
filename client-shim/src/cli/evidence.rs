//! `blindllama evidence`: saves evidence, and shows what is in it.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use blindllama_attest::{
    application::{Event, MeasuredFile, MeasuredManifest},
    digest::Sha256Digest,
    evidence::EvidenceDocument,
};
use clap::{Args, Subcommand};

use super::{
    Outcome, evidence_show,
    judgement::{Judgement, activate},
    policy::Signer,
    policy_file::{PolicyFile, read_at_most},
    report, style,
    text::printable,
    verify::tell,
};
use crate::{
    evidence_client::{EvidenceClient, FetchedEvidence},
    gateway_url::GatewayUrl,
    saved_evidence::{MAX_BUNDLE_BYTES, SavedEvidence},
    timeouts::Timeouts,
};

/// The most manifests that are saved, in bytes: as base64 they have to fit into a bundle, with the evidence.
const MAX_SAVED_MANIFEST_BYTES: usize = 36 * 1024 * 1024;

/// What to do with evidence.
#[derive(Debug, Subcommand)]
pub(super) enum EvidenceAction {
    /// Save the gateway's evidence, to be verified again later; with --policy, verify it at once too.
    #[command(after_help = super::EXIT_STATUS)]
    Fetch(EvidenceFetchOptions),
    /// Show what saved evidence holds, without judging it.
    #[command(after_help = super::EXIT_STATUS)]
    Show(EvidenceShowOptions),
}

/// What to fetch, and where to.
#[derive(Debug, Args)]
pub(super) struct EvidenceFetchOptions {
    /// The gateway, such as https://gateway.example:8443.
    #[arg(long, value_name = "URL", env = "BLINDLLAMA_GATEWAY")]
    gateway: GatewayUrl,
    /// The file to write.
    #[arg(long, value_name = "FILE")]
    output: PathBuf,
    /// Save the documents behind the application log too, so that a refusal can be explained offline.
    #[arg(long)]
    manifests: bool,
    /// Verify the evidence at once, under this policy; it is saved either way.
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    #[command(flatten)]
    signer: Signer,
}

/// What to show.
#[derive(Debug, Args)]
pub(super) struct EvidenceShowOptions {
    /// The saved evidence.
    file: PathBuf,
    /// Print one JSON object instead of text.
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(action: EvidenceAction) -> Outcome {
    match action {
        EvidenceAction::Fetch(options) => fetch(options).await,
        EvidenceAction::Show(options) => show(&options),
    }
}

/// Fetches and saves; where a policy is given, judges too.
async fn fetch(options: EvidenceFetchOptions) -> Outcome {
    let policy = match options.policy.as_deref().map(|path| PolicyFile::read(path, &options.signer)).transpose() {
        Ok(policy) => policy,
        Err(outcome) => return outcome,
    };
    let client = match EvidenceClient::new(options.gateway, Timeouts::default()) {
        Ok(client) => client,
        Err(error) => return report::failure("TLS could not be set up", &error, Outcome::Local),
    };
    let mut fetched = client.fetch().await;
    let not_activated = match (&mut fetched, &policy) {
        (Ok(fetched), Some(file)) => activate(&client, fetched, &file.policy).await.err(),
        _ => None,
    };
    let saved = match &fetched {
        Ok(fetched) => save(&client, fetched, options.manifests, &options.output).await,
        Err(refusal) if policy.is_none() => {
            let outcome = Outcome::from(refusal);
            return report::failure("there is no evidence", refusal, outcome);
        }
        Err(_) => Ok(()),
    };
    match (saved, policy) {
        (Err(outcome), _) => outcome,
        (Ok(()), Some(policy)) => {
            let fetched = not_activated.map_or(fetched, Err);
            tell(&Judgement::of_fetched(fetched, client, policy), false, false)
        }
        (Ok(()), None) => Outcome::Verified,
    }
}

async fn save(client: &EvidenceClient, fetched: &FetchedEvidence, manifests: bool, output: &Path) -> Result<(), Outcome> {
    let mut bundle = SavedEvidence::new(client.url(), fetched);
    if manifests {
        bundle = with_manifests(bundle, client).await;
    }
    let failed = |error: &dyn std::error::Error| {
        report::failure(&format!("the evidence cannot be saved to {}", output.display()), error, Outcome::Local)
    };
    let bytes = bundle.to_bytes().map_err(|error| failed(&error))?;
    fs::write(output, &bytes).map_err(|error| failed(&error))?;
    report::say(&format!(
        "Saved {} bytes of evidence to {}; this is no verdict.",
        bytes.len(),
        printable(&output.display().to_string())
    ));
    Ok(())
}

/// Adds the documents behind the application log, as far as the gateway gives them; those that hash to something else are
/// left out.
async fn with_manifests(mut bundle: SavedEvidence, client: &EvidenceClient) -> SavedEvidence {
    let mut left = MAX_SAVED_MANIFEST_BYTES;
    for digest in documents(bundle.document()) {
        let reason = match client.manifest(digest).await {
            Ok(manifest) if Sha256Digest::of(&[&manifest]) != digest => "it hashes to something else".to_owned(),
            Ok(manifest) => match left.checked_sub(manifest.len()) {
                Some(rest) => {
                    left = rest;
                    bundle = bundle.with_manifest(digest, manifest.into());
                    continue;
                }
                None => "a bundle has no room for it".to_owned(),
            },
            Err(error) => error.to_string(),
        };
        report::warn(&format!("the document {digest} is not saved: {}", printable(&reason)));
    }
    bundle
}

fn documents(document: &[u8]) -> BTreeSet<Sha256Digest> {
    let Ok(document) = EvidenceDocument::parse(document) else { return BTreeSet::new() };
    let digest = |event: &Event| match event {
        Event::EnginePackages(MeasuredManifest { manifest_sha256, .. })
        | Event::ModelWeights(MeasuredManifest { manifest_sha256, .. }) => Some(*manifest_sha256),
        Event::Config(MeasuredFile { sha256, .. })
        | Event::Launch(MeasuredFile { sha256, .. })
        | Event::ChatTemplate(MeasuredFile { sha256, .. }) => Some(*sha256),
        _ => None,
    };
    document.event_log.application.iter().filter_map(|logged| digest(&logged.event)).collect()
}

/// Prints what a bundle holds, without judging it.
fn show(options: &EvidenceShowOptions) -> Outcome {
    let bundle = match read_bundle(&options.file) {
        Ok(bundle) => bundle,
        Err(outcome) => return outcome,
    };
    match EvidenceDocument::parse(bundle.document()) {
        Ok(document) if options.json => report::say(&format!("{:#}", evidence_show::as_json(&bundle, &document))),
        Ok(document) => report::say(&evidence_show::as_text(&bundle, &document, style::for_stdout())),
        Err(error) => {
            let what = format!("{} holds no evidence document that can be shown", options.file.display());
            return report::failure(&what, &error, Outcome::Local);
        }
    }
    Outcome::Verified
}

/// Reads a bundle, or says why not.
pub(super) fn read_bundle(path: &Path) -> Result<SavedEvidence, Outcome> {
    let unusable = |error: &dyn std::error::Error| {
        report::failure(&format!("the saved evidence {} cannot be used", path.display()), error, Outcome::Local)
    };
    let bytes = read_at_most(path, MAX_BUNDLE_BYTES).map_err(|error| unusable(&error))?;
    SavedEvidence::parse(&bytes).map_err(|error| unusable(&error))
}
