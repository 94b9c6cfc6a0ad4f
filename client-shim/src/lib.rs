//! The local verifying proxy of BlindLlama.
//!
//! An OpenAI client talks plain HTTP to this proxy on the loopback interface; the proxy talks TLS 1.3 to the gateway, and only
//! after the gateway's evidence passed the user's policy. The order in which the modules build on each other is the order of
//! trust: [`attestation`] turns an address into a `VerifiedPeer`, [`client::connect`] turns that into the only kind of client
//! that can send a request, [`session`] keeps both fresh, [`proxy`] forwards through them.

pub mod activation;
pub mod attestation;
pub mod cli;
pub mod client;
mod connection;
pub mod evidence_client;
pub mod gateway_url;
pub mod policy;
pub mod proxy;
pub mod refusal;
pub mod saved_evidence;
pub mod session;
pub mod stopwatch;
pub mod timeouts;
mod tls;
