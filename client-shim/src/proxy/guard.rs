//! Keeps web pages, and clients that could not tell a cut answer from a whole one, out.
//!
//! Any page that the user's browser shows can send requests to the loopback interface, and with DNS rebinding it can read the
//! answers as well. Two marks give it away: an `Origin` header (Fetch, section 3.2), and a `Host` that is a name of its own
//! (RFC 9110, section 7.2). OpenAI clients send neither.

use std::net::IpAddr;

use http::{HeaderMap, HeaderName, Request, Version, header, uri::Authority};

/// Who may use the shim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Clients {
    /// Programs on this machine.
    Local,
    /// Other machines as well, over plain HTTP.
    Remote,
}

/// Browsers send it with every request, those without an `Origin` too (W3C Fetch Metadata, section 2.2).
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// What a request must look like to be answered.
#[derive(Debug)]
pub(super) struct Guard {
    clients: Clients,
}

/// Why a request is not answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Forbidden {
    #[error("Requests from browsers are refused: this one carries an Origin or Sec-Fetch-Site header.")]
    Origin,
    #[error(
        "The Host header must be this proxy's own address, such as 127.0.0.1 or localhost: a name of any other kind could belong to a web page."
    )]
    Host,
    #[error("HTTP/1.0 is refused: it cannot tell an answer that was cut short from a whole one. Use HTTP/1.1.")]
    OldHttp,
}

impl Guard {
    pub(super) const fn new(clients: Clients) -> Self {
        Self { clients }
    }

    pub(super) fn admit<B>(&self, request: &Request<B>) -> Result<(), Forbidden> {
        if request.version() != Version::HTTP_11 {
            return Err(Forbidden::OldHttp);
        }
        if request.headers().contains_key(header::ORIGIN) || request.headers().contains_key(SEC_FETCH_SITE) {
            return Err(Forbidden::Origin);
        }
        let host = sole_host(request.headers()).ok_or(Forbidden::Host)?;
        if self.is_mine(&host) { Ok(()) } else { Err(Forbidden::Host) }
    }

    /// An address cannot be rebound, a name can; `localhost` never leaves the machine (RFC 6761, section 6.3). Any port will
    /// do: a page's own name gives it away, and a forwarded port differs from the one listened on.
    fn is_mine(&self, host: &Authority) -> bool {
        let name = host.host();
        let address = name.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
        let mine = match (address, self.clients) {
            (Ok(address), Clients::Local) => address.to_canonical().is_loopback(),
            (Ok(_), Clients::Remote) => true,
            (Err(_), _) => name.eq_ignore_ascii_case("localhost"),
        };
        mine && !host.as_str().contains('@')
    }
}

fn sole_host(headers: &HeaderMap) -> Option<Authority> {
    let mut hosts = headers.get_all(header::HOST).iter();
    let host = hosts.next()?;
    if hosts.next().is_some() { None } else { Authority::try_from(host.as_bytes()).ok() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admit(clients: Clients, headers: &[(&str, &str)]) -> Result<(), Forbidden> {
        let mut request = Request::get("/v1/models");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        Guard::new(clients).admit(&request.body(()).unwrap())
    }

    #[test]
    fn own_names_are_admitted() {
        for host in ["127.0.0.1:8080", "127.0.0.1", "localhost:8080", "LocalHost:8080", "[::1]:8080", "127.9.9.9:8080"] {
            assert_eq!(admit(Clients::Local, &[("host", host)]), Ok(()), "{host}");
        }
        assert_eq!(admit(Clients::Remote, &[("host", "192.0.2.1:8080")]), Ok(()));
    }

    #[test]
    fn other_names_are_not() {
        for host in ["evil.example:8080", "localhost.evil.example:8080", "192.0.2.1:8080", "", "a@localhost:8080"] {
            assert_eq!(admit(Clients::Local, &[("host", host)]), Err(Forbidden::Host), "{host}");
        }
        assert_eq!(admit(Clients::Local, &[]), Err(Forbidden::Host));
        assert_eq!(admit(Clients::Local, &[("host", "localhost:8080"), ("host", "localhost:8080")]), Err(Forbidden::Host));
        assert_eq!(admit(Clients::Remote, &[("host", "evil.example:8080")]), Err(Forbidden::Host));
    }

    #[test]
    fn pages_and_old_clients_are_not() {
        let page = [("host", "localhost:8080"), ("origin", "http://localhost:8080")];
        assert_eq!(admit(Clients::Local, &page), Err(Forbidden::Origin));
        let image = [("host", "localhost:8080"), ("sec-fetch-site", "cross-site")];
        assert_eq!(admit(Clients::Local, &image), Err(Forbidden::Origin));
        let old = Request::get("/v1/models").version(Version::HTTP_10).header("host", "localhost:8080").body(()).unwrap();
        assert_eq!(Guard::new(Clients::Local).admit(&old), Err(Forbidden::OldHttp));
    }
}
