//! Where a model folder keeps its chat template and special tokens.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use serde::Deserialize;

/// The tokens that a tokenizer's configuration names and templates may use.
const SPECIAL_TOKENS: [&str; 7] = ["bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"];

/// A template as found in a model folder.
pub(super) struct TemplateFiles {
    pub(super) source: String,
    pub(super) special_tokens: BTreeMap<String, String>,
}

/// The model's chat template cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TemplateError {
    /// A file exists and cannot be read.
    #[error("{}: {source}", file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// `tokenizer_config.json` is not as Hugging Face writes it.
    #[error("{}: {source}", file.display())]
    Malformed {
        /// The file.
        file: PathBuf,
        /// What is wrong.
        source: serde_json::Error,
    },
    /// The model has no chat template: it is no chat model.
    #[error("{}: has neither chat_template.jinja nor a chat_template in tokenizer_config.json", folder.display())]
    Missing {
        /// The model's folder.
        folder: PathBuf,
    },
    /// The template does not compile.
    #[error("the chat template does not compile: {0}")]
    Syntax(minijinja::Error),
}

/// The template in `tokenizer_config.json`: one, or several by name.
#[derive(Deserialize)]
#[serde(untagged)]
enum Templates {
    One(String),
    Named(Vec<NamedTemplate>),
}

#[derive(Deserialize)]
struct NamedTemplate {
    name: String,
    template: String,
}

/// A special token: its text, or tokenizers' `AddedToken`.
#[derive(Deserialize)]
#[serde(untagged)]
enum SpecialToken {
    Text(String),
    Added { content: String },
}

/// Reads template and special tokens, in the order of `transformers`: the file of its own comes first.
pub(super) fn read(folder: &Path) -> Result<TemplateFiles, TemplateError> {
    let config_file = folder.join("tokenizer_config.json");
    let config = read_if_there(&config_file)?.unwrap_or_else(|| "{}".to_owned());
    let malformed = |source| TemplateError::Malformed { file: config_file.clone(), source };
    let mut config: BTreeMap<String, serde_json::Value> = serde_json::from_str(&config).map_err(malformed)?;
    let mut special_tokens = BTreeMap::new();
    for name in SPECIAL_TOKENS {
        if let Some(token) = config.remove(name).filter(|token| !token.is_null()) {
            let text = match serde_json::from_value(token).map_err(malformed)? {
                SpecialToken::Text(text) | SpecialToken::Added { content: text } => text,
            };
            special_tokens.insert(name.to_owned(), text);
        }
    }
    let named = config.remove("chat_template").filter(|template| !template.is_null());
    let named = named.map(serde_json::from_value::<Templates>).transpose().map_err(malformed)?;
    let source = read_if_there(&folder.join("chat_template.jinja"))?.or_else(|| named.and_then(default_template));
    let source = source.ok_or_else(|| TemplateError::Missing { folder: folder.to_owned() })?;
    Ok(TemplateFiles { source, special_tokens })
}

fn default_template(templates: Templates) -> Option<String> {
    match templates {
        Templates::One(template) => Some(template),
        Templates::Named(list) => list.into_iter().find(|entry| entry.name == "default").map(|entry| entry.template),
    }
}

fn read_if_there(file: &Path) -> Result<Option<String>, TemplateError> {
    match fs::read_to_string(file) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(TemplateError::Unreadable { file: file.to_owned(), source }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_folder(files: &[(&str, &str)]) -> Result<TemplateFiles, TemplateError> {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            fs::write(folder.path().join(name), text).unwrap();
        }
        read(folder.path())
    }

    #[test]
    fn the_file_of_its_own_comes_first() {
        let config =
            r#"{"chat_template": "b", "bos_token": {"content": "<s>", "lstrip": false}, "eos_token": "</s>", "pad_token": null}"#;
        let found = read_folder(&[("tokenizer_config.json", config), ("chat_template.jinja", "a")]).unwrap();
        assert_eq!(found.source, "a");
        let tokens: Vec<_> = found.special_tokens.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
        assert_eq!(tokens, [("bos_token", "<s>"), ("eos_token", "</s>")]);
        assert_eq!(read_folder(&[("tokenizer_config.json", config)]).unwrap().source, "b");
    }

    #[test]
    fn of_several_the_default_is_taken() {
        let config = r#"{"chat_template": [{"name": "tool_use", "template": "t"}, {"name": "default", "template": "d"}]}"#;
        assert_eq!(read_folder(&[("tokenizer_config.json", config)]).unwrap().source, "d");
    }

    #[test]
    fn a_model_without_template_is_refused() {
        assert!(matches!(read_folder(&[]), Err(TemplateError::Missing { .. })));
        assert!(matches!(read_folder(&[("tokenizer_config.json", "[")]), Err(TemplateError::Malformed { .. })));
        assert!(read_folder(&[("chat_template.jinja", "")]).is_ok());
    }
}
