//! The check of a chain (RFC 5280, section 6.1): linear, leaf first.

use x509_cert::der::asn1::ObjectIdentifier;

use super::{
    Certificate, ChainError, Position, PublicKey,
    signature::{self, SignatureFailure},
};
use crate::verify::UnixTime;

/// The most certificates that a chain may have.
pub const MAX_CHAIN_CERTIFICATES: usize = 8;

/// tcg-kp-EKCertificate (TCG EK Credential Profile 2.6, section 3.2.16).
const EK_CERTIFICATE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.23.133.8.1");
/// tcg-kp-AIKCertificate.
const AIK_CERTIFICATE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.23.133.8.3");

/// What the leaf's key is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// It signs quotes.
    AttestationKey,
    /// It decrypts credentials (TCG EK Credential Profile 2.6).
    EndorsementKey,
}

/// A chain that leads its leaf to a pinned root; only [`verify_chain`] makes one.
#[derive(Debug, Clone)]
pub struct VerifiedChain<'a> {
    leaf: &'a Certificate,
    root: &'a Certificate,
    role: Role,
}

impl<'a> VerifiedChain<'a> {
    /// The certificate of the TPM's key.
    #[must_use]
    pub const fn leaf(&self) -> &'a Certificate {
        self.leaf
    }

    /// The pinned root that the chain ends at.
    #[must_use]
    pub const fn root(&self) -> &'a Certificate {
        self.root
    }

    /// What the leaf's key may be used for.
    #[must_use]
    pub const fn role(&self) -> Role {
        self.role
    }
}

/// Checks that `leaf_first` leads from its first certificate, a key in the given role, to one of the pinned `roots`.
///
/// Each certificate is followed by its issuer's; the root may be left out. Every certificate has to be valid at `at`, first
/// and last second included. A root is trusted because it is pinned, byte for byte, so its own signature is not looked at;
/// its validity and its constraints count. Revocation is not checked.
///
/// # Errors
/// [`ChainError`] names the first certificate that fails, and why.
pub fn verify_chain<'a>(
    leaf_first: &'a [Certificate],
    roots: &'a [Certificate],
    at: UnixTime,
    role: Role,
) -> Result<VerifiedChain<'a>, ChainError> {
    let Path { leaf, intermediates, root } = Path::new(leaf_first, roots)?;
    let below_root = || std::iter::once(leaf).chain(intermediates);
    check_links(below_root(), intermediates.iter().chain([root]))?;
    for (index, certificate) in below_root().enumerate() {
        check_version(index, certificate)?;
    }
    for (index, certificate) in below_root().chain([root]).enumerate() {
        check_validity(index, certificate, at)?;
        check_critical_extensions(index, certificate)?;
    }
    check_authorities(intermediates, root)?;
    check_leaf(leaf, role)?;
    Ok(VerifiedChain { leaf, root, role })
}

/// The certificates by their place: a leaf is never the root, even where it is pinned.
struct Path<'a> {
    leaf: &'a Certificate,
    intermediates: &'a [Certificate],
    root: &'a Certificate,
}

impl<'a> Path<'a> {
    fn new(leaf_first: &'a [Certificate], roots: &'a [Certificate]) -> Result<Self, ChainError> {
        let [leaf, above @ ..] = leaf_first else {
            return Err(ChainError::Empty);
        };
        if leaf_first.len() > MAX_CHAIN_CERTIFICATES {
            return Err(ChainError::TooLong { found: leaf_first.len(), limit: MAX_CHAIN_CERTIFICATES });
        }
        match above {
            [intermediates @ .., last] if is_pinned(last, roots) => Ok(Self { leaf, intermediates, root: last }),
            intermediates => {
                let root = root_above(intermediates.last().unwrap_or(leaf), intermediates.len(), roots)?;
                Ok(Self { leaf, intermediates, root })
            }
        }
    }
}

fn is_pinned(certificate: &Certificate, roots: &[Certificate]) -> bool {
    roots.iter().any(|root| root.der() == certificate.der())
}

/// The pinned root that issued `last`; of several with one name, as after a change of keys, the one that signed it. Where
/// there is no choice, [`check_links`] is the first to look at the signature.
fn root_above<'a>(last: &Certificate, index: usize, roots: &'a [Certificate]) -> Result<&'a Certificate, ChainError> {
    let named: Vec<_> = roots.iter().filter(|root| last.is_issued_under_the_name_of(root)).collect();
    match named.as_slice() {
        [] => Err(ChainError::RootNotTrusted { at: Position::new(index, last), issuer: last.issuer() }),
        [only] => Ok(only),
        [first, ..] => Ok(named.iter().find(|root| signature::verify(last, root).is_ok()).unwrap_or(first)),
    }
}

/// Names and signatures: each certificate was issued by the one above it.
fn check_links<'a>(
    issued: impl Iterator<Item = &'a Certificate>,
    issuers: impl Iterator<Item = &'a Certificate>,
) -> Result<(), ChainError> {
    for (index, (certificate, issuer)) in issued.zip(issuers).enumerate() {
        let (at, next) = (|| Position::new(index, certificate), || Position::new(index + 1, issuer));
        if !certificate.is_issued_under_the_name_of(issuer) {
            return Err(ChainError::IssuerMismatch { at: at(), issuer: certificate.issuer(), next: next() });
        }
        signature::verify(certificate, issuer).map_err(|failure| match failure {
            SignatureFailure::Invalid => ChainError::SignatureInvalid { at: at(), issuer: next() },
            SignatureFailure::Unsupported(reason) => ChainError::SignatureUnsupported { at: at(), reason },
        })?;
    }
    Ok(())
}

fn check_version(index: usize, below_root: &Certificate) -> Result<(), ChainError> {
    if below_root.is_version_1() { Err(ChainError::Version { at: Position::new(index, below_root) }) } else { Ok(()) }
}

fn check_validity(index: usize, certificate: &Certificate, time: UnixTime) -> Result<(), ChainError> {
    let (not_before, not_after) = (certificate.not_before(), certificate.not_after());
    if time < not_before {
        return Err(ChainError::NotYetValid { at: Position::new(index, certificate), not_before, time });
    }
    if time > not_after {
        return Err(ChainError::Expired { at: Position::new(index, certificate), not_after, time });
    }
    Ok(())
}

fn check_critical_extensions(index: usize, certificate: &Certificate) -> Result<(), ChainError> {
    match certificate.extensions().not_understood {
        Some(oid) => Err(ChainError::CriticalExtension { at: Position::new(index, certificate), oid }),
        None => Ok(()),
    }
}

/// Everyone above the leaf may issue certificates, as many levels down as they did.
fn check_authorities(intermediates: &[Certificate], root: &Certificate) -> Result<(), ChainError> {
    let mut levels = 0;
    for (index, authority) in (1..).zip(intermediates) {
        let usage = authority.extensions().key_usage;
        check_key_cert_sign(index, authority, usage.is_some_and(|usage| usage.key_cert_sign()))?;
        check_basic_constraints(index, authority, levels)?;
        // RFC 5280, section 6.1.4 (l): self-issued certificates do not count.
        if !authority.is_issued_under_the_name_of(authority) {
            levels += 1;
        }
    }
    check_root(intermediates.len() + 1, root, levels)
}

/// A root of version 1 cannot say what it may do, and old ones have no keyUsage: pinning them says it. What a root does say,
/// counts.
fn check_root(index: usize, root: &Certificate, levels: usize) -> Result<(), ChainError> {
    if root.is_version_1() {
        return Ok(());
    }
    check_key_cert_sign(index, root, root.extensions().key_usage.is_none_or(|usage| usage.key_cert_sign()))?;
    check_basic_constraints(index, root, levels)
}

fn check_key_cert_sign(index: usize, authority: &Certificate, allowed: bool) -> Result<(), ChainError> {
    if allowed { Ok(()) } else { Err(ChainError::KeyUsage { at: Position::new(index, authority), missing: "keyCertSign" }) }
}

fn check_basic_constraints(index: usize, authority: &Certificate, levels: usize) -> Result<(), ChainError> {
    let constraints = authority.extensions().basic_constraints.as_ref().filter(|constraints| constraints.ca);
    let at = || Position::new(index, authority);
    match constraints.ok_or_else(|| ChainError::NotACa { at: at() })?.path_len_constraint {
        Some(limit) if levels > usize::from(limit) => Err(ChainError::PathTooLong { at: at(), limit, found: levels }),
        _ => Ok(()),
    }
}

fn check_leaf(leaf: &Certificate, role: Role) -> Result<(), ChainError> {
    let (at, extensions) = (|| Position::new(0, leaf), leaf.extensions());
    if extensions.is_ca() {
        return Err(ChainError::LeafIsACa { at: at() });
    }
    if let Some(missing) = missing_usage(leaf, role) {
        return Err(ChainError::KeyUsage { at: at(), missing });
    }
    let purpose = |oid| extensions.has_purpose(oid);
    let problem = match (role, purpose(EK_CERTIFICATE), purpose(AIK_CERTIFICATE)) {
        (Role::AttestationKey, Some(true), _) => "is an endorsement key's (extendedKeyUsage 2.23.133.8.1), which signs no quotes",
        // A certificate for a TLS server, say, whose key no TPM need hold.
        (Role::AttestationKey, _, Some(false)) => "has an extendedKeyUsage without 2.23.133.8.3: it is no attestation key's",
        (Role::EndorsementKey, Some(false), _) => "has an extendedKeyUsage without 2.23.133.8.1: it is no endorsement key's",
        _ => return Ok(()),
    };
    Err(ChainError::ExtendedKeyUsage { at: at(), problem })
}

/// The usage that the role needs and a keyUsage extension denies.
fn missing_usage(leaf: &Certificate, role: Role) -> Option<&'static str> {
    let usage = leaf.extensions().key_usage?;
    let (allowed, name) = match (role, leaf.public_key()) {
        (Role::AttestationKey, _) => (usage.digital_signature(), "digitalSignature"),
        (Role::EndorsementKey, Ok(PublicKey::P256(_) | PublicKey::P384(_))) => (usage.key_agreement(), "keyAgreement"),
        (Role::EndorsementKey, _) => (usage.key_encipherment(), "keyEncipherment"),
    };
    (!allowed).then_some(name)
}
