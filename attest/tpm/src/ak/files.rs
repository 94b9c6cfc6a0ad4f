//! The two files that keep the attestation key between starts.

use std::{
    fs::{self, File},
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use tss_esapi::{
    structures::{Private, Public, PublicBuffer},
    traits::{Marshall as _, UnMarshall as _},
};

use crate::TpmError;

/// The key as the TPM hands it out: of use to no TPM but the one that made it.
#[derive(Debug)]
pub(super) struct KeyBlobs {
    pub(super) public: Public,
    /// `public` as TPM2B_PUBLIC.
    pub(super) public_bytes: Vec<u8>,
    pub(super) private: Private,
}

impl KeyBlobs {
    pub(super) fn new(public: Public, private: Private) -> tss_esapi::Result<Self> {
        let public_bytes = PublicBuffer::try_from(public.clone())?.marshall()?;
        Ok(Self { public, public_bytes, private })
    }

    fn parse_public(bytes: &[u8]) -> Option<Public> {
        let buffer = PublicBuffer::unmarshall(bytes).ok()?;
        let public = Public::try_from(buffer.clone()).ok()?;
        // Unmarshalling ignores what follows the structure; writing it again shows whether anything did.
        (buffer.marshall().ok()? == bytes).then_some(public)
    }

    fn parse_private(bytes: &[u8]) -> Option<Private> {
        let (length, content) = bytes.split_first_chunk::<2>()?;
        (usize::from(u16::from_be_bytes(*length)) == content.len()).then(|| Private::try_from(content).ok())?
    }

    /// TPM2B_PRIVATE; the length always fits, since the TPM gave it in 16 bits.
    #[allow(clippy::cast_possible_truncation)]
    fn private_bytes(&self) -> Vec<u8> {
        let content = self.private.value();
        [&(content.len() as u16).to_be_bytes()[..], content].concat()
    }
}

/// `ak.public` (TPM2B_PUBLIC) and `ak.private` (TPM2B_PRIVATE), the form that tpm2-tools reads and writes too.
pub(super) struct KeyFiles {
    folder: PathBuf,
    pub(super) public: PathBuf,
    pub(super) private: PathBuf,
}

impl KeyFiles {
    pub(super) fn in_folder(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), public: folder.join("ak.public"), private: folder.join("ak.private") }
    }

    /// The key, or `None` if neither file is there.
    pub(super) fn read(&self) -> Result<Option<KeyBlobs>, TpmError> {
        let (public_bytes, private_bytes) = match (read_file(&self.public)?, read_file(&self.private)?) {
            (None, None) => return Ok(None),
            (Some(public), Some(private)) => (public, private),
            (Some(_), None) => return Err(incomplete(&self.public, &self.private)),
            (None, Some(_)) => return Err(incomplete(&self.private, &self.public)),
        };
        let malformed = |path: &Path, expected| TpmError::MalformedAk { path: path.to_owned(), expected };
        let public = KeyBlobs::parse_public(&public_bytes).ok_or_else(|| malformed(&self.public, "TPM2B_PUBLIC"))?;
        let private = KeyBlobs::parse_private(&private_bytes).ok_or_else(|| malformed(&self.private, "TPM2B_PRIVATE"))?;
        Ok(Some(KeyBlobs { public, public_bytes, private }))
    }

    pub(super) fn write(&self, blobs: &KeyBlobs) -> Result<(), TpmError> {
        self.write_file(&self.private, &blobs.private_bytes())?;
        self.write_file(&self.public, &blobs.public_bytes)
    }

    /// Writes the whole file or nothing, whenever the machine stops.
    fn write_file(&self, path: &Path, bytes: &[u8]) -> Result<(), TpmError> {
        let replace = || -> io::Result<()> {
            let new = path.with_extension("new");
            let mut file = File::options().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
            file.write_all(bytes)?;
            file.sync_all()?;
            fs::rename(&new, path)?;
            File::open(&self.folder)?.sync_all()
        };
        replace().map_err(|source| TpmError::StateFile { path: path.to_owned(), source })
    }
}

fn incomplete(present: &Path, missing: &Path) -> TpmError {
    TpmError::IncompleteAk { present: present.to_owned(), missing: missing.to_owned() }
}

fn read_file(path: &Path) -> Result<Option<Vec<u8>>, TpmError> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(TpmError::StateFile { path: path.to_owned(), source }),
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt as _};

    use tss_esapi::{
        abstraction::{AsymmetricAlgorithmSelection, ek},
        interface_types::ecc::EccCurve,
        structures::Private,
    };

    use super::{KeyBlobs, KeyFiles};
    use crate::TpmError;

    fn blobs() -> KeyBlobs {
        let curve = AsymmetricAlgorithmSelection::Ecc(EccCurve::NistP256);
        let public = ek::create_ek_public_from_default_template_2(curve, None).expect("a template");
        KeyBlobs::new(public, Private::try_from(vec![7; 126]).expect("fits")).expect("marshals")
    }

    fn written() -> (tempfile::TempDir, KeyFiles) {
        let folder = tempfile::tempdir().expect("a folder");
        let files = KeyFiles::in_folder(folder.path());
        files.write(&blobs()).expect("writes");
        (folder, files)
    }

    #[test]
    fn blobs_come_back_as_they_were() {
        let (_folder, files) = written();
        let read = files.read().expect("reads").expect("is there");
        assert_eq!(read.public_bytes, blobs().public_bytes);
        assert_eq!(read.private, blobs().private);
        for path in [&files.public, &files.private] {
            assert_eq!(fs::metadata(path).expect("is there").permissions().mode() & 0o777, 0o600);
        }
    }

    #[test]
    fn half_a_key_is_refused() {
        let (_folder, files) = written();
        fs::remove_file(&files.private).expect("removes");
        let error = files.read().expect_err("refused");
        assert!(matches!(&error, TpmError::IncompleteAk { missing, .. } if *missing == files.private), "{error:?}");
    }

    #[test]
    fn appended_and_missing_bytes_are_refused() {
        for change in [|bytes: &mut Vec<u8>| bytes.push(0), |bytes: &mut Vec<u8>| bytes.truncate(bytes.len() - 1)] {
            for public in [true, false] {
                let (_folder, files) = written();
                let path = if public { &files.public } else { &files.private };
                let mut bytes = fs::read(path).expect("reads");
                change(&mut bytes);
                fs::write(path, bytes).expect("writes");
                let error = files.read().expect_err("refused");
                assert!(matches!(&error, TpmError::MalformedAk { path: named, .. } if named == path), "{error:?}");
            }
        }
    }
}
