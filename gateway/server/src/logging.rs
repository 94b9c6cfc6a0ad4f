//! Log lines: to standard error, for people or for machines; and nothing else there once requests come.

use std::{
    fs::File,
    io::{self, IsTerminal as _},
    os::fd::AsFd as _,
    sync::Arc,
};

use tracing_subscriber::EnvFilter;

/// vLLM's own lines are many while it loads; from then on they are only places in its source, never text.
const DEFAULT_FILTER: &str = "info,vllm=warn";

/// Starts logging, to a descriptor of its own. `RUST_LOG` filters; no level ever shows content.
///
/// # Errors
/// Standard error cannot be duplicated.
pub(crate) fn init(json: bool) -> io::Result<()> {
    let own = Arc::new(File::from(io::stderr().as_fd().try_clone_to_owned()?));
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(DEFAULT_FILTER));
    // A panic's own text can quote what was being worked on.
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(place, thread = std::thread::current().name().unwrap_or_default(), "panic; this is a defect");
    }));
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(own);
    if json {
        lines.json().init();
    } else {
        lines.with_ansi(io::stderr().is_terminal()).with_target(false).init();
    }
    Ok(())
}

/// From here on requests come, and native libraries quote them: the panic of a compiler of schemas has a part of the schema in its
/// message, and a runtime of its own that prints it. The log lines go on.
///
/// # Errors
/// `/dev/null` cannot be opened, or put in the place of the standard streams.
pub(crate) fn silence_all_else() -> io::Result<()> {
    let nowhere = File::options().write(true).open("/dev/null")?;
    rustix::stdio::dup2_stdout(&nowhere)?;
    Ok(rustix::stdio::dup2_stderr(&nowhere)?)
}
