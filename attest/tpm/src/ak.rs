//! The attestation key (AK): a restricted signing key that this TPM made under its endorsement key (EK) and cannot give away.

mod files;

use std::path::Path;

use tss_esapi::{
    Context,
    abstraction::{AsymmetricAlgorithmSelection, KeyCustomization, ak, ek},
    attributes::ObjectAttributesBuilder,
    constants::Tss2ResponseCodeKind,
    handles::KeyHandle,
    interface_types::{
        algorithm::{HashingAlgorithm, SignatureSchemeAlgorithm},
        ecc::EccCurve,
        key_bits::RsaKeyBits,
    },
};

use crate::{TpmError, device::Device};
use files::{KeyBlobs, KeyFiles};

/// The template L-1 of the TCG EK Credential Profile: the key that the EK certificate of nearly every TPM certifies.
const EK: AsymmetricAlgorithmSelection = AsymmetricAlgorithmSelection::Rsa(RsaKeyBits::Rsa2048);

/// The loaded AK: ECDSA over P-256 with SHA-256.
pub(crate) struct AttestationKey {
    /// Where the TPM has it loaded.
    pub(crate) handle: KeyHandle,
    /// Its TPM2B_PUBLIC.
    pub(crate) public: Vec<u8>,
}

impl AttestationKey {
    /// Loads the AK kept in `folder`; makes one if there is none.
    ///
    /// A key that does not load is an error and never replaced in silence: verifiers pin it.
    pub(crate) fn load_or_create(device: &mut Device, folder: &Path) -> Result<Self, TpmError> {
        let files = KeyFiles::in_folder(folder);
        let ek = device.run("TPM2_CreatePrimary", |context| ek::create_ek_object_2(context, EK, None))?;
        let key = match files.read() {
            Ok(Some(blobs)) => load(device, ek, blobs, &files),
            Ok(None) => create(device, ek, &files).and_then(|blobs| load(device, ek, blobs, &files)),
            Err(error) => Err(error),
        };
        device.run("TPM2_FlushContext", |context| context.flush_context(ek.into()))?;
        key
    }
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

fn create(device: &mut Device, ek: KeyHandle, files: &KeyFiles) -> Result<KeyBlobs, TpmError> {
    let create = |context: &mut Context| {
        let curve = AsymmetricAlgorithmSelection::Ecc(EccCurve::NistP256);
        let scheme = SignatureSchemeAlgorithm::EcDsa;
        ak::create_ak_2(context, ek, HashingAlgorithm::Sha256, curve, scheme, None, ExemptFromLockout)
    };
    let created = device.run("TPM2_Create", create)?;
    let blobs = device.run("TPM2_Create", |_| KeyBlobs::new(created.out_public, created.out_private))?;
    files.write(&blobs)?;
    tracing::info!("made a new attestation key");
    Ok(blobs)
}

fn load(device: &mut Device, ek: KeyHandle, blobs: KeyBlobs, files: &KeyFiles) -> Result<AttestationKey, TpmError> {
    let KeyBlobs { public, public_bytes, private } = blobs;
    match device.run("TPM2_Load", |context| ak::load_ak(context, ek, None, private, public)) {
        Ok(handle) => Ok(AttestationKey { handle, public: public_bytes }),
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
