//! Keeps what is in memory, prompts and keys, off the disk.

use std::io;

use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};

/// Turns core dumps off for this process and those that it starts, and keeps debuggers of the same user out. A crash in native
/// code would otherwise leave prompts and keys on disk.
pub(crate) fn keep_off_disk() -> io::Result<()> {
    setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })?;
    Ok(set_dumpable_behavior(DumpableBehavior::NotDumpable)?)
}
