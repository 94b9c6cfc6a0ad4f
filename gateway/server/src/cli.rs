//! The command line.

use std::path::PathBuf;

use blindllama_engine_vllm::Helper;
use clap::{Parser, Subcommand};

/// An OpenAI-compatible gateway that proves what it runs.
#[derive(Parser)]
#[command(name = "blindllama-gateway", version)]
pub(crate) struct Arguments {
    /// Write log lines as JSON.
    #[arg(long, global = true)]
    pub(crate) log_json: bool,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Measure this gateway, load the model, and serve.
    Serve {
        /// The configuration, TOML; `BLINDLLAMA_<SECTION>__<KEY>` in the environment overrides a key.
        #[arg(long)]
        config: PathBuf,
    },
    /// Write a policy that trusts this machine's TPM and exactly this binary, configuration and model.
    ///
    /// Run it on the machine itself: what it writes is what a shim will trust.
    Provision {
        /// The configuration that the gateway will be started with.
        #[arg(long)]
        config: PathBuf,
        /// Where to write the policy.
        #[arg(long)]
        policy: PathBuf,
    },
    /// Run a part of the engine that has a process of its own; started by the gateway and nobody else.
    #[command(hide = true)]
    EngineProcess {
        /// The interpreter of the Python environment that has vLLM.
        #[arg(long)]
        python: PathBuf,
        /// What to run, as Python's `multiprocessing` says it.
        #[arg(short = 'c')]
        helper: Helper,
        /// What `multiprocessing` says to each interpreter that it starts.
        #[arg(long)]
        multiprocessing_fork: bool,
    },
}
