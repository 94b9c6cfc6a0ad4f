//! The gateway's address.

use std::{fmt, str::FromStr};

use http::{Uri, uri::Scheme};
use rustls::pki_types::ServerName;

/// The port of `https` (RFC 9110, section 4.2.2).
const HTTPS_PORT: u16 = 443;

/// Where the gateway listens: `https://HOST[:PORT]`, nothing else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GatewayUrl {
    host: String,
    port: u16,
    server_name: ServerName<'static>,
}

/// The text was not the address of a gateway.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidGatewayUrl {
    /// Not a URL with scheme and host.
    #[error("{0:?} is no URL such as https://gateway.example:8443")]
    Malformed(String),
    /// A scheme other than `https`.
    #[error("the gateway must be reached over TLS: use https://, not {0}://")]
    NotHttps(String),
    /// A path, query or fragment: the shim forwards paths as they are, so a prefix would be dropped in silence.
    #[error("the gateway's URL has no path, query or fragment: {0:?} is too much")]
    NotAnOrigin(String),
    /// User name or password in the URL.
    #[error("the gateway's URL takes no user name or password: the API key belongs into the client")]
    UserInfo,
}

impl GatewayUrl {
    /// The host as TLS names it: sent as SNI where it is a name. It proves nothing; the attested key does.
    #[must_use]
    pub fn server_name(&self) -> ServerName<'static> {
        self.server_name.clone()
    }

    /// Host (an IPv6 address without brackets) and port, for the resolver.
    #[must_use]
    pub fn socket_target(&self) -> (&str, u16) {
        (self.host.trim_start_matches('[').trim_end_matches(']'), self.port)
    }

    /// The value of the `Host` header (RFC 9110, section 7.2): the port only where it is not the scheme's own.
    #[must_use]
    pub fn authority(&self) -> String {
        if self.port == HTTPS_PORT { self.host.clone() } else { format!("{}:{}", self.host, self.port) }
    }
}

impl fmt::Display for GatewayUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "https://{}", self.authority())
    }
}

impl FromStr for GatewayUrl {
    type Err = InvalidGatewayUrl;

    fn from_str(text: &str) -> Result<Self, InvalidGatewayUrl> {
        let malformed = || InvalidGatewayUrl::Malformed(text.to_owned());
        let uri: Uri = text.parse().map_err(|_| malformed())?;
        let scheme = uri.scheme().ok_or_else(malformed)?;
        if *scheme != Scheme::HTTPS {
            return Err(InvalidGatewayUrl::NotHttps(scheme.to_string()));
        }
        let authority = uri.authority().ok_or_else(malformed)?;
        if authority.as_str().contains('@') {
            return Err(InvalidGatewayUrl::UserInfo);
        }
        // `http::Uri` forgets a fragment, so it is looked for in the text.
        if uri.path() != "/" || uri.query().is_some() || text.contains('#') {
            return Err(InvalidGatewayUrl::NotAnOrigin(text.to_owned()));
        }
        let port = match authority.port() {
            Some(port) => port.as_u16(),
            None if authority.as_str() == authority.host() => HTTPS_PORT,
            None => return Err(malformed()),
        };
        let host = authority.host().to_ascii_lowercase();
        let server_name = ServerName::try_from(host.trim_start_matches('[').trim_end_matches(']').to_owned());
        Ok(Self { port, server_name: server_name.map_err(|_| malformed())?, host })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_an_origin() {
        let url: GatewayUrl = "https://Gateway.Example:8443/".parse().unwrap();
        assert_eq!(url.socket_target(), ("gateway.example", 8443));
        assert_eq!(url.authority(), "gateway.example:8443");
        assert_eq!(url.to_string(), "https://gateway.example:8443");
        let default: GatewayUrl = "https://gateway.example".parse().unwrap();
        assert_eq!((default.socket_target().1, default.authority().as_str()), (443, "gateway.example"));
        let six: GatewayUrl = "https://[::1]:8443".parse().unwrap();
        assert_eq!((six.socket_target(), six.authority().as_str()), (("::1", 8443), "[::1]:8443"));
    }

    #[test]
    fn refuses_everything_else() {
        let refused = |text: &str| text.parse::<GatewayUrl>().unwrap_err();
        assert_eq!(refused("http://gateway"), InvalidGatewayUrl::NotHttps("http".into()));
        assert!(refused("http://gateway").to_string().starts_with("the gateway must be reached over TLS"));
        assert_eq!(refused("https://user:word@gateway"), InvalidGatewayUrl::UserInfo);
        for text in ["https://gateway/v1", "https://gateway/?a", "https://gateway/#a", "https://gateway?"] {
            assert!(matches!(refused(text), InvalidGatewayUrl::NotAnOrigin(_)), "{text}");
        }
        for text in ["gateway", "gateway:8443", "/v1", "", "https://", "https://gateway:", "https://gateway:99999", "https://a b"]
        {
            assert!(matches!(refused(text), InvalidGatewayUrl::Malformed(_) | InvalidGatewayUrl::NotHttps(_)), "{text}");
        }
    }
}
