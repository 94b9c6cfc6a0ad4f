//! The part of the configuration that is measured.

use std::collections::BTreeSet;

use blindllama_attest::canonical_json::{NotCanonical, to_canonical_json};
use serde::Serialize;
use serde_json::{Map, Value};

use super::{AdapterName, ApiConfig, Device, FormatChoice, GatewayConfig, LimitsConfig, PcrIndex, ReasoningFormat, ToolFormat};
use crate::cors::AllowedOrigins;

/// What the configuration means, without what differs between hosts of one release: addresses, paths, the number of
/// threads and the way to the TPM stay out, so that one release has one digest everywhere.
#[derive(Serialize)]
struct Measured<'a> {
    version: u32,
    server: MeasuredServer,
    http: MeasuredHttp<'a>,
    model: MeasuredModel<'a>,
    engine: MeasuredEngine<'a>,
    api: &'a ApiConfig,
    limits: &'a LimitsConfig,
    tpm: MeasuredTpm<'a>,
}

#[derive(Serialize)]
struct MeasuredServer {
    max_body_bytes: usize,
}

/// Which pages may read answers in a user's browser is a promise to that user.
#[derive(Serialize)]
struct MeasuredHttp<'a> {
    cors_allow_origins: &'a AllowedOrigins,
}

#[derive(Serialize)]
struct MeasuredModel<'a> {
    name: String,
    tool_call_parser: FormatChoice<ToolFormat>,
    reasoning_parser: FormatChoice<ReasoningFormat>,
    /// What is behind the names is in the weights' manifest.
    adapters: BTreeSet<&'a AdapterName>,
}

#[derive(Serialize)]
struct MeasuredEngine<'a> {
    device: Device,
    own_process: bool,
    max_requests: usize,
    vllm: &'a Map<String, Value>,
}

#[derive(Serialize)]
struct MeasuredTpm<'a> {
    pcrs: &'a BTreeSet<PcrIndex>,
    application_pcr: PcrIndex,
    identity_pcr: PcrIndex,
}

impl GatewayConfig {
    /// The configuration's meaning as canonical JSON (RFC 8785): the document that the `config` event measures.
    ///
    /// # Errors
    /// [`NotCanonical`] if an engine argument is a number beyond ±2^53.
    pub fn measured(&self) -> Result<Vec<u8>, NotCanonical> {
        to_canonical_json(&Measured {
            version: 1,
            server: MeasuredServer { max_body_bytes: self.server.max_body_bytes.get() },
            http: MeasuredHttp { cors_allow_origins: &self.http.cors.allow_origins },
            model: MeasuredModel {
                name: self.model.served_name(),
                tool_call_parser: self.model.tool_call_parser,
                reasoning_parser: self.model.reasoning_parser,
                adapters: self.model.adapters.iter().map(|adapter| &adapter.name).collect(),
            },
            engine: MeasuredEngine {
                device: self.engine.device,
                own_process: self.engine.own_process,
                max_requests: self.engine.max_requests.get(),
                vllm: self.engine.vllm.as_map(),
            },
            api: &self.api,
            limits: &self.limits,
            tpm: MeasuredTpm {
                pcrs: &self.tpm.pcrs,
                application_pcr: self.tpm.application_pcr,
                identity_pcr: self.tpm.identity_pcr,
            },
        })
    }
}
