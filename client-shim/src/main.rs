//! The `blindllama` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    blindllama_shim::cli::main()
}
