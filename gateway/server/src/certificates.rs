//! The certificates of the TPM's keys, from files and from its NVRAM.

use std::path::{Path, PathBuf};

use blindllama_attest::evidence::encoding::Base64Bytes;
use blindllama_attest_tpm::{Certificate, Tpm};
use blindllama_gateway::config::TpmConfig;
use blindllama_gateway_attester::Certificates;
use rustls::pki_types::{CertificateDer, pem::PemObject as _};

use crate::error::GatewayError;

/// Reads what the configuration names, and the EK's certificate from the TPM unless it is among that.
pub(crate) fn read_certificates(config: &TpmConfig, tpm: &Tpm) -> Result<Certificates, GatewayError> {
    let mut ek = read_files(&config.ek_certificates)?;
    if ek.is_empty() {
        ek.extend(tpm.read_ek_certificate_blocking()?);
    }
    match ek.first() {
        None => tracing::info!("there is no certificate for the TPM's endorsement key"),
        Some(leaf) if !leaf.mentions(tpm.ek_public_key()) => {
            tracing::warn!("the first certificate for the endorsement key is for another key: verifiers will refuse it");
        }
        Some(_) => ek.extend(read_files(&config.ek_intermediates)?),
    }
    Ok(Certificates { ak: encoded(&read_files(&config.ak_certificates)?), ek: encoded(&ek) })
}

fn encoded(certificates: &[Certificate]) -> Vec<Base64Bytes> {
    certificates.iter().map(|certificate| Base64Bytes(certificate.as_der().to_vec())).collect()
}

fn read_files(paths: &[PathBuf]) -> Result<Vec<Certificate>, GatewayError> {
    let files: Vec<_> = paths.iter().map(|path| read_file(path)).collect::<Result<_, _>>()?;
    Ok(files.into_iter().flatten().collect())
}

/// One certificate in DER, or all those of a PEM file (RFC 7468).
fn read_file(path: &Path) -> Result<Vec<Certificate>, GatewayError> {
    let bytes = std::fs::read(path).map_err(|source| GatewayError::File { path: path.to_owned(), source })?;
    let certificates = match Certificate::from_der(bytes.clone()) {
        Some(certificate) => vec![certificate],
        None => parse_pem(&bytes).unwrap_or_default(),
    };
    if certificates.is_empty() {
        return Err(GatewayError::Certificate { path: path.to_owned() });
    }
    Ok(certificates)
}

/// The certificates of a PEM file; `None` if one of them is malformed.
fn parse_pem(bytes: &[u8]) -> Option<Vec<Certificate>> {
    CertificateDer::pem_slice_iter(bytes).map(|der| Certificate::from_der(der.ok()?.to_vec())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEM: &str = "a comment\n-----BEGIN CERTIFICATE-----\nMAMCAQc=\n-----END CERTIFICATE-----\n";

    fn read(content: &[u8]) -> Result<Vec<Vec<u8>>, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("certificate");
        std::fs::write(&path, content).unwrap();
        let certificates = read_files(&[path.clone(), path]).map_err(|error| error.to_string())?;
        Ok(certificates.iter().map(|certificate| certificate.as_der().to_vec()).collect())
    }

    #[test]
    fn files_are_der_or_pem() {
        let der = vec![0x30, 3, 2, 1, 7];
        assert_eq!(read(&der).unwrap(), [der.clone(), der.clone()]);
        assert_eq!(read(PEM.as_bytes()).unwrap(), [der.clone(), der.clone()]);
        assert_eq!(read(PEM.repeat(2).as_bytes()).unwrap(), vec![der; 4]);
    }

    #[test]
    fn anything_else_is_refused_by_name() {
        let key = PEM.replace("CERTIFICATE", "PUBLIC KEY");
        for wrong in [
            &b""[..],
            b"certificate",
            &[0x30, 3, 2, 1],
            &[0x30, 3, 2, 1, 7, 0],
            key.as_bytes(),
            PEM.replace("MAMCAQc=", "MAMCAQ").as_bytes(),
            PEM.replace("MAMCAQc=", "MAMCAQcA").as_bytes(),
        ] {
            let error = read(wrong).unwrap_err();
            assert!(error.contains("certificate\" holds no certificate"), "{error}");
        }
    }
}
