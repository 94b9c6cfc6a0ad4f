//! The gateway's binary: it wires configuration, TPM, engine and HTTP server together; all else is in libraries.

mod attester;
mod certificates;
mod cli;
mod engine;
mod error;
mod evidence_parts;
mod logging;
mod machine;
mod memory;
mod provision;
mod release;
mod serve;

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    let arguments = cli::Arguments::parse();
    logging::init(arguments.log_json);
    if let Err(error) = memory::keep_off_disk() {
        tracing::error!("core dumps cannot be turned off: {error}");
        return ExitCode::FAILURE;
    }
    let outcome = match arguments.command {
        cli::Command::Serve { config } => serve::serve(&config),
        cli::Command::Provision { config, policy } => provision::provision(&config, &policy),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{}", error::with_causes(&error));
            ExitCode::FAILURE
        }
    }
}
