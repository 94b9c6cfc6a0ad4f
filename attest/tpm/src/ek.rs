//! The endorsement key (EK): the key that the TPM's maker certifies. The TPM derives it anew from its endorsement seed.

use tss_esapi::{
    abstraction::{AsymmetricAlgorithmSelection, ek},
    handles::KeyHandle,
    interface_types::{ecc::EccCurve, key_bits::RsaKeyBits, session_handles::AuthSession},
    structures::Public,
    utils::TpmsContext,
};

use crate::{Certificate, TpmError, certificate::Padding, device::Device};

/// A template of the TCG EK Credential Profile for TPM Family 2.0, version 2.6, appendix B.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum EkKind {
    /// L-1: RSA-2048, the one that nearly every TPM has a certificate for.
    #[default]
    Rsa2048,
    /// L-2: NIST P-256.
    EccP256,
    /// H-3: NIST P-384, with SHA-384 and AES-256.
    EccP384,
}

impl EkKind {
    const fn template(self) -> AsymmetricAlgorithmSelection {
        match self {
            Self::Rsa2048 => AsymmetricAlgorithmSelection::Rsa(RsaKeyBits::Rsa2048),
            Self::EccP256 => AsymmetricAlgorithmSelection::Ecc(EccCurve::NistP256),
            Self::EccP384 => AsymmetricAlgorithmSelection::Ecc(EccCurve::NistP384),
        }
    }

    /// The NV index of the certificate of just this template's key (sections 2.2.1.4 and 2.2.1.5).
    ///
    /// RSA-2048 and P-256 have further indexes in the high range (0x01c00012, 0x01c00014): those certify other keys, of the
    /// templates H-1 and H-2.
    pub(crate) const fn certificate_index(self) -> u32 {
        match self {
            Self::Rsa2048 => 0x01c0_0002,
            Self::EccP256 => 0x01c0_000a,
            Self::EccP384 => 0x01c0_0016,
        }
    }

    /// Whether the key can be used by satisfying its policy alone: so in the low range, whose userWithAuth is clear. In the
    /// high range the empty password does, too.
    pub(crate) const fn needs_policy(self) -> bool {
        matches!(self, Self::Rsa2048 | Self::EccP256)
    }
}

/// An EK, kept as a saved context.
///
/// It fills one of the TPM's few slots only while it is used. And the kernel's resource manager, which swaps all loaded
/// objects of a process in and out around each command, has one less to swap around each quote. Making it again for each use
/// would take a slow TPM half a minute.
pub(crate) struct EndorsementKey {
    pub(crate) kind: EkKind,
    /// RSA modulus, or x coordinate.
    pub(crate) public_key: Vec<u8>,
    context: TpmsContext,
}

impl EndorsementKey {
    /// Makes the EK.
    pub(crate) fn create(device: &mut Device, kind: EkKind) -> Result<Self, TpmError> {
        let handle = device.run("TPM2_CreatePrimary", |context| ek::create_ek_object_2(context, kind.template(), None))?;
        let saved = device.run("TPM2_ContextSave", |context| {
            let (public, _, _) = context.read_public(handle)?;
            Ok((public, context.context_save(handle.into())?))
        });
        device.run("TPM2_FlushContext", |context| context.flush_context(handle.into()))?;
        let (public, context) = saved?;
        Ok(Self { kind, public_key: public_key(&public), context })
    }

    /// Loads the EK for as long as `work` takes.
    pub(crate) fn with_loaded<T>(
        &self,
        device: &mut Device,
        work: impl FnOnce(&mut Device, KeyHandle) -> Result<T, TpmError>,
    ) -> Result<T, TpmError> {
        let handle = device.run("TPM2_ContextLoad", |context| context.context_load(self.context.clone()))?;
        let outcome = work(device, handle.into());
        let flushed = device.run("TPM2_FlushContext", |context| context.flush_context(handle));
        outcome.and_then(|value| flushed.map(|()| value))
    }

    /// Reads the certificate that the TPM's maker left in NVRAM; some leave none.
    pub(crate) fn read_certificate(&self, device: &mut Device) -> Result<Option<Certificate>, TpmError> {
        let index = self.kind.certificate_index();
        if device.handles_from(index)?.first().is_none_or(|handle| u32::from(*handle) != index) {
            return Ok(None);
        }
        let content = device.run("TPM2_NV_Read", |context| ek::retrieve_ek_pubcert(context, self.kind.template()))?;
        let certificate = Certificate::parse(content, Padding::Allowed);
        certificate.map(Some).ok_or_else(|| TpmError::MalformedEkCertificate { tcti: device.tcti().to_owned(), index })
    }
}

fn public_key(public: &Public) -> Vec<u8> {
    match public {
        Public::Rsa { unique, .. } => unique.value().to_vec(),
        Public::Ecc { unique, .. } => unique.x().value().to_vec(),
        Public::KeyedHash { .. } | Public::SymCipher { .. } => Vec::new(),
    }
}

/// The empty password of the endorsement hierarchy, of high-range EKs and of our AK.
pub(crate) const EMPTY_PASSWORD: Option<AuthSession> = Some(AuthSession::Password);
