//! A TLS 1.3 server that keeps every byte it is sent, answers for evidence by script, and hands every other request to the
//! test.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use blindllama_attest::digest::Sha256Digest;
use blindllama_shim::gateway_url::GatewayUrl;
use rustls::{ServerConfig, crypto::ring, pki_types::PrivatePkcs8KeyDer, version::TLS13};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::mpsc,
    task::{JoinHandle, JoinSet},
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use super::{SoftGateway, soon};
use crate::soft_tpm::Scenario;

/// What is answered to `GET /attestation`.
#[derive(Debug, Clone)]
pub(crate) enum Evidence {
    /// What an honest gateway says.
    Honest,
    /// Honest evidence, but for this nonce.
    Replayed(String),
    /// This body.
    Body(Vec<u8>),
    /// This status line.
    Status(&'static str),
    /// A body that never ends.
    Endless,
    /// A head, and then nothing.
    Stall,
    /// A head, part of the body, and then the end of the connection.
    CutOff,
}

pub(crate) struct Gateway {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
    requests: mpsc::UnboundedReceiver<Exchange>,
    server: JoinHandle<()>,
}

struct Shared {
    soft: Mutex<SoftGateway>,
    tls: Mutex<Arc<ServerConfig>>,
    evidence: Mutex<Evidence>,
    manifests: Mutex<BTreeMap<String, Vec<u8>>>,
    received: Mutex<Vec<u8>>,
    attestations: AtomicUsize,
    connections: AtomicUsize,
    requests: mpsc::UnboundedSender<Exchange>,
}

/// One request, read up to the end of its head, and the connection that it came on.
pub(crate) struct Exchange {
    pub(crate) head: String,
    stream: TlsStream<TcpStream>,
    unread: Vec<u8>,
    shared: Arc<Shared>,
}

/// Nobody listens there.
pub(crate) async fn unreachable_url() -> GatewayUrl {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    format!("https://{}", listener.local_addr().unwrap()).parse().unwrap()
}

impl Gateway {
    pub(crate) async fn start(evidence: Evidence) -> Self {
        let key = certified_key();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (sender, requests) = mpsc::unbounded_channel();
        let shared = Arc::new(Shared {
            soft: Mutex::new(SoftGateway::launched_with(&key)),
            tls: Mutex::new(tls_with(&key)),
            evidence: Mutex::new(evidence),
            manifests: Mutex::default(),
            received: Mutex::default(),
            attestations: AtomicUsize::default(),
            connections: AtomicUsize::default(),
            requests: sender,
        });
        let address = listener.local_addr().unwrap();
        Self { address, server: tokio::spawn(accept(listener, Arc::clone(&shared))), shared, requests }
    }

    pub(crate) fn url(&self) -> GatewayUrl {
        format!("https://{}", self.address).parse().unwrap()
    }

    /// A policy that this gateway satisfies.
    pub(crate) fn policy(&self) -> blindllama_attest::policy::Policy {
        self.shared.soft.lock().unwrap().policy()
    }

    /// The same policy, but a verification lasts for a second.
    pub(crate) fn policy_renewed_every_second(&self) -> blindllama_attest::policy::Policy {
        self.shared.soft.lock().unwrap().policy_renewed_every_second()
    }

    /// The policy as a file's text.
    pub(crate) fn policy_toml(&self) -> String {
        self.shared.soft.lock().unwrap().policy_toml()
    }

    /// What every answer has to say in `x-blindllama-verified`.
    pub(crate) fn binding_digest(&self) -> String {
        format!("sha256:{}", self.shared.soft.lock().unwrap().binding().digest().digest())
    }

    pub(crate) fn now_says(&self, evidence: Evidence) {
        *self.shared.evidence.lock().unwrap() = evidence;
    }

    /// A restart: another TLS key, measured as another launch of the same release.
    pub(crate) fn restart(&self) {
        let key = certified_key();
        self.shared.soft.lock().unwrap().relaunch_with(&key);
        self.show_key(&key);
    }

    /// The launch measured this configuration.
    pub(crate) fn configure(&self, config: &[u8]) {
        self.shared.soft.lock().unwrap().configure(config);
    }

    /// The same key, but the TPM's clock went back.
    pub(crate) fn go_back_in_time(&self) {
        self.shared.soft.lock().unwrap().go_back_in_time();
    }

    /// Anything else that a dishonest gateway does.
    pub(crate) fn bend(&self, bend: impl FnOnce(&mut Scenario)) {
        self.shared.soft.lock().unwrap().bend(bend);
    }

    /// Serves `document` as the manifest of that digest, whatever it hashes to.
    pub(crate) fn serve_manifest(&self, digest: Sha256Digest, document: &[u8]) {
        self.shared.manifests.lock().unwrap().insert(digest.to_hex(), document.to_vec());
    }

    /// A man in the middle: another TLS key, which nobody measured.
    pub(crate) fn impersonate(&self) {
        self.show_key(&certified_key());
    }

    fn show_key(&self, key: &CertifiedKey) {
        *self.shared.tls.lock().unwrap() = tls_with(key);
    }

    pub(crate) fn attestations(&self) -> usize {
        self.shared.attestations.load(Ordering::SeqCst)
    }

    /// How many handshakes were completed.
    pub(crate) fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }

    /// Every byte that came through TLS.
    pub(crate) fn received(&self) -> String {
        String::from_utf8_lossy(&self.shared.received.lock().unwrap()).into_owned()
    }

    /// The next request that is not about evidence.
    pub(crate) async fn request(&mut self) -> Exchange {
        soon("a request at the gateway", self.requests.recv()).await.unwrap()
    }

    /// From now on gives every request this answer.
    pub(crate) fn answer_all(&mut self, answer: &'static str) {
        let mut requests = std::mem::replace(&mut self.requests, mpsc::unbounded_channel().1);
        tokio::spawn(async move {
            while let Some(exchange) = requests.recv().await {
                tokio::spawn(answer_each(exchange, answer));
            }
        });
    }

    /// Whether no request but those for evidence has come, in whole or in part.
    pub(crate) fn saw_only_attestation(&self) -> bool {
        let received = self.received();
        let heads: Vec<_> = received.split_terminator("\r\n\r\n").collect();
        heads.iter().all(|head| head.starts_with("GET /attestation?nonce=")) && heads.len() == self.attestations()
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.server.abort();
    }
}

pub(crate) type CertifiedKey = rcgen::CertifiedKey<rcgen::KeyPair>;

fn certified_key() -> CertifiedKey {
    rcgen::generate_simple_self_signed(["gateway".to_owned()]).unwrap()
}

fn tls_with(key: &CertifiedKey) -> Arc<ServerConfig> {
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let config = config.with_protocol_versions(&[&TLS13]).unwrap().with_no_client_auth();
    let private = PrivatePkcs8KeyDer::from(key.signing_key.serialize_der());
    Arc::new(config.with_single_cert(vec![key.cert.der().clone()], private.into()).unwrap())
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    loop {
        let (tcp, _) = listener.accept().await.unwrap();
        let tls = Arc::clone(&shared.tls.lock().unwrap());
        let shared = Arc::clone(&shared);
        connections.spawn(async move {
            // A client that refuses the key ends the handshake.
            if let Ok(stream) = TlsAcceptor::from(tls).accept(tcp).await {
                shared.connections.fetch_add(1, Ordering::SeqCst);
                serve(Exchange { head: String::new(), stream, unread: Vec::new(), shared }).await;
            }
        });
    }
}

async fn answer_each(mut exchange: Exchange, answer: &'static str) {
    loop {
        exchange.answer(answer).await;
        let Some(next) = exchange.next().await else { return };
        exchange = next;
    }
}

async fn serve(exchange: Exchange) {
    let Some(mut exchange) = exchange.next().await else { return };
    if let Some(rest) = exchange.head.strip_prefix("GET /attestation/manifests/") {
        let digest = rest.split(' ').next().unwrap_or_default().to_owned();
        exchange.give_manifest(&digest).await;
        return;
    }
    let Some(nonce) = exchange.head.strip_prefix("GET /attestation?nonce=").and_then(|rest| rest.split(' ').next()) else {
        let requests = exchange.shared.requests.clone();
        let _ = requests.send(exchange);
        return;
    };
    exchange.shared.attestations.fetch_add(1, Ordering::SeqCst);
    let nonce = nonce.to_owned();
    exchange.attest(&nonce).await;
}

impl Exchange {
    /// The next request on the same connection, or nothing where it ended.
    pub(crate) async fn next(mut self) -> Option<Self> {
        loop {
            if let Some(end) = find(&self.unread, b"\r\n\r\n") {
                self.head = String::from_utf8(self.unread.drain(..end + 4).collect()).unwrap();
                return Some(self);
            }
            self.read_more().await?;
        }
    }

    async fn read_more(&mut self) -> Option<()> {
        let mut piece = [0; 4096];
        let length = self.stream.read(&mut piece).await.ok().filter(|length| *length > 0)?;
        self.shared.received.lock().unwrap().extend_from_slice(&piece[..length]);
        self.unread.extend_from_slice(&piece[..length]);
        Some(())
    }

    /// Reads on until the body as it is on the wire ends with `text`.
    pub(crate) async fn body_until(&mut self, text: &str) -> String {
        while !self.unread.ends_with(text.as_bytes()) {
            soon(text, self.read_more()).await.unwrap_or_else(|| panic!("the request ended before {text:?}"));
        }
        String::from_utf8(std::mem::take(&mut self.unread)).unwrap()
    }

    pub(crate) async fn answer(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).await.unwrap();
        self.stream.flush().await.unwrap();
    }

    /// Waits until the shim has closed the connection.
    pub(crate) async fn closed(mut self) {
        while soon("the shim to close the connection", self.read_more()).await.is_some() {}
    }

    /// Ends the connection as an orderly TLS peer does, close_notify included.
    pub(crate) async fn close(mut self) {
        let _ = self.stream.shutdown().await;
    }

    async fn attest(&mut self, nonce: &str) {
        let evidence = self.shared.evidence.lock().unwrap().clone();
        let honest = |nonce: &str| self.shared.soft.lock().unwrap().evidence(nonce);
        match evidence {
            Evidence::Honest => self.answer_with(&honest(nonce)).await,
            Evidence::Replayed(old) => self.answer_with(&honest(&old)).await,
            Evidence::Body(body) => self.answer_with(&body).await,
            Evidence::Status(status) => self.answer(format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n")).await,
            Evidence::CutOff => self.answer("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{\"ver").await,
            Evidence::Stall => {
                self.answer("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n").await;
                while self.read_more().await.is_some() {}
            }
            Evidence::Endless => {
                let _ = self.stream.write_all(b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n").await;
                while self.stream.write_all(&[b'{'; 65_536]).await.is_ok() {}
            }
        }
    }

    async fn give_manifest(&mut self, digest: &str) {
        let manifest = self.shared.manifests.lock().unwrap().get(digest).cloned();
        match manifest {
            Some(manifest) => self.answer_with(&manifest).await,
            None => self.answer("HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n").await,
        }
    }

    async fn answer_with(&mut self, body: &[u8]) {
        self.answer(format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len())).await;
        self.answer(body).await;
    }
}

fn find(bytes: &[u8], text: &[u8]) -> Option<usize> {
    bytes.windows(text.len()).position(|window| window == text)
}
