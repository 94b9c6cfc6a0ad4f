//! The extensions that the check of a chain looks at (RFC 5280, section 4.2).

use std::collections::BTreeSet;

use x509_cert::{
    der::{Decode, asn1::ObjectIdentifier, oid::AssociatedOid as _},
    ext::{
        Extension,
        pkix::{
            AuthorityInfoAccessSyntax, AuthorityKeyIdentifier, BasicConstraints, CertificatePolicies, CrlDistributionPoints,
            ExtendedKeyUsage, KeyUsage, SubjectAltName, SubjectDirectoryAttributes, SubjectKeyIdentifier, name::GeneralName,
        },
    },
    name::Name,
};

use super::parse::{InvalidCertificate, malformed};

/// Extensions that may be critical although nothing is read from them: they identify, inform or point somewhere, and
/// constrain nothing that this check decides. Policies belong here because their constraints do not.
const HARMLESS: [ObjectIdentifier; 6] = [
    AuthorityKeyIdentifier::OID,
    SubjectKeyIdentifier::OID,
    CertificatePolicies::OID,
    CrlDistributionPoints::OID,
    AuthorityInfoAccessSyntax::OID,
    SubjectDirectoryAttributes::OID,
];

/// What a certificate's extensions say; each occurs at most once.
#[derive(Debug, Clone, Default)]
pub(super) struct Extensions {
    pub(super) basic_constraints: Option<BasicConstraints>,
    pub(super) key_usage: Option<KeyUsage>,
    pub(super) extended_key_usage: Option<ExtendedKeyUsage>,
    /// The directoryNames of the subjectAltName: where EK certificates name the TPM.
    pub(super) directory_names: Vec<Name>,
    /// A critical extension that is not understood: the certificate must not be used (RFC 5280, section 4.2).
    pub(super) not_understood: Option<ObjectIdentifier>,
}

impl Extensions {
    pub(super) fn parse(list: &[Extension]) -> Result<Self, InvalidCertificate> {
        let (mut extensions, mut seen) = (Self::default(), BTreeSet::new());
        for extension in list {
            if !seen.insert(extension.extn_id) {
                return Err(malformed(&format!("its extension {} occurs twice", extension.extn_id)));
            }
            extensions.read(extension)?;
        }
        Ok(extensions)
    }

    fn read(&mut self, extension: &Extension) -> Result<(), InvalidCertificate> {
        match extension.extn_id {
            BasicConstraints::OID => self.basic_constraints = Some(decode(extension)?),
            KeyUsage::OID => self.key_usage = Some(decode(extension)?),
            ExtendedKeyUsage::OID => self.extended_key_usage = Some(decode(extension)?),
            SubjectAltName::OID => self.directory_names = directory_names(decode(extension)?),
            harmless if HARMLESS.contains(&harmless) => {}
            other if extension.critical => self.not_understood = self.not_understood.or(Some(other)),
            _ => {}
        }
        Ok(())
    }

    pub(super) fn is_ca(&self) -> bool {
        self.basic_constraints.as_ref().is_some_and(|constraints| constraints.ca)
    }

    pub(super) fn has_purpose(&self, purpose: ObjectIdentifier) -> Option<bool> {
        self.extended_key_usage.as_ref().map(|usage| usage.0.contains(&purpose))
    }
}

fn decode<'a, T: Decode<'a>>(extension: &'a Extension) -> Result<T, InvalidCertificate>
where
    T::Error: std::fmt::Display,
{
    T::from_der(extension.extn_value.as_bytes())
        .map_err(|error| malformed(&format!("its extension {} is malformed: {error}", extension.extn_id)))
}

fn directory_names(alternative: SubjectAltName) -> Vec<Name> {
    let names = alternative.0.into_iter().filter_map(|name| match name {
        GeneralName::DirectoryName(name) => Some(name),
        _ => None,
    });
    names.collect()
}
