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

use blindllama_attest::{digest::Sha256Digest, nonce::NonceProof};
use zeroize::Zeroizing;

use crate::{
    AkKind, Certificate, EkKind, TpmError,
    ak::{self, AttestationKey},
    credential::Credential,
    device::Device,
    ek::EndorsementKey,
    queue::{Queue, queue},
    quote::{PcrSet, Quote, extend},
};

/// Which TPM to use, and how.
#[derive(Debug, Clone)]
pub struct TpmSettings {
    /// The TPM as a TCTI string: `device:/dev/tpmrm0`, or `swtpm:host=127.0.0.1,port=2321` for a software TPM.
    pub tcti: String,
    /// The folder that keeps the attestation key; made if missing.
    pub state_dir: PathBuf,
    /// The PCRs to quote, of the SHA-256 bank.
    pub pcrs: Vec<u8>,
    /// What the attestation key is, or will be where there is none yet.
    pub ak: AkKind,
    /// The endorsement key that credentials are made for.
    pub ek: EkKind,
    /// How many nonces may wait for a quote, 1 to [`blindllama_attest::nonce::MAX_LEAVES`]; whoever comes later is turned away.
    pub max_waiting_nonces: usize,
}

/// A handle to the one thread that talks to the TPM. Clones share it; dropping the last one waits for the thread to
/// unload the attestation key and to release the lock.
#[derive(Clone)]
pub struct Tpm(Arc<Thread>);

struct Thread {
    keys: PublicKeys,
    queue: Option<Queue<Owner>>,
    thread: Option<JoinHandle<()>>,
}

/// What others may know of the TPM's keys.
struct PublicKeys {
    ak_public: Vec<u8>,
    ak_name: Vec<u8>,
    ek_public_key: Vec<u8>,
}

/// What the thread owns.
struct Owner {
    device: Device,
    ak: AttestationKey,
    ek: EndorsementKey,
    pcrs: PcrSet,
    _lock: File,
}

impl Owner {
    fn open(settings: &TpmSettings) -> Result<Self, TpmError> {
        let pcrs = PcrSet::new(settings.pcrs.clone())?;
        // Before the first command: without a resource manager, opening flushes what a running gateway has loaded.
        let lock = lock(&settings.state_dir)?;
        let mut device = Device::open(&settings.tcti)?;
        let parent = EndorsementKey::create(&mut device, ak::PARENT)?;
        let ek = if settings.ek == ak::PARENT { None } else { Some(EndorsementKey::create(&mut device, settings.ek)?) };
        let ak = AttestationKey::load_or_create(&mut device, &parent, settings.ak, &settings.state_dir)?;
        Ok(Self { device, ak, ek: ek.unwrap_or(parent), pcrs, _lock: lock })
    }

    fn quote(&mut self, qualifying_data: Sha256Digest) -> Result<Quote, TpmError> {
        self.pcrs.quote(&mut self.device, &self.ak, qualifying_data)
    }
}

impl Tpm {
    /// Connects to the TPM, loads the attestation key or makes one where there is none, and starts the thread.
    ///
    /// Blocks for as long as the TPM takes: a second with a software TPM, up to half a minute with a slow one.
    ///
    /// # Errors
    /// [`TpmError`] says which step failed. An attestation key that does not load is never replaced.
    pub fn open(settings: TpmSettings) -> Result<Self, TpmError> {
        let mut owner = Owner::open(&settings)?;
        let keys = PublicKeys {
            ak_public: owner.ak.public.clone(),
            ak_name: owner.ak.name.clone(),
            ek_public_key: owner.ek.public_key.clone(),
        };
        let (queue, commands) = queue(settings.max_waiting_nonces);
        // It only ever waits for commands: no I/O, no timers.
        let runtime = tokio::runtime::Builder::new_current_thread().build().map_err(|_| TpmError::Stopped)?;
        let serve = move || runtime.block_on(commands.serve(&mut owner, Owner::quote));
        let thread = std::thread::Builder::new().name("tpm".to_owned()).spawn(serve).map_err(|_| TpmError::Stopped)?;
        Ok(Self(Arc::new(Thread { keys, queue: Some(queue), thread: Some(thread) })))
    }

    /// TPM2B_PUBLIC of the attestation key.
    #[must_use]
    pub fn ak_public(&self) -> &[u8] {
        &self.0.keys.ak_public
    }

    /// The Name of the attestation key: nameAlg, then the digest of its public area (TPM 2.0 Library, Part 1, section 16).
    #[must_use]
    pub fn ak_name(&self) -> &[u8] {
        &self.0.keys.ak_name
    }

    /// The endorsement key itself, to recognise its certificate by: the RSA modulus, or the point's x coordinate.
    #[must_use]
    pub fn ek_public_key(&self) -> &[u8] {
        &self.0.keys.ek_public_key
    }

    /// Quotes the configured PCRs over a nonce's leaf, or over many: all leaves that wait when the TPM becomes free share one
    /// quote, and each gets the proof that it is in there.
    ///
    /// The signed `qualifyingData` is [`blindllama_attest::nonce::qualifying_data`] of the proof's leaf count and root.
    ///
    /// # Errors
    /// [`TpmError::Busy`] if as many wait as may; [`TpmError::Shared`] with the reason if the quote fails.
    pub async fn quote(&self, leaf: Sha256Digest) -> Result<(Arc<Quote>, NonceProof), TpmError> {
        self.queue()?.quote(leaf).await
    }

    /// Opens a credential that was made for this TPM's endorsement key and the attestation key of this Name
    /// (TPM2_ActivateCredential). `id_object` is a TPM2B_ID_OBJECT, `encrypted_secret` a TPM2B_ENCRYPTED_SECRET. Nothing is
    /// remembered.
    ///
    /// # Errors
    /// [`TpmError::ForeignName`] for another key's Name, [`TpmError::CredentialRefused`] if the TPM does not accept it,
    /// [`TpmError::Busy`] if too many wait, [`TpmError::Command`] if the TPM fails.
    pub async fn activate(
        &self,
        ak_name: &[u8],
        id_object: &[u8],
        encrypted_secret: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, TpmError> {
        if ak_name != self.ak_name() {
            return Err(TpmError::ForeignName);
        }
        let credential = Credential::parse(id_object, encrypted_secret).ok_or(TpmError::CredentialRefused)?;
        self.queue()?.call_later(move |owner| credential.activate(&mut owner.device, &owner.ak, &owner.ek)).await
    }

    /// Reads the endorsement key's certificate from the TPM's NVRAM; `None` if its maker left none there.
    ///
    /// # Errors
    /// [`TpmError::MalformedEkCertificate`] if something else is there, [`TpmError::Command`] if the TPM fails.
    ///
    /// # Panics
    /// When called from an async task.
    pub fn read_ek_certificate_blocking(&self) -> Result<Option<Certificate>, TpmError> {
        self.queue()?.call_blocking(|owner| owner.ek.read_certificate(&mut owner.device))
    }

    /// Extends `pcr` of the SHA-256 bank with `digest`.
    ///
    /// # Errors
    /// [`TpmError::Command`] if the TPM fails; whether it extended is then unknown.
    pub async fn extend(&self, pcr: u8, digest: Sha256Digest) -> Result<(), TpmError> {
        self.queue()?.call(move |owner| extend(&mut owner.device, pcr, digest)).await
    }

    /// Reads the configured PCRs.
    ///
    /// # Errors
    /// [`TpmError::Command`] if the TPM fails.
    pub async fn read_pcrs(&self) -> Result<BTreeMap<u8, Sha256Digest>, TpmError> {
        self.queue()?.call(|owner| owner.pcrs.read(&mut owner.device)).await
    }

    /// [`Tpm::extend`] for the start-up path.
    ///
    /// # Errors
    /// As for [`Tpm::extend`].
    ///
    /// # Panics
    /// When called from an async task.
    pub fn extend_blocking(&self, pcr: u8, digest: Sha256Digest) -> Result<(), TpmError> {
        self.queue()?.call_blocking(move |owner| extend(&mut owner.device, pcr, digest))
    }

    /// [`Tpm::read_pcrs`] for the start-up path.
    ///
    /// # Errors
    /// As for [`Tpm::read_pcrs`].
    ///
    /// # Panics
    /// When called from an async task.
    pub fn read_pcrs_blocking(&self) -> Result<BTreeMap<u8, Sha256Digest>, TpmError> {
        self.queue()?.call_blocking(|owner| owner.pcrs.read(&mut owner.device))
    }

    fn queue(&self) -> Result<&Queue<Owner>, TpmError> {
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
