//! The models that are served.

use schemars::JsonSchema;
use serde::Serialize;

/// The list of models.
#[derive(Serialize, JsonSchema)]
pub struct ModelList<'a> {
    /// Always `list`.
    #[schemars(extend("const" = "list"))]
    pub object: &'static str,
    /// The model that is served, then its adapters.
    pub data: Vec<Model<'a>>,
}

/// A model, or an adapter of it.
#[derive(Serialize, JsonSchema)]
pub struct Model<'a> {
    /// The id to ask for.
    pub id: &'a str,
    /// Always `model`.
    #[schemars(extend("const" = "model"))]
    pub object: &'static str,
    /// Unix time in seconds since which it is served.
    pub created: u64,
    /// Who serves it.
    pub owned_by: &'static str,
    /// The model that this one is made of; itself where it is no adapter.
    pub root: &'a str,
    /// The model that an adapter belongs to.
    pub parent: Option<&'a str>,
    /// The most tokens of prompt and answer together.
    pub max_model_len: usize,
}
