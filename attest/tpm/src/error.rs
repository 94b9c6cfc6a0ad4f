//! What can go wrong with a TPM, for the person who has to put it right.

use std::{io, path::PathBuf, sync::Arc};

use crate::AkKind;

/// A TPM, or the key that we keep in it, could not be used.
#[derive(Debug, thiserror::Error)]
pub enum TpmError {
    /// The TCTI string is in no known form.
    #[error(
        "{tcti:?} names no TPM: write \"device:/dev/tpmrm0\" for a TPM of this machine or \
         \"swtpm:host=127.0.0.1,port=2321\" for a software TPM"
    )]
    UnknownTcti {
        /// The string as configured.
        tcti: String,
        /// Why it was refused.
        source: tss_esapi::Error,
    },
    /// Nothing answers there.
    #[error("cannot reach a TPM at {tcti:?}: is swtpm running, or may this user open the device?")]
    Unreachable {
        /// The string as configured.
        tcti: String,
        /// What the TCTI library says.
        source: tss_esapi::Error,
    },
    /// The TPM refused a command, or the connection broke during it.
    #[error("{command} failed at the TPM {tcti:?}: {source} (if the TPM was restarted, restart the gateway)")]
    Command {
        /// The string as configured.
        tcti: String,
        /// The command, as the TPM 2.0 Library, Part 3, calls it.
        command: &'static str,
        /// What the TPM or the TSS library says.
        source: tss_esapi::Error,
    },
    /// The list of PCRs cannot be quoted.
    #[error("PCR list {pcrs:?}: give at least one index, each between 0 and 23")]
    InvalidPcrs {
        /// The list as configured.
        pcrs: Vec<u8>,
    },
    /// The TPM gave fewer values than asked for.
    #[error("the TPM {tcti:?} has no values for some of PCRs {pcrs:?}: is its SHA-256 bank active?")]
    MissingPcrs {
        /// The string as configured.
        tcti: String,
        /// The indexes of the incomplete read.
        pcrs: Vec<u8>,
    },
    /// No quote matched the PCR values read after it.
    #[error("the PCRs changed during each of {attempts} quotes: something else extends them all the time")]
    PcrsChanging {
        /// Number of quotes tried.
        attempts: usize,
    },
    /// Another process holds the state folder.
    #[error("another gateway is running with this TPM's state ({lock:?})")]
    InUse {
        /// The lock file.
        lock: PathBuf,
    },
    /// A file of the state folder cannot be read or written.
    #[error("cannot use {path:?}: {source}")]
    StateFile {
        /// The file or folder.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// One file of the attestation key is there without the other.
    #[error("{present:?} is there but {missing:?} is not: restore it, or remove {present:?} to get a new attestation key")]
    IncompleteAk {
        /// The file found.
        present: PathBuf,
        /// The file that belongs to it.
        missing: PathBuf,
    },
    /// A file of the attestation key is damaged.
    #[error("{path:?} holds no {expected}: restore it, or remove both files of the attestation key to get a new one")]
    MalformedAk {
        /// The file.
        path: PathBuf,
        /// The structure it should hold.
        expected: &'static str,
    },
    /// The attestation key was made by another TPM, or by this one before it was cleared.
    #[error(
        "the attestation key in {public:?} does not belong to the TPM {tcti:?}: it was made by another TPM, or this one was \
         cleared. Remove {public:?} and {private:?} to get a new key; policies that pin the old one will then refuse this server"
    )]
    ForeignAk {
        /// The string as configured.
        tcti: String,
        /// The public part.
        public: PathBuf,
        /// The private part.
        private: PathBuf,
    },
    /// The stored attestation key is of another kind than is configured.
    #[error(
        "the attestation key in {public:?} is {found}, the configuration wants {configured}: set [tpm] ak to what the key is, \
         or remove {public:?} and {private:?} to get a new key; policies that pin the old one will then refuse this server"
    )]
    OtherAk {
        /// The kind as configured.
        configured: AkKind,
        /// What the stored key is.
        found: String,
        /// The public part.
        public: PathBuf,
        /// The private part.
        private: PathBuf,
    },
    /// The NV index for an EK certificate holds something else.
    #[error(
        "NV index {index:#010x} of the TPM {tcti:?} holds no DER certificate: name the endorsement key's certificate \
         in [tpm] ek_certificates"
    )]
    MalformedEkCertificate {
        /// The string as configured.
        tcti: String,
        /// The NV index.
        index: u32,
    },
    /// A credential was made for another attestation key than ours.
    #[error("the credential is for another attestation key than this TPM's")]
    ForeignName,
    /// A credential is malformed, or the TPM does not accept it.
    #[error("the TPM refuses the credential: it was made for another endorsement or attestation key, or is damaged")]
    CredentialRefused,
    /// A quote that many waited for has failed.
    #[error(transparent)]
    Shared(Arc<TpmError>),
    /// The queue is full.
    #[error("too many commands wait for the TPM: try again in a moment")]
    Busy,
    /// The TPM's thread has ended.
    #[error("the thread that owns the TPM has ended: restart the gateway")]
    Stopped,
}
