//! Headers that belong to one connection, and those that the shim adds.

use blindllama_attest::{
    policy::{Policy, Weakening},
    verify::VerifiedPeer,
};
use http::{HeaderMap, HeaderName, HeaderValue, header};

/// The binding digest of the gateway that an answer came from, as verified by the shim.
const VERIFIED: HeaderName = HeaderName::from_static("x-blindllama-verified");

/// The checks that the policy weakens, by their names in the policy.
const WEAKENED: HeaderName = HeaderName::from_static("x-blindllama-weakened");

/// Not forwarded in either direction: RFC 9110, section 7.6.1, and the credentials of section 11.7 that are for this hop.
const HOP_BY_HOP: [HeaderName; 8] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    header::TE,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
];

/// Removes what is meant for this connection only, including whatever `Connection` names.
pub(super) fn remove_hop_by_hop(headers: &mut HeaderMap) {
    let values = headers.get_all(header::CONNECTION).iter().filter_map(|value| value.to_str().ok());
    let named: Vec<HeaderName> = values.flat_map(|value| value.split(',')).filter_map(|name| name.trim().parse().ok()).collect();
    for name in HOP_BY_HOP.into_iter().chain(named) {
        headers.remove(name);
    }
}

/// Names the verified gateway in its answer, over whatever the gateway itself says under that name.
pub(super) fn state_verified(headers: &mut HeaderMap, peer: &VerifiedPeer) {
    headers.remove(VERIFIED);
    if let Ok(verified) = HeaderValue::try_from(format!("sha256:{}", peer.binding_digest().digest())) {
        headers.insert(VERIFIED, verified);
    }
}

/// Names what the policy weakens, over whatever the gateway says under that name.
pub(super) fn state_weakened(headers: &mut HeaderMap, policy: &Policy) {
    headers.remove(WEAKENED);
    let codes: Vec<_> = policy.weakenings().into_iter().map(Weakening::code).collect();
    if let (false, Ok(codes)) = (codes.is_empty(), HeaderValue::try_from(codes.join(", "))) {
        headers.insert(WEAKENED, codes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hop_by_hop_headers_go_and_others_stay() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("connection", "close, X-Session"),
            ("connection", "keep-alive"),
            ("x-session", "1"),
            ("keep-alive", "timeout=5"),
            ("te", "trailers"),
            ("transfer-encoding", "chunked"),
            ("upgrade", "websocket"),
            ("proxy-authorization", "Basic eA=="),
            ("authorization", "Bearer key"),
            ("content-length", "3"),
        ] {
            headers.append(name, value.parse().unwrap());
        }
        remove_hop_by_hop(&mut headers);
        let mut left: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
        left.sort_unstable();
        assert_eq!(left, ["authorization", "content-length"]);
    }
}
