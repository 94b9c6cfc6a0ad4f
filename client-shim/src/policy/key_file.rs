//! Keys of policies, from files and from the command line.

use std::{
    fs::File,
    io::{self, Read as _},
    os::unix::fs::PermissionsExt as _,
    path::Path,
};

use blindllama_attest::policy::{InvalidPolicyKey, PolicyKey, PolicySigningKey};
use zeroize::Zeroizing;

use super::file::read_at_most;

/// Keys are a few hundred bytes.
const MAX_KEY_BYTES: usize = 4096;
/// Everybody but the owner.
const GROUP_AND_WORLD: u32 = 0o077;

/// The key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// The file cannot be read.
    #[error("{0}")]
    Unreadable(#[from] io::Error),
    /// Others on this machine could sign with it.
    #[error("its mode is {mode:04o}, so others than you can use it: chmod 600 it, and consider whether somebody did")]
    NotPrivate {
        /// The file's permission bits.
        mode: u32,
    },
    /// The file holds something else.
    #[error(transparent)]
    Invalid(#[from] InvalidPolicyKey),
}

/// The public key that `given` is, in base64, or that the file of that name holds.
///
/// # Errors
/// [`KeyFileError`].
pub fn public_key(given: &str) -> Result<PolicyKey, KeyFileError> {
    if let Ok(key) = PolicyKey::parse(given) {
        return Ok(key);
    }
    let bytes = read_at_most(Path::new(given), MAX_KEY_BYTES as u64)?;
    let text = std::str::from_utf8(&bytes).map_err(|_| InvalidPolicyKey::NotPublic)?;
    Ok(PolicyKey::parse(text)?)
}

/// The private key in a file that its owner alone may read.
///
/// # Errors
/// [`KeyFileError`].
pub fn signing_key(path: &Path) -> Result<PolicySigningKey, KeyFileError> {
    let mut file = File::open(path)?;
    // Of the open file: what the name stands for could change.
    let mode = file.metadata()?.permissions().mode() & 0o7777;
    if mode & GROUP_AND_WORLD != 0 {
        return Err(KeyFileError::NotPrivate { mode });
    }
    // All the room it may need from the start: growing would leave copies behind that nobody wipes.
    let mut bytes = Zeroizing::new(vec![0; MAX_KEY_BYTES]);
    let length = read_up_to(&mut file, &mut bytes)?;
    let text = bytes.get(..length).and_then(|bytes| std::str::from_utf8(bytes).ok()).ok_or(InvalidPolicyKey::NotPrivate)?;
    Ok(PolicySigningKey::from_pkcs8_pem(text)?)
}

/// Fills `buffer` up to the end of the file, or entirely.
fn read_up_to(file: &mut File, buffer: &mut [u8]) -> io::Result<usize> {
    let mut length = 0;
    while let Some(rest) = buffer.get_mut(length..).filter(|rest| !rest.is_empty()) {
        match file.read(rest)? {
            0 => break,
            more => length += more,
        }
    }
    Ok(length)
}
