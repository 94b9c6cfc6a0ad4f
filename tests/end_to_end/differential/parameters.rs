//! The tables of parameters are complete: whatever OpenAI's clients and vLLM's can send is in them.

use std::{collections::BTreeMap, process::Stdio};

use blindllama_tests::project;

use super::reference::vllm_python;

/// Prints the members of vLLM's request models and of OpenAI's, as JSON, by the heading that each has in the document.
const QUESTION: &str = "
import json
from openai.types import completion_create_params, embedding_create_params
from openai.types.chat import completion_create_params as chat_create_params
from openai.types.responses import response_create_params
from vllm.entrypoints.openai.chat_completion.protocol import ChatCompletionRequest
from vllm.entrypoints.openai.completion.protocol import CompletionRequest
from vllm.entrypoints.openai.responses.protocol import ResponsesRequest
from vllm.entrypoints.pooling.embed.protocol import EmbeddingChatRequest, EmbeddingCompletionRequest
from vllm.entrypoints.serve.tokenize.protocol import DetokenizeRequest, TokenizeChatRequest, TokenizeCompletionRequest
apis = {
    'Chat completions': [chat_create_params.CompletionCreateParamsBase, ChatCompletionRequest],
    'Completions': [completion_create_params.CompletionCreateParamsBase, CompletionRequest],
    'Responses': [response_create_params.ResponseCreateParamsBase, ResponsesRequest],
    'Embeddings': [embedding_create_params.EmbeddingCreateParams, EmbeddingCompletionRequest, EmbeddingChatRequest],
    'Tokenize and detokenize': [TokenizeCompletionRequest, TokenizeChatRequest, DetokenizeRequest],
}
fields = lambda model: getattr(model, 'model_fields', None) or model.__annotations__
print(json.dumps({name: sorted({field for model in models for field in fields(model)}) for name, models in apis.items()}))
";

/// Parts of the document that hold for several APIs.
const SHARED: [&str; 2] = ["Sampling, stopping, answering", "What is refused"];

pub fn every_parameter_is_documented() {
    let output = vllm_python().args(["-c", QUESTION]).stderr(Stdio::inherit()).output().expect("vLLM's Python");
    assert!(output.status.success(), "the request models could not be asked for");
    let said = String::from_utf8(output.stdout).expect("text");
    let line = said.lines().next_back().expect("one line");
    let apis: BTreeMap<String, Vec<String>> = serde_json::from_str(line).expect("JSON");
    let document = std::fs::read_to_string(project::root().join("docs/compatibility.md")).expect("the document");
    let shared = SHARED.map(|heading| section(&document, heading));
    for (heading, fields) in apis {
        let sections = [shared.as_slice(), &[section(&document, &heading)]].concat();
        let is_named = |field: &str| sections.iter().any(|section| section.contains(&format!("`{field}`")));
        let missing: Vec<_> = fields.iter().filter(|field| !is_named(field)).collect();
        assert!(missing.is_empty(), "docs/compatibility.md, {heading}: nothing is said about {missing:?}");
    }
}

/// What follows a heading of the second level, to the next one.
fn section<'a>(document: &'a str, heading: &str) -> &'a str {
    let marked = format!("\n## {heading}\n");
    let (_, rest) = document.split_once(&marked).unwrap_or_else(|| panic!("docs/compatibility.md has no part {heading:?}"));
    rest.split_once("\n## ").map_or(rest, |(section, _)| section)
}
