//! TLS towards the gateway: which key may answer, and that whoever answers holds it.
//!
//! No certificate authority takes part. Before verification any key is let through, since the quote is what says which key is
//! right; after verification exactly the attested key is. Either way the handshake's CertificateVerify is checked, else a
//! certificate copied from the real gateway would do. There is TLS 1.3 only, no early data and no resumption: a resumed
//! handshake shows no certificate, so each connection makes a full one.

use std::sync::Arc;

use blindllama_attest::digest::Sha256Digest;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, SignatureScheme,
    client::{
        Resumption,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{WebPkiSupportedAlgorithms, ring, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime},
    server::ParsedCertificate,
    version::TLS13,
};
use subtle::ConstantTimeEq as _;

/// Which key the server may have.
#[derive(Debug, Clone, Copy)]
enum Accepted {
    /// Any key: only evidence is asked for over such a connection.
    AnyKey,
    /// The key whose SubjectPublicKeyInfo has this SHA-256.
    Only(Sha256Digest),
}

/// Trusts a key rather than a certificate.
#[derive(Debug)]
struct KeyVerifier {
    accepted: Accepted,
    algorithms: WebPkiSupportedAlgorithms,
}

/// For the connection that fetches evidence.
///
/// # Errors
/// What rustls finds wrong with its own set-up; nothing that depends on outside data.
pub(crate) fn config_for_any_key() -> Result<Arc<ClientConfig>, Error> {
    config(Accepted::AnyKey)
}

/// For connections that carry requests: only the key with this SubjectPublicKeyInfo digest gets through the handshake.
///
/// # Errors
/// As [`config_for_any_key`].
pub(crate) fn config_pinned_to(tls_spki_sha256: Sha256Digest) -> Result<Arc<ClientConfig>, Error> {
    config(Accepted::Only(tls_spki_sha256))
}

fn config(accepted: Accepted) -> Result<Arc<ClientConfig>, Error> {
    let provider = Arc::new(ring::default_provider());
    let verifier = KeyVerifier { accepted, algorithms: provider.signature_verification_algorithms };
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    config.resumption = Resumption::disabled();
    config.enable_early_data = false;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// SHA-256 of the certificate's SubjectPublicKeyInfo, DER with its outer SEQUENCE (RFC 5280, section 4.1.2.7).
///
/// # Errors
/// The certificate is not X.509.
pub(crate) fn spki_sha256(certificate: &CertificateDer<'_>) -> Result<Sha256Digest, Error> {
    let certificate = ParsedCertificate::try_from(certificate)?;
    Ok(Sha256Digest::of(&[&certificate.subject_public_key_info()]))
}

/// Whether a handshake failed because the server's key is not the pinned one.
pub(crate) fn is_wrong_key(error: &Error) -> bool {
    *error == Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure)
}

impl ServerCertVerifier for KeyVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let found = spki_sha256(end_entity)?;
        let accepted = match self.accepted {
            Accepted::AnyKey => true,
            Accepted::Only(pinned) => bool::from(pinned.as_bytes().ct_eq(found.as_bytes())),
        };
        if accepted {
            Ok(ServerCertVerified::assertion())
        } else {
            Err(Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure))
        }
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(Error::General("TLS 1.2 is refused".to_owned()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use rcgen::PublicKeyData as _;
    use rustls::{
        ClientConnection, ServerConfig, ServerConnection,
        pki_types::PrivatePkcs8KeyDer,
        server::ResolvesServerCert,
        sign::{CertifiedKey, SingleCertAndKey},
    };

    use super::*;

    fn certified() -> rcgen::CertifiedKey<rcgen::KeyPair> {
        rcgen::generate_simple_self_signed(["gateway".to_owned()]).unwrap()
    }

    fn server(certificate: &CertificateDer<'static>, key: &rcgen::KeyPair) -> Arc<ServerConfig> {
        let provider = Arc::new(ring::default_provider());
        let key = PrivatePkcs8KeyDer::from(key.serialize_der());
        let key = provider.key_provider.load_private_key(key.into()).unwrap();
        // `CertifiedKey` does not compare key and certificate, so an impostor can be made.
        let resolver: Arc<dyn ResolvesServerCert> =
            Arc::new(SingleCertAndKey::from(CertifiedKey::new(vec![certificate.clone()], key)));
        let config = ServerConfig::builder_with_provider(provider).with_protocol_versions(&[&TLS13]).unwrap();
        Arc::new(config.with_no_client_auth().with_cert_resolver(resolver))
    }

    /// Both ends in memory until the client knows.
    fn handshake(client: Arc<ClientConfig>, server: Arc<ServerConfig>) -> Result<Sha256Digest, Error> {
        let mut client = ClientConnection::new(client, ServerName::try_from("gateway").unwrap()).unwrap();
        let mut server = ServerConnection::new(server).unwrap();
        while client.is_handshaking() {
            let mut flight = Vec::new();
            client.write_tls(&mut flight).unwrap();
            server.read_tls(&mut flight.as_slice().by_ref()).unwrap();
            server.process_new_packets().unwrap();
            let mut flight = Vec::new();
            while server.wants_write() {
                server.write_tls(&mut flight).unwrap();
            }
            client.read_tls(&mut flight.as_slice()).unwrap();
            client.process_new_packets()?;
        }
        spki_sha256(&client.peer_certificates().unwrap()[0])
    }

    #[test]
    fn the_digest_is_that_of_the_subject_public_key_info() {
        let gateway = certified();
        let expected = Sha256Digest::of(&[&gateway.signing_key.subject_public_key_info()]);
        assert_eq!(spki_sha256(gateway.cert.der()).unwrap(), expected);
        let config = config_for_any_key().unwrap();
        assert_eq!(handshake(config, server(gateway.cert.der(), &gateway.signing_key)).unwrap(), expected);
    }

    #[test]
    fn only_the_pinned_key_gets_through() {
        let (gateway, other) = (certified(), certified());
        let pinned = spki_sha256(gateway.cert.der()).unwrap();
        let config = config_pinned_to(pinned).unwrap();
        assert_eq!(handshake(config.clone(), server(gateway.cert.der(), &gateway.signing_key)), Ok(pinned));
        let refused = handshake(config, server(other.cert.der(), &other.signing_key)).unwrap_err();
        assert!(is_wrong_key(&refused), "{refused}");
    }

    #[test]
    fn a_certificate_without_its_key_is_refused_by_both() {
        let (gateway, impostor) = (certified(), certified());
        let pinned = config_pinned_to(spki_sha256(gateway.cert.der()).unwrap()).unwrap();
        for config in [config_for_any_key().unwrap(), pinned] {
            let refused = handshake(config, server(gateway.cert.der(), &impostor.signing_key)).unwrap_err();
            assert_eq!(refused, Error::InvalidCertificate(CertificateError::BadSignature));
        }
    }
}
