//! `blindllama policy learn`.

use std::{fs, path::PathBuf};

use blindllama_attest::policy::{Certifies, LearnedTrust, TpmKind, TrustedRoot};
use clap::Args;

use crate::{
    cli::{Outcome, report, style, text::printable},
    gateway_url::GatewayUrl,
    policy::{
        learn::{LearnFailure, Learned, learn},
        output::{self, Existing},
        reference::reference_path,
    },
    timeouts::Timeouts,
};

#[derive(Debug, Args)]
pub(in crate::cli) struct Options {
    /// The gateway, such as https://gateway.example:8443.
    #[arg(long, value_name = "URL", env = "BLINDLLAMA_GATEWAY")]
    gateway: GatewayUrl,
    /// Where to write the policy; what its digests stand for is written beside it, into FILE.reference.
    #[arg(long, value_name = "FILE")]
    output: PathBuf,
    /// What to call the machine; the gateway's address where left out.
    #[arg(long, value_name = "MACHINE")]
    name: Option<String>,
    /// Overwrite what is there.
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    authority: Authority,
}

#[derive(Debug, Args)]
struct Authority {
    /// Trust the machine by this authority's certificate (PEM), instead of by its key.
    #[arg(long, value_name = "FILE", requires_all = ["certifies", "kind"])]
    trust_root: Option<PathBuf>,
    /// What the authority certifies: attestation-key or endorsement-key.
    #[arg(long, value_name = "KEY", requires = "trust_root", value_parser = certifies)]
    certifies: Option<Certifies>,
    /// What kind of TPM it certifies: hardware, cloud-vtpm or software.
    #[arg(long, value_name = "KIND", requires = "trust_root", value_parser = kind)]
    kind: Option<TpmKind>,
}

fn certifies(text: &str) -> Result<Certifies, &'static str> {
    let all = [Certifies::AttestationKey, Certifies::EndorsementKey];
    all.into_iter().find(|value| value.to_string() == text).ok_or("it is attestation-key or endorsement-key")
}

fn kind(text: &str) -> Result<TpmKind, &'static str> {
    let all = [TpmKind::Hardware, TpmKind::CloudVtpm, TpmKind::Software];
    all.into_iter().find(|value| value.to_string() == text).ok_or("it is hardware, cloud-vtpm or software")
}

pub(super) async fn run(options: Options) -> Outcome {
    let trust = match options.ready_to_write().and_then(|()| options.authority.trust()) {
        Ok(trust) => trust,
        Err(outcome) => return outcome,
    };
    let learned = learn(&options.gateway, options.name.clone(), trust, Timeouts::default()).await;
    match learned {
        Ok(learned) => options.write(&learned).unwrap_or_else(|outcome| outcome),
        Err(failure) => refused(&failure),
    }
}

impl Authority {
    fn trust(&self) -> Result<LearnedTrust, Outcome> {
        let Self { trust_root: Some(path), certifies: Some(certifies), kind: Some(kind) } = self else {
            return Ok(LearnedTrust::PinnedKey);
        };
        let certificate = fs::read_to_string(path)
            .map_err(|error| report::failure(&format!("{} cannot be read", path.display()), &error, Outcome::Local))?;
        let name = path.file_stem().map_or_else(|| "authority".to_owned(), |stem| stem.to_string_lossy().into_owned());
        let (certifies, kind) = (*certifies, *kind);
        Ok(LearnedTrust::Authority(TrustedRoot { name, certifies, kind, certificate, machine: Vec::new() }))
    }
}

impl Options {
    /// Looks before anything is fetched; writing does not rely on it.
    fn ready_to_write(&self) -> Result<(), Outcome> {
        let taken = [self.output.clone(), reference_path(&self.output)].into_iter().find(|path| !self.force && path.exists());
        match taken {
            None => Ok(()),
            Some(path) => {
                let error = std::io::Error::from(std::io::ErrorKind::AlreadyExists);
                Err(report::failure(
                    &format!("{} stays as it is; to overwrite, say --force", path.display()),
                    &error,
                    Outcome::Local,
                ))
            }
        }
    }

    fn write(&self, learned: &Learned) -> Result<Outcome, Outcome> {
        let Learned { text, peer, reference, .. } = learned;
        let folder = reference_path(&self.output);
        let existing = if self.force { Existing::Replace } else { Existing::Keep };
        reference
            .write(&folder)
            .map_err(|error| report::failure(&format!("{} cannot be written", folder.display()), &error, Outcome::Local))?;
        output::write(&self.output, text.as_bytes(), existing)
            .map_err(|error| report::failure(&format!("{} cannot be written", self.output.display()), &error, Outcome::Local))?;
        report::say(&report::checks(peer, style::for_stdout()));
        for (part, status) in reference.missing() {
            report::say(&format!("No reference for the {part}: the gateway answered with HTTP status {status}"));
        }
        report::say(&format!("Wrote {} for review, and {}", self.output.display(), folder.display()));
        Ok(Outcome::Verified)
    }
}

fn refused(failure: &LearnFailure) -> Outcome {
    let style = style::for_stdout();
    let code = failure.refusal().map_or(String::new(), |refusal| format!(" ({})", refusal.code()));
    report::say(&format!("{} {}{code}", style.bad("Not learned:"), printable(&failure.to_string())));
    report::say("Nothing was written.");
    failure.refusal().map_or(Outcome::Refused, Outcome::from)
}
