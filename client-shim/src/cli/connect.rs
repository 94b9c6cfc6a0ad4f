//! `blindllama connect`: the proxy, until it is told to stop.

use std::{io, net::SocketAddr};

use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
};

use super::{ConnectOptions, Outcome, attester, report, style};
use crate::{
    proxy::{self, Clients},
    session::Session,
};

pub(super) async fn run(options: ConnectOptions) -> Outcome {
    let clients = if options.allow_remote_clients { Clients::Remote } else { Clients::Local };
    let session = match attester(options.peer) {
        Ok(attester) => Session::new(attester),
        Err(outcome) => return outcome,
    };
    match serve(options.listen, session, clients).await {
        Ok(()) => Outcome::Verified,
        Err(error) => report::failure(&format!("cannot serve on {}", options.listen), &error, Outcome::Local),
    }
}

async fn serve(listen: SocketAddr, session: Session, clients: Clients) -> io::Result<()> {
    let listener = TcpListener::bind(listen).await?;
    let stop = stop_signal()?;
    let address = listener.local_addr()?;
    let announcing = session.clone();
    let announcement = tokio::spawn(async move { announce(&announcing, address).await });
    let served = proxy::serve(listener, session, clients, stop).await;
    announcement.abort();
    served
}

/// Verifies at once, so that the first request need not wait and the user knows. A refusal does not stop the proxy: it answers
/// every request with the refusal, and verifies again when one comes.
async fn announce(session: &Session, address: SocketAddr) {
    let style = style::for_stdout();
    let attester = session.attester();
    report::say(&format!("listening on http://{address}, verifying {} …", attester.url()));
    match session.verified().await {
        Ok(gateway) => report::say(&report::summary(gateway.peer(), style)),
        Err(refusal) => report::say(&report::refusal(&refusal, attester.policy(), style)),
    }
    report::say(&format!("OpenAI clients: base_url=\"http://{address}/v1\""));
}

fn stop_signal() -> io::Result<impl Future<Output = ()> + Send> {
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    Ok(async move {
        tokio::select! { _ = interrupt.recv() => {}, _ = terminate.recv() => {} }
    })
}
