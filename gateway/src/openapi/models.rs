//! The served model, and the vectors that an embedding model makes.

use serde_json::json;

use super::{
    failures::{Failure, OF_INFERENCE},
    operation::{Answer, Operation, Tag},
    schemas::Schemas,
};
use crate::openai::{
    embeddings::{EmbeddingList, EmbeddingsRequest},
    models::{Model, ModelList},
};

pub(super) fn create_embeddings(schemas: &mut Schemas) -> Operation {
    Operation {
        id: "createEmbedding",
        tag: Tag::OpenAi,
        summary: "Makes vectors of texts",
        description: "For embedding models; another one is a 400.",
        parameters: Vec::new(),
        body: Some(schemas.request::<EmbeddingsRequest>()),
        answer: Answer::json("A vector for each input.", schemas.answer::<EmbeddingList<'_>>()).receipted(),
        failures: OF_INFERENCE,
    }
}

pub(super) fn list_models(schemas: &mut Schemas) -> Operation {
    Operation {
        id: "listModels",
        tag: Tag::OpenAi,
        summary: "Lists what can be asked for as `model`",
        description: "With vLLM's additions.",
        parameters: Vec::new(),
        body: None,
        answer: Answer::json("The list.", schemas.answer::<ModelList<'_>>()),
        failures: &[],
    }
}

pub(super) fn retrieve_model(schemas: &mut Schemas) -> Operation {
    Operation {
        id: "retrieveModel",
        tag: Tag::OpenAi,
        summary: "Tells of one of them",
        description: "As in the list.",
        parameters: vec![json!({
            "name": "id",
            "in": "path",
            "required": true,
            "description": "The model's id. Slashes in it may be escaped or not.",
            "schema": {"type": "string", "minLength": 1},
        })],
        body: None,
        answer: Answer::json("The model.", schemas.answer::<Model<'_>>()),
        failures: &[Failure::NotFound],
    }
}
