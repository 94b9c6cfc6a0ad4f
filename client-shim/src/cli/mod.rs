//! The `blindllama` command line.

mod connect;
mod eventlog;
mod evidence;
mod evidence_show;
mod explain;
mod judgement;
mod policy;
mod policy_file;
mod quote;
mod receipt;
mod report;
mod style;
mod text;
mod verdict_json;
mod verify;

use std::{net::SocketAddr, path::PathBuf, process::ExitCode};

use blindllama_attest::policy::Policy;
use clap::{
    ArgMatches, Args, CommandFactory as _, FromArgMatches as _, Parser, Subcommand, error::ErrorKind, parser::ValueSource,
};
use tracing_subscriber::EnvFilter;

use crate::{attestation::Attester, gateway_url::GatewayUrl, proxy, timeouts::Timeouts};

/// What the command's exit status says; 2 is clap's own, for wrong usage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum Outcome {
    /// Every check passed, the work was done, or the proxy was stopped as it should be.
    Verified = 0,
    /// The gateway answered and did not pass, or two policies differ.
    Refused = 1,
    /// There was no gateway to talk to.
    Unreachable = 3,
    /// The policy cannot be read, is not valid, or is not signed as it has to be.
    BadPolicy = 4,
    /// This machine is at fault: the address to listen on is taken, for example.
    Local = 5,
}

impl From<Outcome> for ExitCode {
    fn from(outcome: Outcome) -> Self {
        Self::from(outcome as u8)
    }
}

const EXIT_STATUS: &str = "Exit status: 0 verified or done (connect: stopped as asked), 1 the gateway was refused (policy diff: \
    the policies differ), 2 wrong usage, 3 the gateway cannot be reached, 4 the policy or its signature cannot be used, \
    5 this machine failed, for example the address is taken.";

/// Talks to a BlindLlama gateway only after proving what it runs.
#[derive(Debug, Parser)]
#[command(name = "blindllama", version, after_help = EXIT_STATUS)]
struct Command {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Run the local proxy: verify the gateway, then forward requests to its model.
    #[command(after_help = EXIT_STATUS)]
    Connect(ConnectOptions),
    /// Verify the gateway once, or saved evidence, and say what was checked.
    #[command(after_help = EXIT_STATUS)]
    Verify(VerifyOptions),
    /// Save evidence, or show what saved evidence holds.
    #[command(subcommand)]
    Evidence(evidence::EvidenceAction),
    /// Check quotes of any TPM, in files as tpm2_quote writes them.
    #[command(subcommand)]
    Quote(quote::QuoteAction),
    /// Read a firmware's event log and replay it.
    Eventlog(eventlog::EventlogOptions),
    /// Learn, read, compare and sign policies.
    #[command(subcommand)]
    Policy(policy::Action),
    /// Receipts: what a gateway signed about its responses.
    Receipt(receipt::ReceiptOptions),
}

#[derive(Debug, Args)]
struct Peer {
    /// The gateway, such as https://gateway.example:8443.
    #[arg(long, value_name = "URL", env = "BLINDLLAMA_GATEWAY")]
    gateway: GatewayUrl,
    /// The policy: what the gateway has to prove.
    #[arg(long, value_name = "FILE", env = "BLINDLLAMA_POLICY")]
    policy: PathBuf,
    #[command(flatten)]
    signer: policy::Signer,
}

#[derive(Debug, Args)]
struct ConnectOptions {
    #[command(flatten)]
    peer: Peer,
    /// The local address to listen on.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080", env = "BLINDLLAMA_LISTEN")]
    listen: SocketAddr,
    /// Allow --listen on an address that other machines reach: prompts then cross the network as plain text.
    #[arg(long)]
    allow_remote_clients: bool,
}

impl ConnectOptions {
    /// Ends the process as wrong usage where prompts would cross the network as plain text and nobody asked for that.
    fn refuse_remote_clients(&self) {
        if !self.allow_remote_clients && !proxy::is_local(self.listen) {
            let message = format!(
                "{} can be reached from other machines, and prompts would cross the network as plain text: listen on a \
                 loopback address, or say --allow-remote-clients",
                self.listen
            );
            Command::command().error(ErrorKind::ValueValidation, message).exit();
        }
    }
}

#[derive(Debug, Args)]
struct VerifyOptions {
    /// The gateway, such as https://gateway.example:8443.
    #[arg(long, value_name = "URL", env = "BLINDLLAMA_GATEWAY", required_unless_present = "evidence")]
    gateway: Option<GatewayUrl>,
    /// Saved evidence, verified offline as of its own time; instead of --gateway.
    #[arg(long, value_name = "FILE")]
    evidence: Option<PathBuf>,
    /// The policy: what the gateway has to prove.
    #[arg(long, value_name = "FILE", env = "BLINDLLAMA_POLICY")]
    policy: PathBuf,
    #[command(flatten)]
    signer: policy::Signer,
    /// Print all checks, and for a refusal what differs and which line of the policy would allow it.
    #[arg(long)]
    explain: bool,
    /// Print one JSON object instead of text.
    #[arg(long)]
    json: bool,
}

/// Runs the command that the arguments of this process ask for.
#[must_use]
pub fn main() -> ExitCode {
    let matches = Command::command().get_matches();
    refuse_two_sources(&matches);
    let command = Command::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    if let Action::Connect(options) = &command.action {
        options.refuse_remote_clients();
    }
    log_to_stderr();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return report::failure("the runtime could not be started", &error, Outcome::Local).into(),
    };
    let outcome = match command.action {
        Action::Connect(options) => runtime.block_on(connect::run(options)),
        Action::Verify(options) => runtime.block_on(verify::run(options)),
        Action::Evidence(action) => runtime.block_on(evidence::run(action)),
        Action::Quote(action) => quote::run(&action),
        Action::Eventlog(options) => eventlog::run(options),
        Action::Policy(action) => runtime.block_on(policy::run(action)),
        Action::Receipt(options) => receipt::run(options),
    };
    outcome.into()
}

/// Ends the process as wrong usage where both a gateway and a file are to be verified. A gateway of the environment is none
/// that anybody asked for here.
fn refuse_two_sources(matches: &ArgMatches) {
    let Some(verify) = matches.subcommand_matches("verify") else { return };
    let given = |name| verify.value_source(name) == Some(ValueSource::CommandLine);
    if given("gateway") && given("evidence") {
        let message = "--gateway and --evidence exclude each other: verify a gateway, or a file";
        Command::command().error(ErrorKind::ArgumentConflict, message).exit();
    }
}

/// Warnings and the verifications' results, unless `BLINDLLAMA_LOG` asks for more. Nothing that is logged holds content.
fn log_to_stderr() {
    let filter = EnvFilter::try_from_env("BLINDLLAMA_LOG").unwrap_or_else(|_| EnvFilter::new("warn,blindllama_shim=info"));
    let colours = style::for_stderr().is_on();
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(colours).with_target(false).init();
}

/// Reads the policy and prepares the verification, or says why not.
fn attester(peer: Peer) -> Result<Attester, Outcome> {
    attester_with(peer.gateway, policy::trusted(&peer.policy, &peer.signer)?)
}

fn attester_with(gateway: GatewayUrl, policy: Policy) -> Result<Attester, Outcome> {
    let failed = |error| report::failure("TLS could not be set up", &error, Outcome::Local);
    Attester::new(gateway, policy, Timeouts::default()).map_err(failed)
}
