//! The local HTTP/1.1 server that OpenAI clients talk to.

mod forward;
mod guard;
mod headers;
mod reply;

use std::{convert::Infallible, net::SocketAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::{Either, Full};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::sleep,
};

pub use guard::Clients;
use guard::Guard;

use crate::{client::PinnedBody, session::Session};

/// How long the listener rests when no connection can be accepted, which mostly means that no file descriptor is free.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Either what the gateway sends, as it arrives, or a short answer of the shim's own.
type Body = Either<PinnedBody, Full<Bytes>>;

/// Serves local clients until `stop` resolves; connections that are still open then are cut, never ended cleanly.
///
/// # Errors
/// The listener has no address.
pub async fn serve(
    listener: TcpListener,
    session: Session,
    clients: Clients,
    stop: impl Future<Output = ()> + Send,
) -> std::io::Result<()> {
    let guard = Guard::new(clients);
    let shim = Arc::new(Shim { session, guard });
    let mut connections = JoinSet::new();
    let mut stop = std::pin::pin!(stop);
    loop {
        tokio::select! {
            () = &mut stop => return Ok(()),
            accepted = listener.accept() => match accepted {
                Ok((stream, _client)) => drop(connections.spawn(Arc::clone(&shim).connection(stream))),
                Err(error) => {
                    tracing::warn!("a local connection could not be accepted: {error}");
                    sleep(ACCEPT_PAUSE).await;
                }
            },
            Some(_ended) = connections.join_next() => {}
        }
    }
}

/// Whether a listener on `address` can be reached from this machine only.
#[must_use]
pub fn is_local(address: SocketAddr) -> bool {
    address.ip().to_canonical().is_loopback()
}

struct Shim {
    session: Session,
    guard: Guard,
}

impl Shim {
    async fn connection(self: Arc<Self>, stream: TcpStream) {
        // Tokens are small and wanted at once.
        let _ = stream.set_nodelay(true);
        let service = service_fn(|request| {
            let shim = Arc::clone(&self);
            async move {
                let mut response = shim.answer(request).await;
                headers::state_weakened(response.headers_mut(), shim.session.attester().policy());
                Ok::<_, Infallible>(response)
            }
        });
        // A client that goes away ends this future, and with it the request that it drives.
        let served = http1::Builder::new().timer(TokioTimer::new()).serve_connection(TokioIo::new(stream), service).await;
        if let Err(error) = served {
            tracing::debug!("a local connection ended early: {error}");
        }
    }

    async fn answer(&self, request: Request<Incoming>) -> Response<Body> {
        if let Err(refused) = self.guard.admit(&request) {
            return reply::forbidden(refused).map(Either::Right);
        }
        match (request.method(), request.uri().path()) {
            (&Method::GET, "/livez") => reply::alive().map(Either::Right),
            (_, path) if forward::is_forwarded(path) => match forward::forward(&self.session, request).await {
                Ok(response) => response.map(Either::Left),
                Err(failure) => reply::failure(&failure).map(Either::Right),
            },
            _ => reply::not_found().map(Either::Right),
        }
    }
}
