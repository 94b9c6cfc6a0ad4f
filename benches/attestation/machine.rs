//! A machine with a software TPM whose quotes are counted, and slowed down if wanted.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use blindllama_attest_tpm::{AkKind, EkKind, Tpm, TpmSettings};
use blindllama_tests::{software_tpm::SoftwareTpm, tpm_proxy::TpmProxy};
use tempfile::TempDir;

/// The PCRs of the default configuration.
const PCRS: [u8; 14] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 14, 15];
/// What the default configuration has.
const MAX_WAITING_NONCES: usize = 65_536;

pub(crate) struct Machine {
    pub(crate) tpm: Tpm,
    quotes: Arc<AtomicU64>,
    delay_ms: Arc<AtomicU64>,
    _software_tpm: SoftwareTpm,
    folder: TempDir,
}

impl Machine {
    /// Boots a machine with a fresh TPM and a fresh attestation key.
    pub(crate) fn boot(ak: AkKind) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let software_tpm = SoftwareTpm::start(&folder.path().join("tpm"));
        let (quotes, delay_ms) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
        let (counted, delay) = (Arc::clone(&quotes), Arc::clone(&delay_ms));
        let proxy = TpmProxy::before_quotes(&software_tpm.sockets(), move || {
            counted.fetch_add(1, Ordering::Relaxed);
            thread::sleep(Duration::from_millis(delay.load(Ordering::Relaxed)));
        });
        let settings = TpmSettings {
            tcti: proxy.tcti(),
            state_dir: folder.path().join("state"),
            pcrs: PCRS.to_vec(),
            ak,
            ek: EkKind::Rsa2048,
            max_waiting_nonces: MAX_WAITING_NONCES,
        };
        let tpm = Tpm::open(settings).unwrap();
        Self { tpm, quotes, delay_ms, _software_tpm: software_tpm, folder }
    }

    /// From now on each quote takes so much longer.
    pub(crate) fn slow_down(&self, delay: Duration) {
        self.delay_ms.store(delay.as_millis().try_into().unwrap(), Ordering::Relaxed);
    }

    /// How many quotes the TPM has begun.
    pub(crate) fn quotes(&self) -> u64 {
        self.quotes.load(Ordering::Relaxed)
    }

    pub(crate) fn application_log(&self) -> PathBuf {
        self.folder.path().join("application.log")
    }
}
