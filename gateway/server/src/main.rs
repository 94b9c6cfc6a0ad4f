//! The gateway's binary: it wires configuration, TPM, engine and HTTP server together; all else is in libraries.

mod address;
mod certificates;
mod cli;
mod engine;
mod error;
mod invocation;
mod libraries;
mod logging;
mod machine;
mod memory;
mod progress;
mod provision;
mod release;
mod serve;

use std::process::ExitCode;

use clap::Parser as _;
use error::GatewayError;
use invocation::Invocation;
use mimalloc::MiMalloc;

/// Each token of an answer allocates a few small values, which the system's allocator takes several times as long for.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    let arguments = cli::Arguments::parse();
    if logging::init(arguments.log_json).is_err() {
        // There is nothing to say it with.
        return ExitCode::FAILURE;
    }
    match run(arguments) {
        Ok(status) => status,
        Err(error) => {
            tracing::error!("{}", error::with_causes(&error));
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: cli::Arguments) -> Result<ExitCode, GatewayError> {
    match arguments.command {
        cli::Command::Serve { config } => serve::serve(&config, &started()?)?,
        cli::Command::Provision { config, policy } => provision::provision(&config, &policy, started()?)?,
        cli::Command::EngineProcess { python, helper, .. } => return engine::run_process(&python, helper, arguments.log_json),
    }
    Ok(ExitCode::SUCCESS)
}

/// How this process was started; from here on nothing of it goes to the disk.
fn started() -> Result<Invocation, GatewayError> {
    let invocation = Invocation::of_this_process()?;
    memory::keep_off_disk().map_err(GatewayError::CoreDumps)?;
    Ok(invocation)
}
