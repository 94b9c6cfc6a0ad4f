//! The attestation key (AK): a restricted signing key that this TPM made under its endorsement key (EK) and cannot give away.

mod files;
mod kind;

use std::path::Path;

pub use kind::AkKind;
use tss_esapi::{
    Context,
    abstraction::{KeyCustomization, ak},
    attributes::ObjectAttributesBuilder,
    constants::Tss2ResponseCodeKind,
    handles::KeyHandle,
};

use crate::{
    TpmError,
    device::Device,
    ek::{EkKind, EndorsementKey},
};
use files::{KeyBlobs, KeyFiles};

/// The EK under which AKs are made. It is the same whichever EK is used for activation, so that the key outlives a change of
/// that setting.
pub(crate) const PARENT: EkKind = EkKind::Rsa2048;

/// The loaded AK.
pub(crate) struct AttestationKey {
    /// Where the TPM has it loaded.
    pub(crate) handle: KeyHandle,
    /// What it signs with.
    pub(crate) kind: AkKind,
    /// Its TPM2B_PUBLIC.
    pub(crate) public: Vec<u8>,
    /// Its Name (TPM 2.0 Library, Part 1, section 16): nameAlg and digest.
    pub(crate) name: Vec<u8>,
}

impl AttestationKey {
    /// Loads the AK kept in `folder`; makes one of this kind if there is none.
    ///
    /// A key that does not load, or is of another kind, is an error and never replaced in silence: verifiers pin it.
    pub(crate) fn load_or_create(
        device: &mut Device,
        parent: &EndorsementKey,
        kind: AkKind,
        folder: &Path,
    ) -> Result<Self, TpmError> {
        let files = KeyFiles::in_folder(folder);
        let stored = files.read()?;
        if let Some(blobs) = &stored {
            check_kind(kind, blobs, &files)?;
        }
        parent.with_loaded(device, |device, parent| {
            let blobs = stored.map_or_else(|| create(device, parent, kind, &files), Ok)?;
            load(device, parent, kind, blobs, &files)
        })
    }
}

fn check_kind(configured: AkKind, blobs: &KeyBlobs, files: &KeyFiles) -> Result<(), TpmError> {
    let found = AkKind::of(&blobs.public);
    if found == Some(configured) {
        return Ok(());
    }
    let found = found.map_or_else(|| "of a kind that the gateway does not make".to_owned(), |kind| kind.to_string());
    Err(TpmError::OtherAk { configured, found, public: files.public.clone(), private: files.private.clone() })
}

/// The AK's authorisation value is empty, as is that of the endorsement hierarchy: what guards the key is that only this
/// TPM can load it and that, being restricted, it signs nothing but what the TPM itself states. A password would have to lie
/// beside the blobs, and so would keep nobody out.
///
/// With an empty value there is nothing to guess, so the key is exempt from the lockout against guessing; otherwise three
/// power cuts in a row would lock it (TPM 2.0 Library, Part 1, section 19.8).
#[derive(Clone, Copy)]
struct ExemptFromLockout;

impl KeyCustomization for ExemptFromLockout {
    fn attributes(&self, attributes: ObjectAttributesBuilder) -> ObjectAttributesBuilder {
        attributes.with_no_da(true)
    }
}

fn create(device: &mut Device, parent: KeyHandle, kind: AkKind, files: &KeyFiles) -> Result<KeyBlobs, TpmError> {
    let (hash, key, scheme) = (kind.hashing_algorithm(), kind.key(), kind.scheme());
    let create = |context: &mut Context| ak::create_ak_2(context, parent, hash, key, scheme, None, ExemptFromLockout);
    let created = device.run("TPM2_Create", create)?;
    let blobs = device.run("TPM2_Create", |_| KeyBlobs::new(created.out_public, created.out_private))?;
    files.write(&blobs)?;
    tracing::info!(%kind, "made a new attestation key");
    Ok(blobs)
}

fn load(
    device: &mut Device,
    parent: KeyHandle,
    kind: AkKind,
    blobs: KeyBlobs,
    files: &KeyFiles,
) -> Result<AttestationKey, TpmError> {
    let KeyBlobs { public, public_bytes, private } = blobs;
    match device.run("TPM2_Load", |context| ak::load_ak(context, parent, None, private, public)) {
        Ok(handle) => {
            let name = device.run("TPM2_ReadPublic", |context| context.tr_get_name(handle.into()))?;
            Ok(AttestationKey { handle, kind, public: public_bytes, name: name.value().to_vec() })
        }
        Err(TpmError::Command { source, .. }) if was_wrapped_by_another(source) => Err(TpmError::ForeignAk {
            tcti: device.tcti().to_owned(),
            public: files.public.clone(),
            private: files.private.clone(),
        }),
        Err(error) => Err(error),
    }
}

/// What TPM2_Load answers when the blob's integrity value is not one of this parent, or its two halves differ.
fn was_wrapped_by_another(error: tss_esapi::Error) -> bool {
    let tss_esapi::Error::Tss2Error(code) = error else { return false };
    matches!(code.kind(), Some(Tss2ResponseCodeKind::Integrity | Tss2ResponseCodeKind::Binding))
}
