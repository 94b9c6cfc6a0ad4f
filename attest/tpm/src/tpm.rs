//! The handle to the thread that owns the TPM.

use std::{
    collections::BTreeMap,
    fs::{self, DirBuilder, File},
    io,
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    sync::Arc,
    thread::JoinHandle,
};

use blindllama_attest::digest::Sha256Digest;
use tokio::sync::{
    mpsc::{self, error::TrySendError},
    oneshot,
};

use crate::{
    TpmError,
    ak::AttestationKey,
    device::Device,
    quote::{PcrSet, Quote, extend},
};

/// How many commands may wait for the TPM; whoever comes later is turned away.
const QUEUE: usize = 64;

/// Which TPM to use, and how.
#[derive(Debug, Clone)]
pub struct TpmSettings {
    /// The TPM as a TCTI string: `device:/dev/tpmrm0`, or `swtpm:host=127.0.0.1,port=2321` for a software TPM.
    pub tcti: String,
    /// The folder that keeps the attestation key; made if missing.
    pub state_dir: PathBuf,
    /// The PCRs to quote, of the SHA-256 bank.
    pub pcrs: Vec<u8>,
}

/// A handle to the one thread that talks to the TPM. Clones share it; dropping the last one waits for the thread to
/// unload the attestation key and to release the lock.
#[derive(Clone)]
pub struct Tpm(Arc<Thread>);

struct Thread {
    ak_public: Vec<u8>,
    queue: Option<mpsc::Sender<Job>>,
    thread: Option<JoinHandle<()>>,
}

/// What the thread owns.
struct Owner {
    device: Device,
    ak: AttestationKey,
    pcrs: PcrSet,
    _lock: File,
}

type Job = Box<dyn FnOnce(&mut Owner) + Send>;

impl Tpm {
    /// Connects to the TPM, loads the attestation key or makes one where there is none, and starts the thread.
    ///
    /// Blocks for as long as the TPM takes: a second with a software TPM, up to half a minute with a slow one.
    ///
    /// # Errors
    /// [`TpmError`] says which step failed. An attestation key that does not load is never replaced.
    pub fn open(settings: TpmSettings) -> Result<Self, TpmError> {
        let pcrs = PcrSet::new(settings.pcrs)?;
        // Before the first command: without a resource manager, opening flushes what a running gateway has loaded.
        let lock = lock(&settings.state_dir)?;
        let mut device = Device::open(&settings.tcti)?;
        let ak = AttestationKey::load_or_create(&mut device, &settings.state_dir)?;
        let ak_public = ak.public.clone();
        let mut owner = Owner { device, ak, pcrs, _lock: lock };

        let (queue, mut jobs) = mpsc::channel::<Job>(QUEUE);
        let serve = move || {
            while let Some(job) = jobs.blocking_recv() {
                job(&mut owner);
            }
        };
        let thread = std::thread::Builder::new().name("tpm".to_owned()).spawn(serve).map_err(|_| TpmError::Stopped)?;
        Ok(Self(Arc::new(Thread { ak_public, queue: Some(queue), thread: Some(thread) })))
    }

    /// TPM2B_PUBLIC of the attestation key.
    #[must_use]
    pub fn ak_public(&self) -> &[u8] {
        &self.0.ak_public
    }

    /// Quotes the configured PCRs over `qualifying_data`.
    ///
    /// # Errors
    /// [`TpmError::Command`] if the TPM fails, [`TpmError::PcrsChanging`] if quote and values never agree,
    /// [`TpmError::Busy`] if the queue is full: anyone may ask for quotes, and a TPM makes few of them a second.
    pub async fn quote(&self, qualifying_data: Sha256Digest) -> Result<Quote, TpmError> {
        self.call(move |owner| owner.pcrs.quote(&mut owner.device, &owner.ak, qualifying_data)).await
    }

    /// Extends `pcr` of the SHA-256 bank with `digest`.
    ///
    /// # Errors
    /// [`TpmError::Command`] if the TPM fails; whether it extended is then unknown.
    pub async fn extend(&self, pcr: u8, digest: Sha256Digest) -> Result<(), TpmError> {
        self.call(move |owner| extend(&mut owner.device, pcr, digest)).await
    }

    /// Reads the configured PCRs.
    ///
    /// # Errors
    /// [`TpmError::Command`] if the TPM fails.
    pub async fn read_pcrs(&self) -> Result<BTreeMap<u8, Sha256Digest>, TpmError> {
        self.call(|owner| owner.pcrs.read(&mut owner.device)).await
    }

    /// [`Tpm::extend`] for the start-up path.
    ///
    /// # Errors
    /// As for [`Tpm::extend`].
    ///
    /// # Panics
    /// When called from an async task.
    pub fn extend_blocking(&self, pcr: u8, digest: Sha256Digest) -> Result<(), TpmError> {
        self.call_blocking(move |owner| extend(&mut owner.device, pcr, digest))
    }

    /// [`Tpm::read_pcrs`] for the start-up path.
    ///
    /// # Errors
    /// As for [`Tpm::read_pcrs`].
    ///
    /// # Panics
    /// When called from an async task.
    pub fn read_pcrs_blocking(&self) -> Result<BTreeMap<u8, Sha256Digest>, TpmError> {
        self.call_blocking(|owner| owner.pcrs.read(&mut owner.device))
    }

    async fn call<T, F>(&self, work: F) -> Result<T, TpmError>
    where
        T: Send + 'static,
        F: FnOnce(&mut Owner) -> Result<T, TpmError> + Send + 'static,
    {
        let (job, answer) = job(work);
        self.queue()?.try_send(job).map_err(|error| match error {
            TrySendError::Full(_) => TpmError::Busy,
            TrySendError::Closed(_) => TpmError::Stopped,
        })?;
        answer.await.map_err(|_| TpmError::Stopped)?
    }

    fn call_blocking<T, F>(&self, work: F) -> Result<T, TpmError>
    where
        T: Send + 'static,
        F: FnOnce(&mut Owner) -> Result<T, TpmError> + Send + 'static,
    {
        let (job, answer) = job(work);
        self.queue()?.blocking_send(job).map_err(|_| TpmError::Stopped)?;
        answer.blocking_recv().map_err(|_| TpmError::Stopped)?
    }

    fn queue(&self) -> Result<&mpsc::Sender<Job>, TpmError> {
        self.0.queue.as_ref().ok_or(TpmError::Stopped)
    }
}

impl Drop for Thread {
    fn drop(&mut self) {
        drop(self.queue.take());
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the thread that owned the TPM had panicked");
        }
    }
}

/// Work that waits in the queue, and where its answer comes out. Work that nobody waits for any more is not begun.
fn job<T, F>(work: F) -> (Job, oneshot::Receiver<Result<T, TpmError>>)
where
    T: Send + 'static,
    F: FnOnce(&mut Owner) -> Result<T, TpmError> + Send + 'static,
{
    let (sender, receiver) = oneshot::channel();
    let job = Box::new(move |owner: &mut Owner| {
        if !sender.is_closed() {
            drop(sender.send(work(owner)));
        }
    });
    (job, receiver)
}

/// Makes the state folder ours alone, for as long as the file stays open.
fn lock(state_dir: &Path) -> Result<File, TpmError> {
    let path = state_dir.join("lock");
    let unusable = |source: io::Error| TpmError::StateFile { path: path.clone(), source };
    DirBuilder::new().recursive(true).mode(0o700).create(state_dir).map_err(unusable)?;
    let file = File::options().write(true).create(true).truncate(false).mode(0o600).open(&path).map_err(unusable)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(fs::TryLockError::WouldBlock) => Err(TpmError::InUse { lock: path }),
        Err(fs::TryLockError::Error(source)) => Err(unusable(source)),
    }
}

#[cfg(test)]
mod tests {
    use super::lock;
    use crate::TpmError;

    #[test]
    fn a_state_folder_serves_one_process() {
        let folder = tempfile::tempdir().expect("a folder");
        let state = folder.path().join("not/yet/there");
        let held = lock(&state).expect("is free");
        let error = lock(&state).expect_err("is held");
        assert!(matches!(error, TpmError::InUse { .. }), "{error:?}");
        drop(held);
        lock(&state).expect("is free again");
    }
}
