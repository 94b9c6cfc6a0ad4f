//! The OpenAI-compatible HTTP server, as a library that a test can start in-process.
//!
//! The modules follow the way of a request: [`config`] and [`tls`] set the server up, [`server`] listens, `observe` sees every
//! request from its head to the end of its answer, `routes` finds the handler, [`admission`] lets the request in, [`openai`]
//! reads it; `chat`, `completions`, `responses`, `embeddings` and `tokenization` make it valid and answer it with the help of
//! `prompt`, `generation` and [`text`]; `receipt` signs the answer. `openapi` describes it all. [`attestation`] is the seam to whatever makes evidence; the
//! engine's seam is `blindllama_engine`.
//!
//! No content (prompts, answers) is logged, counted or kept in an error's `Debug`.

pub mod admission;
mod app;
pub mod attestation;
mod chat;
mod completions;
pub mod config;
mod connection;
mod content_coding;
pub mod cors;
mod cpu_pool;
mod departure;
mod embeddings;
mod event_stream;
mod exchange;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
mod generation;
mod health;
mod json_bounds;
pub mod metrics;
mod models;
mod observe;
pub mod openai;
mod openapi;
mod output;
mod parameters;
mod prompt;
mod random_id;
mod receipt;
mod remarks;
mod request_body;
mod request_id;
mod response_body;
mod responses;
mod routes;
mod send_deadline;
pub mod server;
mod speech;
mod structured;
pub mod text;
pub mod tls;
mod tokenization;
mod tool_choice;
mod version;
mod whole_answer;

pub use app::{App, Limits, ModelError, ServedModel};
