//! TPM2_ActivateCredential: proof that the attestation key lives in the TPM whose endorsement key a certificate names.

use tss_esapi::{
    Context,
    attributes::SessionAttributesBuilder,
    constants::{SessionType, Tss2ResponseCodeKind},
    handles::{AuthHandle, KeyHandle, SessionHandle},
    interface_types::{
        algorithm::HashingAlgorithm,
        session_handles::{AuthSession, PolicySession},
    },
    structures::{Digest, EncryptedSecret, IdObject, SymmetricDefinition},
};
use zeroize::Zeroizing;

use crate::{
    TpmError,
    ak::AttestationKey,
    device::Device,
    ek::{EMPTY_PASSWORD, EndorsementKey},
};

/// What a verifier's TPM2_MakeCredential gave.
pub(crate) struct Credential {
    id_object: IdObject,
    secret: EncryptedSecret,
}

impl Credential {
    /// Reads TPM2B_ID_OBJECT and TPM2B_ENCRYPTED_SECRET (TPM 2.0 Library, Part 2, sections 12.4.3 and 11.4.3).
    pub(crate) fn parse(id_object: &[u8], encrypted_secret: &[u8]) -> Option<Self> {
        let id_object = IdObject::try_from(tpm2b(id_object)?).ok()?;
        let secret = EncryptedSecret::try_from(tpm2b(encrypted_secret)?).ok()?;
        Some(Self { id_object, secret })
    }

    /// Lets the TPM open the credential: it does so only if both keys are its own, and the credential is for this AK.
    pub(crate) fn activate(
        self,
        device: &mut Device,
        ak: &AttestationKey,
        ek: &EndorsementKey,
    ) -> Result<Zeroizing<Vec<u8>>, TpmError> {
        let secret = ek.with_loaded(device, |device, handle| {
            if !ek.kind.needs_policy() {
                return self.open(device, ak, handle, EMPTY_PASSWORD);
            }
            let session = policy_session(device)?;
            let opened = satisfy(device, session).and_then(|()| self.open(device, ak, handle, Some(session)));
            device.run("TPM2_FlushContext", |context| context.flush_context(SessionHandle::from(session).into()))?;
            opened
        })?;
        Ok(Zeroizing::new(secret.value().to_vec()))
    }

    fn open(
        self,
        device: &mut Device,
        ak: &AttestationKey,
        ek: KeyHandle,
        ek_session: Option<AuthSession>,
    ) -> Result<Digest, TpmError> {
        let activate = |context: &mut Context| context.activate_credential(ak.handle, ek, self.id_object, self.secret);
        let sessions = (EMPTY_PASSWORD, ek_session, None);
        match device.run("TPM2_ActivateCredential", |context| context.execute_with_sessions(sessions, activate)) {
            Err(TpmError::Command { source, .. }) if is_refusal(source) => Err(TpmError::CredentialRefused),
            outcome => outcome,
        }
    }
}

/// The structure inside a TPM2B: exactly as many bytes as its size says.
fn tpm2b(bytes: &[u8]) -> Option<&[u8]> {
    let (size, content) = bytes.split_first_chunk::<2>()?;
    (usize::from(u16::from_be_bytes(*size)) == content.len()).then_some(content)
}

/// A policy session in which nothing is asserted yet.
fn policy_session(device: &mut Device) -> Result<AuthSession, TpmError> {
    let (symmetric, hash) = (SymmetricDefinition::AES_128_CFB, HashingAlgorithm::Sha256);
    let started = device.run("TPM2_StartAuthSession", |context| {
        let session = context.start_auth_session(None, None, None, SessionType::Policy, symmetric, hash)?;
        if let Some(session) = session {
            // It goes on after a command that fails, and after one that succeeds: it is we who flush it.
            let (attributes, mask) = SessionAttributesBuilder::new().with_continue_session(true).build();
            context.tr_sess_set_attributes(session, attributes, mask)?;
        }
        Ok(session)
    })?;
    // The library answers None only where it was asked for no session.
    started.ok_or(TpmError::Stopped)
}

/// PolicyA of the EK Credential Profile (section B.6.2): whoever may use the endorsement hierarchy may use the EK.
fn satisfy(device: &mut Device, session: AuthSession) -> Result<(), TpmError> {
    device.run("TPM2_PolicySecret", |context| {
        let policy = PolicySession::try_from(session)?;
        context.execute_with_session(EMPTY_PASSWORD, |context| {
            let (nonce, cp_hash, reference) = Default::default();
            context.policy_secret(policy, AuthHandle::Endorsement, nonce, cp_hash, reference, None).map(drop)
        })
    })
}

/// Whether the TPM understood the command and did not accept the credential, rather than failed.
///
/// libtpms answers TPM_RC_FAILURE, too, where RSA-OAEP does not decrypt. A TPM in failure mode, for which that code is meant,
/// would have refused the commands before this one, and refuses the flush after it.
fn is_refusal(error: tss_esapi::Error) -> bool {
    use Tss2ResponseCodeKind as Kind;
    let tss_esapi::Error::Tss2Error(code) = error else { return false };
    let refusals = [
        Kind::Failure,
        Kind::Integrity,
        Kind::Value,
        Kind::Size,
        Kind::Insufficient,
        Kind::Range,
        Kind::EccPoint,
        Kind::Curve,
        Kind::Binding,
    ];
    code.kind().is_some_and(|kind| refusals.contains(&kind))
}

#[cfg(test)]
mod tests {
    use super::Credential;

    #[test]
    fn only_exact_structures_are_credentials() {
        let whole = [&[0, 50][..], &[7; 50]].concat();
        assert!(Credential::parse(&whole, &whole).is_some());
        let too_large = [&[0x02, 0x00][..], &[7; 0x200]].concat();
        for wrong in [&[][..], &[0], &whole[..51], &[&whole[..], &[0]].concat(), &[0xff; 52], &too_large] {
            assert!(Credential::parse(wrong, &whole).is_none(), "{wrong:02x?}");
        }
        assert!(Credential::parse(&whole, &whole[..51]).is_none());
        let too_large = [&[0x10, 0x00][..], &[7; 0x1000]].concat();
        assert!(Credential::parse(&whole, &too_large).is_none());
    }
}
