//! A small HTTP/1.1 client: one connection for each request, so that a test knows what it closes; or one for many requests, for
//! those that measure.

use std::{net::SocketAddr, sync::Arc};

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::{body::Incoming, client::conn::http1};
use hyper_util::rt::TokioIo;
use rustls::{
    DigitallySignedStruct, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::CryptoProvider,
    pki_types::{CertificateDer, ServerName, UnixTime},
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    task::JoinHandle,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

/// A whole answer.
#[derive(Debug)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body's bytes.
    pub body: Bytes,
}

impl Answer {
    /// The body as JSON.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{} with a body that is no JSON ({error}): {:?}", self.status, self.body))
    }
}

/// An answer that is still arriving. Dropping it closes the connection.
pub struct Arriving {
    /// Status and headers, with the body to read.
    pub response: Response<Incoming>,
    connection: JoinHandle<()>,
}

impl Drop for Arriving {
    fn drop(&mut self) {
        self.connection.abort();
    }
}

impl Arriving {
    /// The next piece of the body; `None` at its clean end.
    pub async fn chunk(&mut self) -> Option<Result<Bytes, hyper::Error>> {
        loop {
            match self.response.frame().await? {
                Ok(frame) => {
                    if let Ok(data) = frame.into_data() {
                        return Some(Ok(data));
                    }
                }
                Err(error) => return Some(Err(error)),
            }
        }
    }

    /// The whole answer.
    pub async fn complete(mut self) -> Result<Answer, hyper::Error> {
        let body = self.response.body_mut().collect().await?.to_bytes();
        Ok(Answer { status: self.response.status(), headers: self.response.headers().clone(), body })
    }
}

/// Sends a request in the clear.
pub async fn send(address: SocketAddr, request: Request<Full<Bytes>>) -> Arriving {
    let stream = TcpStream::connect(address).await.expect("a connection");
    exchange(stream, request).await.expect("an answer")
}

/// Sends a request over TLS to whoever answers there: a test that attacks has no need to verify.
pub async fn send_tls(address: SocketAddr, request: Request<Full<Bytes>>) -> Arriving {
    TlsConnection::open(address).await.send(request).await
}

/// A TLS connection to whoever answers there, good for one request.
pub struct TlsConnection(TlsStream<TcpStream>);

impl TlsConnection {
    /// Connects, and shakes hands.
    pub async fn open(address: SocketAddr) -> Self {
        Self(connect_tls(address).await)
    }

    /// Sends the request.
    pub async fn send(self, request: Request<Full<Bytes>>) -> Arriving {
        exchange(self.0, request).await.expect("an answer")
    }
}

/// A connection that stays open for one request after the other.
pub struct KeptAlive {
    sender: http1::SendRequest<Full<Bytes>>,
    connection: JoinHandle<()>,
}

impl KeptAlive {
    /// Connects over TLS to whoever answers there.
    pub async fn connect(address: SocketAddr) -> Self {
        Self::over(connect_tls(address).await).await
    }

    /// Connects in the clear.
    pub async fn connect_plain(address: SocketAddr) -> Self {
        Self::over(TcpStream::connect(address).await.expect("a connection")).await
    }

    async fn over(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) -> Self {
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.expect("an HTTP connection");
        Self { sender, connection: tokio::spawn(async move { drop(connection.await) }) }
    }

    /// Whether the other side has not closed it.
    pub fn is_open(&self) -> bool {
        !self.sender.is_closed()
    }

    /// Sends a request and gives the answer as it arrives. It has to be read to its end before the next.
    pub async fn open(&mut self, request: Request<Full<Bytes>>) -> Result<Response<Incoming>, hyper::Error> {
        // Its task may not have seen yet that the answer before was read to its end.
        self.sender.ready().await?;
        self.sender.send_request(request).await
    }

    /// Sends a request and reads the answer whole.
    pub async fn send(&mut self, request: Request<Full<Bytes>>) -> Result<Answer, hyper::Error> {
        let (head, body) = self.open(request).await?.into_parts();
        let body = body.collect().await?.to_bytes();
        Ok(Answer { status: head.status, headers: head.headers, body })
    }
}

impl Drop for KeptAlive {
    fn drop(&mut self) {
        self.connection.abort();
    }
}

async fn connect_tls(address: SocketAddr) -> TlsStream<TcpStream> {
    let stream = TcpStream::connect(address).await.expect("a connection");
    let connector = TlsConnector::from(Arc::new(trusting_config()));
    let name = ServerName::IpAddress(address.ip().into());
    connector.connect(name, stream).await.expect("a TLS connection")
}

/// `GET path`.
pub fn get(path: &str) -> Request<Full<Bytes>> {
    Request::get(path).header("host", "localhost").body(Full::default()).expect("a request")
}

/// `POST path` with a JSON body.
pub fn post(path: &str, body: impl Into<Bytes>) -> Request<Full<Bytes>> {
    Request::post(path)
        .header("host", "localhost")
        .header("content-type", "application/json")
        .body(Full::new(body.into()))
        .expect("a request")
}

async fn exchange<S>(stream: S, mut request: Request<Full<Bytes>>) -> Result<Arriving, hyper::Error>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    // The test sees a broken connection in the body it reads.
    let connection = tokio::spawn(async move { drop(connection.await) });
    request.headers_mut().entry("connection").or_insert(http::HeaderValue::from_static("close"));
    let response = sender.send_request(request).await?;
    Ok(Arriving { response, connection })
}

fn trusting_config() -> rustls::ClientConfig {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    rustls::ClientConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("ring speaks TLS 1.3")
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Trusting(provider)))
        .with_no_client_auth()
}

#[derive(Debug)]
struct Trusting(Arc<CryptoProvider>);

impl ServerCertVerifier for Trusting {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls12_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
