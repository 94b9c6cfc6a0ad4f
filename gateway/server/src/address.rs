//! The address to listen on: held from the start, opened once the gateway is ready.

use std::{
    io,
    net::{SocketAddr, TcpListener},
};

use tokio::net::TcpSocket;

use crate::error::GatewayError;

/// Connections that wait to be accepted, beyond which the kernel lets clients try again; it caps this at `net.core.somaxconn`.
const BACKLOG: u32 = 1024;

/// An address that is the gateway's already, although nothing listens on it: whoever connects is told so at once, and the
/// kernel gives its port to nobody's outgoing connection during the launch.
pub(crate) struct HeldAddress {
    address: SocketAddr,
    socket: TcpSocket,
}

impl HeldAddress {
    /// # Errors
    /// [`GatewayError::Listen`] if somebody else has the address, or this machine does not.
    pub(crate) fn hold(address: SocketAddr) -> Result<Self, GatewayError> {
        let socket = bind(address).map_err(|source| GatewayError::Listen { address, source })?;
        Ok(Self { address, socket })
    }

    /// Must be called within a Tokio runtime.
    ///
    /// # Errors
    /// [`GatewayError::Listen`] if another program that reuses addresses listens here by now.
    pub(crate) fn listen(self) -> Result<TcpListener, GatewayError> {
        let address = self.address;
        let listener = self.socket.listen(BACKLOG).and_then(tokio::net::TcpListener::into_std);
        listener.map_err(|source| GatewayError::Listen { address, source })
    }
}

fn bind(address: SocketAddr) -> io::Result<TcpSocket> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // Connections of a gateway that has just ended must not keep the next one out.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use std::net::TcpStream;

    use super::*;

    /// A held address with a port that the kernel chose.
    fn held() -> (HeldAddress, SocketAddr) {
        let held = HeldAddress::hold(([127, 0, 0, 1], 0).into()).unwrap();
        let address = held.socket.local_addr().unwrap();
        (held, address)
    }

    #[actix_web::test]
    async fn a_held_address_is_closed_until_it_is_listened_on() {
        let (held, address) = held();
        let refused = TcpStream::connect(address).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
        let listener = held.listen().unwrap();
        TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        assert_eq!(listener.local_addr().unwrap(), address);
    }

    #[test]
    fn a_held_address_is_nobody_elses() {
        let (_held, address) = held();
        let other = TcpSocket::new_v4().unwrap();
        assert_eq!(other.bind(address).unwrap_err().kind(), io::ErrorKind::AddrInUse);
    }

    #[test]
    fn an_address_that_is_listened_on_is_refused() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let error = HeldAddress::hold(listener.local_addr().unwrap()).err().unwrap();
        assert!(matches!(&error, GatewayError::Listen { source, .. } if source.kind() == io::ErrorKind::AddrInUse), "{error}");
    }
}
