//! The OpenAI-compatible HTTP server, as a library that a test can start in-process.
//!
//! The modules follow the way of a request: [`config`] and [`tls`] set the server up, [`server`] listens, `routes` finds
//! the handler, [`admission`] lets the request in, [`openai`] reads it, `chat` makes it valid and answers it with the help
//! of [`text`], `receipt` signs the answer. [`attestation`] is the seam to whatever makes evidence; the engine's seam is
//! `blindllama_engine`.
//!
//! No content (prompts, answers) is logged, counted or kept in an error's `Debug`.

pub mod admission;
mod app;
pub mod attestation;
mod chat;
pub mod config;
mod health;
pub mod metrics;
mod models;
mod observe;
pub mod openai;
mod receipt;
mod request_body;
mod request_id;
mod routes;
pub mod server;
#[allow(dead_code, unused_imports, reason = "chat does not ask for constraints yet")]
mod structured;
pub mod text;
pub mod tls;

pub use app::{App, Limits, ModelError, ServedModel};
