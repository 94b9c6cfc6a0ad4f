//! A small HTTP client that trusts one key, as the shim does.

use std::{net::SocketAddr, sync::Arc};

use blindllama_attest::digest::Sha256Digest;
use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::{
    body::Incoming,
    client::conn::http1::{SendRequest, handshake},
};
use hyper_util::rt::TokioIo;
use rustls::{
    ClientConfig, DigitallySignedStruct, Error, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, ring, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime},
    server::ParsedCertificate,
};
use serde_json::Value;
use tokio::{net::TcpStream, task::JoinHandle};
use tokio_rustls::{TlsConnector, client::TlsStream};

pub(crate) const CHAT: &str = "/v1/chat/completions";

/// One connection. Dropping it closes the connection.
pub(crate) struct Client {
    sender: SendRequest<Full<Bytes>>,
    connection: JoinHandle<()>,
}

/// A response that is read whole.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

pub(crate) async fn connect_tls(
    address: SocketAddr,
    spki: Sha256Digest,
    config: Option<ClientConfig>,
) -> std::io::Result<TlsStream<TcpStream>> {
    let config = config.unwrap_or_else(|| client_config(spki, &[&rustls::version::TLS13]));
    let stream = TcpStream::connect(address).await?;
    let name = ServerName::try_from("anything").unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, stream).await
}

pub(crate) fn client_config(spki: Sha256Digest, versions: &[&'static rustls::SupportedProtocolVersion]) -> ClientConfig {
    let provider = Arc::new(ring::default_provider());
    let verifier = Arc::new(PinnedKey { spki, provider: Arc::clone(&provider) });
    ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth()
}

impl Client {
    pub(crate) async fn connect(address: SocketAddr, spki: Sha256Digest) -> Self {
        let stream = connect_tls(address, spki, None).await.unwrap();
        let (sender, connection) = handshake(TokioIo::new(stream)).await.unwrap();
        let connection = tokio::spawn(async move {
            // Aborted with the client, or closed by the server: either way the test looks at responses.
            let _closed = connection.await;
        });
        Self { sender, connection }
    }

    pub(crate) async fn send(&mut self, request: Request<Full<Bytes>>) -> Response<Incoming> {
        self.sender.ready().await.unwrap();
        self.sender.send_request(request).await.unwrap()
    }

    pub(crate) async fn get(&mut self, path: &str) -> Answer {
        self.ask(request(Method::GET, path, Bytes::new(), &[])).await
    }

    pub(crate) async fn post(&mut self, path: &str, body: &str) -> Answer {
        let body = Bytes::copy_from_slice(body.as_bytes());
        self.ask(request(Method::POST, path, body, &[("content-type", "application/json")])).await
    }

    pub(crate) async fn chat(&mut self, body: &Value) -> Answer {
        self.ask(chat_request(body)).await
    }

    pub(crate) async fn ask(&mut self, request: Request<Full<Bytes>>) -> Answer {
        Answer::read(self.send(request).await).await
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.connection.abort();
    }
}

impl Answer {
    pub(crate) async fn read(response: Response<Incoming>) -> Self {
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Self { status: parts.status, headers: parts.headers, body: String::from_utf8(body.into()).unwrap() }
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    /// OpenAI's error object, which has exactly its four keys.
    pub(crate) fn error(&self) -> Value {
        let wrapped: Value = self.json();
        let error = wrapped["error"].clone();
        let keys: Vec<_> = error.as_object().unwrap_or_else(|| panic!("{}", self.body)).keys().collect();
        assert_eq!(keys, ["message", "type", "param", "code"], "{}", self.body);
        assert_eq!(wrapped.as_object().unwrap().len(), 1);
        error
    }
}

pub(crate) fn chat_request(body: &Value) -> Request<Full<Bytes>> {
    request(Method::POST, CHAT, Bytes::from(body.to_string()), &[("content-type", "application/json")])
}

pub(crate) fn request(method: Method, path: &str, body: Bytes, headers: &[(&str, &str)]) -> Request<Full<Bytes>> {
    let request = Request::builder().method(method).uri(path).header("host", "gateway");
    let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    request.body(Full::new(body)).unwrap()
}

#[derive(Debug)]
struct PinnedKey {
    spki: Sha256Digest,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for PinnedKey {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let spki = ParsedCertificate::try_from(certificate)?.subject_public_key_info();
        assert_eq!(Sha256Digest::of(&[spki.as_ref()]), self.spki);
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        unreachable!("TLS 1.2 is not spoken")
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
