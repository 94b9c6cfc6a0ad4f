//! The OpenAI-compatible HTTP server, as a library that a test can start in-process.
//!
//! The modules follow the way of a request: [`config`] and [`tls`] set the server up, [`server`] listens, `observe` sees every
//! request from its head to the end of its answer, `routes` finds the handler, [`admission`] lets the request in, [`openai`]
//! reads it, `chat` or `responses` makes it valid and answers it with the help of [`text`], `receipt` signs the answer.
//! [`attestation`] is the seam to whatever makes evidence; the engine's seam is `blindllama_engine`.
//!
//! No content (prompts, answers) is logged, counted or kept in an error's `Debug`.

pub mod admission;
mod app;
pub mod attestation;
mod chat;
pub mod config;
mod connection;
mod content_coding;
pub mod cors;
mod cpu_pool;
mod departure;
mod exchange;
mod generation;
mod health;
pub mod metrics;
mod models;
mod observe;
pub mod openai;
mod output;
mod parameters;
mod prompt;
mod receipt;
mod request_body;
mod request_id;
mod responses;
mod routes;
pub mod server;
mod speech;
mod structured;
pub mod text;
pub mod tls;
mod tool_choice;
mod version;

pub use app::{App, Limits, ModelError, ServedModel};
