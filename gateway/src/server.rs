//! The server: TLS in front of the routes, on a listener that the caller gives.

use std::{
    io,
    net::{SocketAddr, TcpListener},
    num::NonZeroUsize,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use actix_web::{App as ActixApp, HttpServer, dev, middleware::from_fn, web};

use crate::{
    App,
    connection::{bound_open, count_open},
    cors::AllowedOrigins,
    observe::{observe, render_errors},
    receipt::number_requests,
    routes,
    tls::ServerIdentity,
};

/// Seconds that answers in progress get to finish when the server stops.
const SHUTDOWN_TIMEOUT_SECONDS: u64 = 30;

/// How long an idle HTTP/1.1 connection stays open, longer than clients keep theirs; and how often HTTP/2 asks whether the
/// client is there.
const KEEP_ALIVE: Duration = Duration::from_secs(75);

/// A server that runs as long as it is polled; it resolves once stopped.
pub struct Server {
    server: dev::Server,
    address: SocketAddr,
}

/// Stops a [`Server`] from elsewhere.
#[derive(Clone)]
pub struct StopHandle(dev::ServerHandle);

/// The server could not be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The listener cannot be used.
    #[error("the listener cannot be used: {0}")]
    Listener(#[from] io::Error),
    /// The TLS configuration was refused.
    #[error("TLS cannot be configured: {0}")]
    Tls(#[from] rustls::Error),
}

/// How the server serves.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Threads that serve connections.
    pub workers: NonZeroUsize,
    /// The web pages that may call from a browser.
    pub allow_origins: AllowedOrigins,
}

/// Serves `app` on `listener` over TLS 1.3, with HTTP/2 or HTTP/1.1. Signals are left to the caller.
///
/// # Errors
/// [`StartError`] if the listener or the TLS configuration cannot be used.
pub fn serve(app: App, listener: TcpListener, identity: &ServerIdentity, settings: Settings) -> Result<Server, StartError> {
    let Settings { workers, allow_origins } = settings;
    let address = listener.local_addr()?;
    let (app, signer) = (web::Data::new(app), web::Data::from(identity.receipt_signer()));
    let seal = web::Data::from(identity.reasoning_seal());
    let factory = move || {
        // What comes last is outermost.
        ActixApp::new()
            .app_data(app.clone())
            .app_data(signer.clone())
            .app_data(seal.clone())
            .configure(routes::configure)
            .wrap(from_fn(render_errors))
            .wrap(allow_origins.middleware())
            .wrap(from_fn(bound_open))
            .wrap(from_fn(observe))
    };
    let server = HttpServer::new(factory)
        .workers(workers.get())
        .keep_alive(KEEP_ALIVE)
        // A token goes out at once, and does not wait until the client has acknowledged the one before (RFC 896), which takes
        // Linux up to 40 ms.
        .tcp_nodelay(true)
        .disable_signals()
        .on_connect(|connection, data| {
            number_requests(connection, data);
            count_open(connection, data);
        })
        .shutdown_timeout(SHUTDOWN_TIMEOUT_SECONDS)
        // A client that closes its side has gone. Otherwise the answer to it would be generated to the end.
        .h1_allow_half_closed(false)
        .listen_rustls_0_23(listener, identity.rustls_config()?)?
        .run();
    Ok(Server { server, address })
}

impl Server {
    /// The address that is listened on.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// A handle that stops this server.
    #[must_use]
    pub fn stop_handle(&self) -> StopHandle {
        StopHandle(self.server.handle())
    }
}

impl Future for Server {
    type Output = io::Result<()>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.server).poll(context)
    }
}

impl StopHandle {
    /// Takes no more connections and waits up to half a minute for answers in progress.
    pub async fn stop(&self) {
        self.0.stop(true).await;
    }
}
