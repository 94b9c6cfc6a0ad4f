//! Event logs of real machines (`tests/vectors/README.md`), changes of them, and logs made up here.

// Clippy's leave for tests covers test functions, not what they call.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod descriptions;
mod differences;
mod format;
mod mutation;
mod replays;
mod robustness;
mod vector;

/// The folders under `tests/vectors`.
const VECTORS: [&str; 10] = [
    "eventlog/arch-linux-workstation",
    "eventlog/gce-debian10-sha1",
    "eventlog/gce-rhel8",
    "eventlog/gce-ubuntu1804-sev",
    "eventlog/laptop-startup-locality-3",
    "eventlog/sha1-exit-boot-services-missing",
    "eventlog/sha256-only-intel-board",
    "eventlog/short-no-action",
    "eventlog/thinkpad-n40et41w",
    "tpm/gcp-windows-sha1",
];
