//! The test kit: real programs under test, and the adversaries around them. Never part of a release build.

pub mod evidence_relay;
pub mod firmware;
pub mod gateway;
pub mod http;
pub mod lab;
pub mod process;
pub mod project;
pub mod reserved_address;
pub mod shim;
pub mod software_tpm;
pub mod tpm_proxy;
