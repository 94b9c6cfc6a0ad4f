//! A man in the middle: TLS with a key of its own, evidence from wherever it likes, and a record of all it was told.

use std::{
    net::SocketAddr,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use rcgen::{CertificateParams, KeyPair};
use rustls::pki_types::PrivateKeyDer;
use sha2::{Digest as _, Sha256};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::TlsAcceptor;

/// What the relay answers to `GET /attestation?nonce=…`: the nonce in, a document out.
pub type Evidence = Arc<dyn Fn(String) -> Bytes + Send + Sync>;

/// What the relay answers to `POST /attestation/activate`: the request's body in, the answer's out.
pub type Activation = Arc<dyn Fn(Bytes) -> Bytes + Send + Sync>;

/// What the relay says to a verifier.
#[derive(Clone)]
pub struct Answers {
    /// The evidence.
    pub evidence: Evidence,
    /// The opened credentials.
    pub activation: Activation,
}

impl From<Evidence> for Answers {
    /// A relay that knows nothing of credentials.
    fn from(evidence: Evidence) -> Self {
        Self { evidence, activation: Arc::new(|_| Bytes::from_static(b"{}")) }
    }
}

/// A TLS key and its self-signed certificate.
pub struct TlsKey {
    key: KeyPair,
    certificate: rcgen::Certificate,
}

impl TlsKey {
    /// A fresh key.
    pub fn generate() -> Self {
        let key = KeyPair::generate().expect("a key");
        let certificate =
            CertificateParams::new(["localhost".to_owned()]).and_then(|params| params.self_signed(&key)).expect("a certificate");
        Self { key, certificate }
    }

    /// SHA-256 of its SubjectPublicKeyInfo.
    pub fn spki_sha256(&self) -> [u8; 32] {
        use rcgen::PublicKeyData as _;
        Sha256::digest(self.key.subject_public_key_info()).into()
    }
}

/// A running relay. It ends with its runtime.
pub struct EvidenceRelay {
    /// Where it listens.
    pub address: SocketAddr,
    seen: Arc<Mutex<Vec<u8>>>,
}

impl EvidenceRelay {
    /// Listens with `key` and answers a verifier with `answers`; to anything else it answers like a model.
    pub async fn start(key: TlsKey, answers: impl Into<Answers>) -> Self {
        let answers = answers.into();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("its address");
        let seen = Arc::new(Mutex::new(Vec::new()));
        let acceptor = TlsAcceptor::from(Arc::new(server_config(&key)));
        let record = seen.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(acceptor.clone(), stream, answers.clone(), record.clone()));
            }
        });
        Self { address, seen }
    }

    /// The relay's URL.
    pub fn url(&self) -> String {
        format!("https://{}", self.address)
    }

    /// Whether `text` stood anywhere in the bytes that came out of TLS.
    pub fn has_seen(&self, text: &str) -> bool {
        let seen = self.seen.lock().expect("no writer panics");
        seen.windows(text.len()).any(|window| window == text.as_bytes())
    }
}

async fn serve(acceptor: TlsAcceptor, stream: TcpStream, answers: Answers, record: Arc<Mutex<Vec<u8>>>) {
    // A client that goes away, or never says anything, is part of the game.
    let Ok(stream) = acceptor.accept(stream).await else { return };
    let service = service_fn(move |request| answer(request, answers.clone()));
    let _ = http1::Builder::new().serve_connection(TokioIo::new(Recorded { stream, record }), service).await;
}

async fn answer(request: Request<Incoming>, answers: Answers) -> Result<Response<Full<Bytes>>, hyper::Error> {
    let nonce = request.uri().query().and_then(|query| query.strip_prefix("nonce=")).map(str::to_owned);
    let body = match (request.uri().path(), nonce) {
        ("/attestation", Some(nonce)) => {
            tokio::task::spawn_blocking(move || (answers.evidence)(nonce)).await.expect("the evidence")
        }
        ("/attestation/activate", None) => {
            let credential = request.into_body().collect().await?.to_bytes();
            tokio::task::spawn_blocking(move || (answers.activation)(credential)).await.expect("the answer")
        }
        _ => Bytes::from_static(br#"{"id":"x","object":"chat.completion","choices":[]}"#),
    };
    Ok(Response::builder().header("content-type", "application/json").body(Full::new(body)).expect("an answer"))
}

fn server_config(key: &TlsKey) -> rustls::ServerConfig {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let private = PrivateKeyDer::try_from(key.key.serialize_der()).expect("a PKCS #8 key");
    rustls::ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("ring speaks TLS 1.3")
        .with_no_client_auth()
        .with_single_cert(vec![key.certificate.der().clone()], private)
        .expect("a matching pair")
}

/// A stream that keeps a copy of all that is read from it.
struct Recorded<S> {
    stream: S,
    record: Arc<Mutex<Vec<u8>>>,
}

impl<S: AsyncRead + Unpin> AsyncRead for Recorded<S> {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<std::io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(context, buffer);
        self.record.lock().expect("no writer panics").extend_from_slice(&buffer.filled()[before..]);
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Recorded<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &[u8]) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, buffer)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
