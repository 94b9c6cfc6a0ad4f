//! The client that can send requests, which only a verified peer can give.

use std::{
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
    time::{Duration, Instant},
};

use blindllama_attest::verify::VerifiedPeer;
use bytes::Bytes;
use http::{Request, Response};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use rustls::ClientConfig;
use tokio::runtime::Handle;

pub use crate::connection::ConnectError;
use crate::{
    connection::{self, Connection},
    gateway_url::GatewayUrl,
    timeouts::Timeouts,
    tls,
};

/// The most idle connections that are kept.
const MAX_IDLE: usize = 32;

/// How long a connection may lie idle. A server closes one after its keep-alive time, and a request that crosses that close
/// on the wire is lost and must not be repeated: so the shim gives up first.
const MAX_IDLE_TIME: Duration = Duration::from_secs(3);

/// Sends requests to one verified gateway: its connections are pinned to the attested key and shared with no other client.
#[derive(Debug)]
pub struct PinnedClient {
    url: GatewayUrl,
    tls: Arc<ClientConfig>,
    timeouts: Timeouts,
    idle: Arc<IdleConnections>,
}

/// The only way to a client: the permit is the verified peer.
///
/// # Errors
/// What rustls finds wrong with its own set-up; nothing that depends on outside data.
pub fn connect(peer: &VerifiedPeer, url: &GatewayUrl, timeouts: Timeouts) -> Result<PinnedClient, rustls::Error> {
    let tls = tls::config_pinned_to(peer.binding().tls_spki_sha256)?;
    Ok(PinnedClient { url: url.clone(), tls, timeouts, idle: Arc::default() })
}

impl PinnedClient {
    /// An idle connection, or a new one. Nothing is sent yet, so a failure here can be answered by verifying anew.
    ///
    /// # Errors
    /// [`ConnectError`], and no byte of a request has left this machine.
    pub async fn connection(&self) -> Result<PinnedConnection, ConnectError> {
        if let Some(connection) = self.idle.take() {
            return Ok(PinnedConnection { connection, idle: Arc::clone(&self.idle), reused: true });
        }
        let connection = connection::open(&self.url, Arc::clone(&self.tls), self.timeouts).await?;
        Ok(PinnedConnection { connection, idle: Arc::clone(&self.idle), reused: false })
    }
}

/// A connection to the attested key, good for one request.
#[derive(Debug)]
pub struct PinnedConnection {
    connection: Connection<Incoming>,
    idle: Arc<IdleConnections>,
    reused: bool,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// The connection had gone before the request was handed to it: no byte was sent, and here is the request again.
    #[error("the connection was closed before the request was sent")]
    NotSent(Box<Request<Incoming>>),
    /// The request was sent at least in part, so it must not be sent again.
    #[error("the connection broke after the request was sent: {0}")]
    Interrupted(#[source] hyper::Error),
}

impl PinnedConnection {
    /// Whether an earlier request went over it: the gateway may have closed it since.
    #[must_use]
    pub const fn is_reused(&self) -> bool {
        self.reused
    }

    /// Sends the request and waits for the head of the answer. Dropping the future or the answer closes the connection.
    ///
    /// # Errors
    /// [`SendError`] says whether anything was sent.
    pub async fn send(mut self, request: Request<Incoming>) -> Result<Response<PinnedBody>, SendError> {
        match self.connection.sender.try_send_request(request).await {
            Ok(response) => Ok(response.map(|body| PinnedBody { body, ended: false, pinned: Some(self) })),
            Err(mut error) => Err(match error.take_message() {
                Some(request) => SendError::NotSent(Box::new(request)),
                None => SendError::Interrupted(error.into_error()),
            }),
        }
    }

    /// Keeps the connection for the next request, once the request's last byte is out as well.
    fn release(mut self) {
        let Ok(runtime) = Handle::try_current() else { return };
        runtime.spawn(async move {
            if self.connection.sender.ready().await.is_ok() {
                self.idle.put(self.connection);
            }
        });
    }
}

/// The body of an answer, as it arrives. Dropped before its end it closes the connection, so the gateway notices at once.
#[derive(Debug)]
pub struct PinnedBody {
    body: Incoming,
    ended: bool,
    pinned: Option<PinnedConnection>,
}

impl Body for PinnedBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let frame = Pin::new(&mut self.body).poll_frame(context);
        self.ended |= matches!(frame, Poll::Ready(None));
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for PinnedBody {
    fn drop(&mut self) {
        if let Some(pinned) = self.pinned.take().filter(|_| self.ended || self.body.is_end_stream()) {
            pinned.release();
        }
    }
}

/// Connections that wait for a request, the most recently used on top.
#[derive(Debug, Default)]
struct IdleConnections(Mutex<Vec<(Instant, Connection<Incoming>)>>);

impl IdleConnections {
    fn take(&self) -> Option<Connection<Incoming>> {
        let mut idle = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain(|(since, connection)| since.elapsed() < MAX_IDLE_TIME && connection.sender.is_ready());
        idle.pop().map(|(_, connection)| connection)
    }

    fn put(&self, connection: Connection<Incoming>) {
        let mut idle = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < MAX_IDLE {
            idle.push((Instant::now(), connection));
        }
    }
}
