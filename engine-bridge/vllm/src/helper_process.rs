//! The other processes of an engine: this program, started by Python's `multiprocessing`.
//!
//! An interpreter of their own would read the environment and run `.pth` files; this program starts the one that the gateway has, with
//! the same search path, and is measured itself.

use std::str::FromStr;

use pyo3::{exceptions::PySystemExit, prelude::*};

use crate::{PythonEnvironment, glue, interpreter, interpreter::InterpreterError};

/// What such a process is to do: one of the two programs that `multiprocessing` starts an interpreter with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Helper {
    /// To run what arrives through a pipe, `multiprocessing.spawn.spawn_main`. Both are file descriptors.
    Spawned {
        /// The pipe.
        pipe_handle: i32,
        /// That of the process which cleans up.
        tracker_fd: i32,
    },
    /// To clean up after the others, `multiprocessing.resource_tracker.main`.
    ResourceTracker {
        /// The pipe.
        pipe_handle: i32,
    },
}

/// The program that was given is none of those.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this is started by the gateway itself, with one of two programs and no other")]
pub struct NoHelper;

impl FromStr for Helper {
    type Err = NoHelper;

    /// Reads what `multiprocessing` gives an interpreter after `-c`.
    fn from_str(program: &str) -> Result<Self, NoHelper> {
        let call = |function: &str| program.strip_prefix(function)?.strip_prefix('(')?.strip_suffix(')');
        if let Some(arguments) = call("from multiprocessing.spawn import spawn_main; spawn_main") {
            let (tracker_fd, pipe_handle) = arguments.split_once(", ").ok_or(NoHelper)?;
            let tracker_fd = descriptor(tracker_fd.strip_prefix("tracker_fd=").ok_or(NoHelper)?)?;
            let pipe_handle = descriptor(pipe_handle.strip_prefix("pipe_handle=").ok_or(NoHelper)?)?;
            return Ok(Self::Spawned { pipe_handle, tracker_fd });
        }
        let pipe_handle = call("from multiprocessing.resource_tracker import main;main").ok_or(NoHelper)?;
        Ok(Self::ResourceTracker { pipe_handle: descriptor(pipe_handle)? })
    }
}

fn descriptor(text: &str) -> Result<i32, NoHelper> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) { text.parse().map_err(|_| NoHelper) } else { Err(NoHelper) }
}

/// Why such a process did not do it.
#[derive(Debug, thiserror::Error)]
pub enum HelperError {
    /// The process could not be tied to the life of the one that started it, or got no session of its own.
    #[error("the kernel refuses to end this process with the gateway, and by nothing else: {0}")]
    Orphan(#[from] rustix::io::Errno),
    /// The interpreter did not start.
    #[error("Python did not start: {0}")]
    Interpreter(String),
    /// What it ran failed; its text could quote content and stays inside.
    #[error("{0} in a process of the engine")]
    Python(String),
}

/// Does it, in this process, which should do nothing else and has no interpreter yet. `arguments` are those that this program is
/// started with for such a process, which may start others. Gives the exit status that Python wants.
///
/// # Errors
/// [`HelperError`].
pub fn run_helper(python: &PythonEnvironment, helper: Helper, arguments: &[String]) -> Result<u8, HelperError> {
    if matches!(helper, Helper::Spawned { .. }) {
        // Without the gateway it would hold the model's memory, and prompts, with nobody to serve. The kernel goes by the thread that
        // started it, which is the engine's: it ends last. Who cleans up is to outlive the others.
        rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))?;
    }
    // Ctrl-C is for the gateway, which has answers to finish.
    rustix::process::setsid()?;
    interpreter::start(python).map_err(|error: InterpreterError| HelperError::Interpreter(error.to_string()))?;
    Python::attach(|py| {
        let ended = glue::install(py).and_then(|()| {
            let processes = py.import("blindllama_processes")?;
            match helper {
                Helper::Spawned { pipe_handle, tracker_fd } => {
                    processes.call_method1("serve", (pipe_handle, tracker_fd, arguments))
                }
                Helper::ResourceTracker { pipe_handle } => processes.call_method1("track_resources", (pipe_handle,)),
            }
        });
        match ended {
            Ok(_) => Ok(0),
            Err(error) => status(py, &error),
        }
    })
}

/// `sys.exit` is an exception, whose code is the status.
fn status(py: Python<'_>, error: &PyErr) -> Result<u8, HelperError> {
    if !error.is_instance_of::<PySystemExit>(py) {
        let kind = error.get_type(py).qualname().map_or_else(|_| "an exception".to_owned(), |name| name.to_string());
        return Err(HelperError::Python(kind));
    }
    let code = error.value(py).getattr("code");
    Ok(code.and_then(|code| if code.is_none() { Ok(0) } else { code.extract::<u8>() }).unwrap_or(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_programs_are_known_and_no_other() {
        let spawned = "from multiprocessing.spawn import spawn_main; spawn_main(tracker_fd=5, pipe_handle=17)";
        assert_eq!(spawned.parse(), Ok(Helper::Spawned { pipe_handle: 17, tracker_fd: 5 }));
        let tracker = "from multiprocessing.resource_tracker import main;main(7)";
        assert_eq!(tracker.parse(), Ok(Helper::ResourceTracker { pipe_handle: 7 }));
        for other in [
            "",
            "import os",
            "from multiprocessing.resource_tracker import main;main(7);import os",
            "from multiprocessing.resource_tracker import main;main(os.getpid())",
            "from multiprocessing.resource_tracker import main;main(-1)",
            "from multiprocessing.resource_tracker import main;main(99999999999)",
            "from multiprocessing.spawn import spawn_main; spawn_main(tracker_fd=5, pipe_handle=17); exit()",
            "from multiprocessing.spawn import spawn_main; spawn_main(tracker_fd=5)",
            "from multiprocessing.spawn import spawn_main; spawn_main(tracker_fd=None, pipe_handle=17)",
        ] {
            assert_eq!(other.parse::<Helper>(), Err(NoHelper), "{other}");
        }
    }
}
