//! The gateway in-process: real TLS, a real tokenizer and template, a scripted engine.

#[cfg(test)]
mod adapters;
#[cfg(test)]
mod answers;
#[cfg(test)]
mod attestation;
#[cfg(test)]
mod bad_input;
#[cfg(test)]
mod chat;
#[cfg(test)]
mod client;
#[cfg(test)]
mod completions;
#[cfg(test)]
mod cors;
#[cfg(test)]
mod disconnect;
#[cfg(test)]
mod embeddings;
#[cfg(test)]
mod engine;
#[cfg(test)]
mod harness;
#[cfg(test)]
mod http2;
#[cfg(test)]
mod load;
#[cfg(test)]
mod log;
#[cfg(test)]
mod openapi;
#[cfg(test)]
mod operations;
#[cfg(test)]
mod receipts;
#[cfg(test)]
mod request_coding;
#[cfg(test)]
mod responses;
#[cfg(test)]
mod streaming;
#[cfg(test)]
mod templates;
#[cfg(test)]
mod tokenization;
#[cfg(test)]
mod tools;
