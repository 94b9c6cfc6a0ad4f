//! One HTTP/1.1 connection to the gateway.

use std::{io, sync::Arc};

use blindllama_attest::digest::Sha256Digest;
use bytes::Bytes;
use hyper::{
    body::Body,
    client::conn::http1::{self, SendRequest},
};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use tokio::{net::TcpStream, task::JoinHandle, time::timeout};
use tokio_rustls::{TlsConnector, client::TlsStream};

use crate::{gateway_url::GatewayUrl, timeouts::Timeouts, tls};

/// An open connection; dropping it closes it at once, even in the middle of an answer.
#[derive(Debug)]
pub(crate) struct Connection<B> {
    pub(crate) sender: SendRequest<B>,
    /// SHA-256 of the SubjectPublicKeyInfo of the key that this connection's handshake was signed with.
    pub(crate) spki_sha256: Sha256Digest,
    _driver: Driver,
}

/// The task that moves bytes between the socket and the request.
#[derive(Debug)]
struct Driver(JoinHandle<()>);

impl Drop for Driver {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// No connection, and nothing was sent.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// Not reachable by TCP, or the connection ended during the handshake.
    #[error("the gateway cannot be reached: {0}")]
    Unreachable(#[source] io::Error),
    /// The connection was not there in time.
    #[error("the gateway did not accept a connection within {seconds} s", seconds = .0.connect.as_secs_f32())]
    TimedOut(Timeouts),
    /// The server proved to have a key, but not the attested one.
    #[error("the gateway's TLS key is not the attested one")]
    WrongKey,
    /// TLS 1.3 could not be agreed on, or the server does not hold the key of its certificate.
    #[error("the TLS 1.3 handshake failed: {0}")]
    Handshake(#[source] rustls::Error),
}

/// Opens a connection to `url` with `tls` in `timeouts.connect`.
pub(crate) async fn open<B>(url: &GatewayUrl, tls: Arc<ClientConfig>, timeouts: Timeouts) -> Result<Connection<B>, ConnectError>
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let stream = timeout(timeouts.connect, secured(url, tls)).await.map_err(|_| ConnectError::TimedOut(timeouts))??;
    let spki_sha256 = server_key(&stream)?;
    let (sender, connection) =
        http1::handshake(TokioIo::new(stream)).await.map_err(|error| ConnectError::Unreachable(io::Error::other(error)))?;
    let _driver = Driver(tokio::spawn(async move {
        // How the connection ended is told to the request or the body that was on it.
        let _ = connection.await;
    }));
    Ok(Connection { sender, spki_sha256, _driver })
}

async fn secured(url: &GatewayUrl, tls: Arc<ClientConfig>) -> Result<TlsStream<TcpStream>, ConnectError> {
    let tcp = TcpStream::connect(url.socket_target()).await.map_err(ConnectError::Unreachable)?;
    // A request is written at once and its answer awaited: waiting to fill a segment only adds latency.
    tcp.set_nodelay(true).map_err(ConnectError::Unreachable)?;
    TlsConnector::from(tls).connect(url.server_name(), tcp).await.map_err(handshake_error)
}

fn handshake_error(error: io::Error) -> ConnectError {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        Some(inner) if tls::is_wrong_key(inner) => ConnectError::WrongKey,
        Some(inner) => ConnectError::Handshake(inner.clone()),
        None => ConnectError::Unreachable(error),
    }
}

fn server_key(stream: &TlsStream<TcpStream>) -> Result<Sha256Digest, ConnectError> {
    let (_, session) = stream.get_ref();
    let certificate = session.peer_certificates().and_then(|chain| chain.first());
    let certificate = certificate.ok_or(ConnectError::Handshake(rustls::Error::NoCertificatesPresented))?;
    tls::spki_sha256(certificate).map_err(ConnectError::Handshake)
}
