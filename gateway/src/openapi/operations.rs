//! Routes for whoever runs the server.

use schemars::json_schema;

use super::{
    failures::Failure,
    operation::{Answer, Operation, Tag},
    schemas::Schemas,
};
use crate::{health::Health, version::Version};

pub(super) fn livez(schemas: &mut Schemas) -> Operation {
    let answer = Answer::json("It does.", schemas.answer::<Health>());
    plain("livez", "Whether the server answers", "However busy the model is.", answer, &[])
}

pub(super) fn readyz(schemas: &mut Schemas) -> Operation {
    let answer = Answer::json("It is.", schemas.answer::<Health>());
    plain("readyz", "Whether the engine is alive", "Once it is not, it does not come back.", answer, &[Failure::Unavailable])
}

pub(super) fn health() -> Operation {
    let answer = Answer { description: "It is.", content: Vec::new(), receipted: false };
    plain("health", "Whether the engine is alive", "As vLLM's: without a body, also where it is not.", answer, &[Failure::Dead])
}

pub(super) fn version(schemas: &mut Schemas) -> Operation {
    let answer = Answer::json("The versions.", schemas.answer::<Version<'_>>());
    plain("version", "What is running", "The server's version, and the engine's.", answer, &[])
}

pub(super) fn metrics() -> Operation {
    let text = json_schema!({"type": "string"});
    let answer = Answer { description: "The metrics.", content: vec![("application/openmetrics-text", text)], receipted: false };
    plain(
        "metrics",
        "What is counted",
        "In the OpenMetrics text format: requests, tokens and durations, and no content.",
        answer,
        &[],
    )
}

pub(super) fn openapi() -> Operation {
    let answer = Answer::json("The document.", json_schema!({"type": "object"}));
    plain("openapi", "This document", "It depends on the release alone.", answer, &[])
}

fn plain(
    id: &'static str,
    summary: &'static str,
    description: &'static str,
    answer: Answer,
    failures: &'static [Failure],
) -> Operation {
    Operation { id, tag: Tag::Operations, summary, description, parameters: Vec::new(), body: None, answer, failures }
}
