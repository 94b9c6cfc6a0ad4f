//! A gateway that does as told, the shim in front of it, and clients that say exactly what they are told to say.

mod client;
mod evidence;
mod folder;
mod gateway;
mod shim;

use std::time::Duration;

pub(crate) use client::{Client, Reply};
pub(crate) use evidence::SoftGateway;
pub(crate) use folder::{Folder, policy_text, with_revision};
pub(crate) use gateway::{Evidence, Exchange, Gateway, unreachable_url};
pub(crate) use shim::Shim;

/// What must never reach a gateway that is not verified.
pub(crate) const CANARY: &str = "canary-7f3a: the patient's name is";

/// Fails the test rather than hanging it.
pub(crate) async fn soon<T>(what: &str, event: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(10), event).await.unwrap_or_else(|_| panic!("waited in vain for {what}"))
}
