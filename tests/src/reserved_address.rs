//! An address for a program under test that nobody else gets before the program has it.

use std::net::{Ipv4Addr, SocketAddr};

use tokio::net::TcpSocket;

/// An address of the loopback interface, bound and not listened on as long as this lives. The kernel gives its port to no
/// connection and to nobody who asks for any port; a program that is told the port listens on it, since all servers reuse
/// addresses (`SO_REUSEADDR`). A port that was only looked for is often somebody's connection by the time a model is loaded.
pub struct ReservedAddress {
    socket: TcpSocket,
}

impl ReservedAddress {
    /// Reserves an address that is free.
    ///
    /// # Panics
    /// If none is.
    #[must_use]
    pub fn reserve() -> Self {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.set_reuseaddr(true).expect("a fresh socket");
        socket.bind((Ipv4Addr::LOCALHOST, 0).into()).expect("a free port");
        Self { socket }
    }

    /// The address.
    #[must_use]
    pub fn get(&self) -> SocketAddr {
        self.socket.local_addr().expect("a bound socket")
    }
}
