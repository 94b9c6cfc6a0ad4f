//! The seed of a credential, and its way to the endorsement key (TPM 2.0 Library, Part 1, sections B.10.4 and C.6.4).

use p256::elliptic_curve::sec1::ToSec1Point as _;
use rsa::{
    Oaep, RsaPublicKey,
    rand_core::{TryCryptoRng, TryRng},
    traits::PaddingScheme as _,
};
use sha2::Sha256;
use zeroize::Zeroizing;

use super::{
    endorsement_key::TemplateKey,
    make::{CredentialError, CredentialRandomness, tpm2b},
    primitives::{Secret, Suite},
};

/// A seed that the endorsement key's TPM can recover.
pub(super) struct SharedSeed {
    pub(super) suite: Suite,
    pub(super) seed: Secret,
    /// TPM2B_ENCRYPTED_SECRET.
    pub(super) encrypted_secret: Vec<u8>,
}

/// Chooses a seed (RSA) or agrees on one (elliptic curves).
pub(super) fn share(key: &TemplateKey, randomness: &CredentialRandomness) -> Result<SharedSeed, CredentialError> {
    match key {
        TemplateKey::L1(key) => encrypt(key, randomness),
        TemplateKey::L2(key) => {
            let ephemeral = p256::SecretKey::from_slice(randomness.ephemeral(32)).map_err(|_| CredentialError::DrawAgain)?;
            let (z, point) = (ephemeral.diffie_hellman(key), ephemeral.public_key().to_sec1_point(false));
            Ok(agree(Suite::Sha256Aes128, z.raw_secret_bytes(), point.as_bytes(), key.to_sec1_point(false).as_bytes()))
        }
        TemplateKey::H3(key) => {
            let ephemeral = p384::SecretKey::from_slice(randomness.ephemeral(48)).map_err(|_| CredentialError::DrawAgain)?;
            let (z, point) = (ephemeral.diffie_hellman(key), ephemeral.public_key().to_sec1_point(false));
            Ok(agree(Suite::Sha384Aes256, z.raw_secret_bytes(), point.as_bytes(), key.to_sec1_point(false).as_bytes()))
        }
    }
}

/// RSAES-OAEP with the label `IDENTITY` and its terminating zero.
fn encrypt(key: &RsaPublicKey, randomness: &CredentialRandomness) -> Result<SharedSeed, CredentialError> {
    let suite = Suite::Sha256Aes128;
    let seed = Zeroizing::new(randomness.seed(suite.hash_size()).to_vec());
    let mut oaep_seed = GivenOnce(Some(randomness.ephemeral(suite.hash_size())));
    let ciphertext = Oaep::<Sha256>::new_with_label(*b"IDENTITY\0")
        .encrypt(&mut oaep_seed, key, &seed)
        .map_err(|_| CredentialError::Failed("RSAES-OAEP"))?;
    Ok(SharedSeed { suite, seed, encrypted_secret: tpm2b(&ciphertext) })
}

/// One-pass ECDH: both points are uncompressed (SEC 1), so their coordinates have the curve's size, zeros included.
fn agree(suite: Suite, z: &[u8], ephemeral: &[u8], endorsement: &[u8]) -> SharedSeed {
    let ((ephemeral_x, ephemeral_y), (endorsement_x, _)) = (coordinates(ephemeral), coordinates(endorsement));
    SharedSeed {
        suite,
        seed: suite.kdfe_seed(z, ephemeral_x, endorsement_x),
        encrypted_secret: tpm2b(&[tpm2b(ephemeral_x), tpm2b(ephemeral_y)].concat()),
    }
}

fn coordinates(uncompressed: &[u8]) -> (&[u8], &[u8]) {
    let both = uncompressed.get(1..).unwrap_or_default();
    both.split_at_checked(both.len() / 2).unwrap_or_default()
}

/// Randomness that was drawn elsewhere, handed out once: OAEP's seed.
struct GivenOnce<'a>(Option<&'a [u8]>);

/// More or other randomness was asked for than was given.
#[derive(Debug, thiserror::Error)]
#[error("OAEP wants other randomness than one seed")]
struct NotGiven;

impl TryRng for GivenOnce<'_> {
    type Error = NotGiven;

    fn try_next_u32(&mut self) -> Result<u32, NotGiven> {
        Err(NotGiven)
    }

    fn try_next_u64(&mut self) -> Result<u64, NotGiven> {
        Err(NotGiven)
    }

    fn try_fill_bytes(&mut self, to: &mut [u8]) -> Result<(), NotGiven> {
        let given = self.0.take().filter(|given| given.len() == to.len()).ok_or(NotGiven)?;
        to.copy_from_slice(given);
        Ok(())
    }
}

impl TryCryptoRng for GivenOnce<'_> {}
