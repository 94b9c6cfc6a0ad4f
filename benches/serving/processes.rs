//! What a server's processes use, from `/proc` (proc(5)).

use std::{collections::HashMap, process::Command, time::Duration};

use procfs::process::{Process, all_processes};

use crate::server::Kind;

/// The engine's thread and those that compute for it. A thread's name is that of the one which started it, unless it takes its own.
const ENGINE: &str = "engine";

/// Processor time, by what used it.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Usage {
    /// All threads of all processes.
    pub(crate) all: Duration,
    /// The process that was started first, which is the front end of vLLM's servers: `vllm-rs` is a child of it and counts too. In
    /// the gateway, with the engine in the same process, all but the engine's threads.
    pub(crate) front_end: Duration,
}

impl Usage {
    /// The use so far of the process and its descendants.
    pub(crate) fn of(root: u32, kind: Kind) -> Self {
        let mut usage = Self::default();
        for process in tree(root) {
            let Ok(stat) = process.stat() else { continue };
            let is_front_end = stat.pid.cast_unsigned() == root || stat.comm.starts_with("vllm-rs");
            // Threads that end meanwhile are not counted; servers keep theirs.
            for task in process.tasks().into_iter().flatten().flatten() {
                let (Ok(stat), Ok(schedule)) = (task.stat(), task.schedstat()) else { continue };
                let used = Duration::from_nanos(schedule.sum_exec_runtime);
                usage.all += used;
                let computes = kind == Kind::Gateway && stat.comm.starts_with(ENGINE);
                if is_front_end && !computes {
                    usage.front_end += used;
                }
            }
        }
        usage
    }

    pub(crate) fn since(self, before: Self) -> Self {
        Self { all: self.all.saturating_sub(before.all), front_end: self.front_end.saturating_sub(before.front_end) }
    }
}

/// Processor time of the calling thread.
pub(crate) fn thread_time() -> Duration {
    let schedule = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    Duration::from_nanos(schedule.split(' ').next().unwrap().parse().unwrap())
}

/// Proportional set size of the process and its descendants, in bytes: memory that several share is divided among them.
pub(crate) fn memory(root: u32) -> u64 {
    let size = |process: Process| {
        let maps = process.smaps_rollup().ok()?.memory_map_rollup;
        maps.iter().next()?.extension.map.get("Pss").copied()
    };
    tree(root).into_iter().filter_map(size).sum()
}

/// Sends a signal to the process and its descendants, as `kill(1)` names it.
pub(crate) fn signal(root: u32, name: &str) {
    let processes = tree(root).into_iter().map(|process| process.pid().to_string());
    // Some may have ended meanwhile.
    let _ = Command::new("kill").arg(format!("-{name}")).args(processes).output();
}

/// The process and all that it started, directly or not.
fn tree(root: u32) -> Vec<Process> {
    let mut children: HashMap<i32, Vec<i32>> = HashMap::new();
    for stat in all_processes().unwrap().flatten().filter_map(|process| process.stat().ok()) {
        children.entry(stat.ppid).or_default().push(stat.pid);
    }
    let mut found = vec![root.cast_signed()];
    let mut next = 0;
    while let Some(pid) = found.get(next) {
        found.extend(children.remove(pid).into_iter().flatten());
        next += 1;
    }
    found.into_iter().filter_map(|pid| Process::new(pid).ok()).collect()
}
