//! The TPM's key derivation, HMAC and cipher, in the two strengths that endorsement keys have.

use aes::{
    Aes128, Aes256,
    cipher::{InvalidLength, KeyIvInit as _},
};
use cfb_mode::Encryptor;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256, Sha384};
use zeroize::Zeroizing;

/// The hash and the cipher of an endorsement key's template.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Suite {
    /// SHA-256 and AES-128: templates L-1 and L-2.
    Sha256Aes128,
    /// SHA-384 and AES-256: template H-3.
    Sha384Aes256,
}

/// Bytes that are overwritten when they are dropped.
pub(super) type Secret = Zeroizing<Vec<u8>>;

impl Suite {
    /// The hash's size in bytes, which is also the size of a seed and the limit of a credential.
    pub(super) const fn hash_size(self) -> usize {
        match self {
            Self::Sha256Aes128 => 32,
            Self::Sha384Aes256 => 48,
        }
    }

    const fn cipher_key_size(self) -> usize {
        match self {
            Self::Sha256Aes128 => 16,
            Self::Sha384Aes256 => 32,
        }
    }

    pub(super) fn hmac(self, key: &[u8], parts: &[&[u8]]) -> Result<Secret, InvalidLength> {
        match self {
            Self::Sha256Aes128 => hmac::<Hmac<Sha256>>(key, parts),
            Self::Sha384Aes256 => hmac::<Hmac<Sha384>>(key, parts),
        }
    }

    /// KDFa for a cipher's key (Part 1, section 11.4.10.2: SP 800-108 in counter mode); one block is always enough.
    pub(super) fn cipher_key(self, seed: &[u8], context_u: &[u8]) -> Result<Secret, InvalidLength> {
        let mut key = self.kdfa(seed, b"STORAGE\0", context_u, self.cipher_key_size())?;
        key.truncate(self.cipher_key_size());
        Ok(key)
    }

    /// KDFa for an HMAC's key, which has the hash's size.
    pub(super) fn hmac_key(self, seed: &[u8]) -> Result<Secret, InvalidLength> {
        self.kdfa(seed, b"INTEGRITY\0", &[], self.hash_size())
    }

    fn kdfa(self, seed: &[u8], label: &[u8], context_u: &[u8], size: usize) -> Result<Secret, InvalidLength> {
        self.hmac(seed, &[&1_u32.to_be_bytes(), label, context_u, &bits(size)])
    }

    /// KDFe for a seed (Part 1, section 11.4.10.3: SP 800-56A, one step), which has the hash's size: one block.
    pub(super) fn kdfe_seed(self, z: &[u8], party_u: &[u8], party_v: &[u8]) -> Secret {
        let parts = [&1_u32.to_be_bytes(), z, b"IDENTITY\0", party_u, party_v];
        match self {
            Self::Sha256Aes128 => hash::<Sha256>(&parts),
            Self::Sha384Aes256 => hash::<Sha384>(&parts),
        }
    }

    /// CFB with an initialization vector of zero: the key is used once.
    pub(super) fn encrypt(self, key: &[u8], message: &mut [u8]) -> Result<(), InvalidLength> {
        let iv = [0; 16];
        match self {
            Self::Sha256Aes128 => Encryptor::<Aes128>::new_from_slices(key, &iv)?.encrypt(message),
            Self::Sha384Aes256 => Encryptor::<Aes256>::new_from_slices(key, &iv)?.encrypt(message),
        }
        Ok(())
    }
}

fn bits(size: usize) -> [u8; 4] {
    u32::try_from(size * 8).unwrap_or(u32::MAX).to_be_bytes()
}

fn hmac<M: Mac + KeyInit>(key: &[u8], parts: &[&[u8]]) -> Result<Secret, InvalidLength> {
    let mut mac = <M as KeyInit>::new_from_slice(key)?;
    parts.iter().for_each(|part| mac.update(part));
    Ok(Zeroizing::new(mac.finalize().into_bytes().to_vec()))
}

fn hash<D: Digest>(parts: &[&[u8]]) -> Secret {
    let mut hash = D::new();
    parts.iter().for_each(|part| hash.update(part));
    Zeroizing::new(hash.finalize().to_vec())
}
