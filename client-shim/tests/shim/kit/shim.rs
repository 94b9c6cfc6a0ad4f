//! The shim, in this process.

use std::{net::SocketAddr, time::Duration};

use blindllama_attest::policy::Policy;
use blindllama_shim::{
    attestation::Attester,
    gateway_url::GatewayUrl,
    proxy::{self, Clients},
    session::Session,
    timeouts::Timeouts,
};
use tokio::{net::TcpListener, task::JoinHandle};

use super::{Client, Reply};

/// Short enough for a test to wait for, long enough for a loaded machine.
pub(crate) const SHORT: Timeouts =
    Timeouts { connect: Duration::from_secs(5), evidence: Duration::from_secs(2), retry: Duration::from_millis(200) };

/// A running shim; dropped, it stops.
pub(crate) struct Shim {
    pub(crate) address: SocketAddr,
    task: JoinHandle<()>,
}

impl Shim {
    pub(crate) async fn start(gateway: GatewayUrl, policy: Policy) -> Self {
        Self::start_with(gateway, policy, SHORT).await
    }

    pub(crate) async fn start_with(gateway: GatewayUrl, policy: Policy, timeouts: Timeouts) -> Self {
        let session = Session::new(Attester::new(gateway, policy, timeouts).unwrap());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let task = tokio::spawn(async move {
            proxy::serve(listener, session, Clients::Local, std::future::pending()).await.unwrap();
        });
        Self { address, task }
    }

    pub(crate) async fn client(&self) -> Client {
        Client::to(self.address).await
    }

    /// One request without a body, and what comes back.
    pub(crate) async fn get(&self, path: &str) -> Reply {
        let mut client = self.client().await;
        client.get(path).await;
        client.reply().await
    }

    /// Sends the canary and waits for whatever comes back.
    pub(crate) async fn canary(&self) -> Reply {
        let mut client = self.client().await;
        client.send_canary().await;
        client.reply().await
    }
}

impl Drop for Shim {
    fn drop(&mut self) {
        self.task.abort();
    }
}
