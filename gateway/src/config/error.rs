//! What is wrong with a configuration, in words for whoever wrote it.

use std::{
    io,
    path::{Path, PathBuf},
};

use figment::error::Kind;

/// The configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file is missing or may not be read.
    #[error("{}: cannot be read: {source}", file.display())]
    Unreadable {
        /// The configuration file.
        file: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// The file is no TOML.
    #[error("{}: is not valid TOML: {source}", file.display())]
    NotToml {
        /// The configuration file.
        file: PathBuf,
        /// Line, column and what was expected there.
        source: Box<toml::de::Error>,
    },
    /// Keys are unknown or missing, or have values that cannot be.
    #[error("{}{}", file.display(), list(problems))]
    Invalid {
        /// The configuration file.
        file: PathBuf,
        /// Everything that is wrong, one entry per key.
        problems: Vec<Problem>,
    },
}

/// One wrong key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The key with its section, `server.listen`; empty for the document as a whole.
    pub key: String,
    /// What is wrong, and what would be right.
    pub reason: String,
    /// Whether the value came from the environment rather than the file.
    pub from_environment: bool,
}

impl ConfigError {
    pub(super) fn invalid(file: &Path, error: figment::Error) -> Self {
        Self::Invalid { file: file.to_owned(), problems: error.into_iter().map(Problem::from).collect() }
    }

    pub(super) fn adapter_called_as_model(file: &Path, name: &str) -> Self {
        let reason = format!("an adapter is called {name:?} as the model is: it needs a name of its own");
        let problem = Problem { key: "model.adapters".to_owned(), reason, from_environment: false };
        Self::Invalid { file: file.to_owned(), problems: vec![problem] }
    }
}

impl From<figment::Error> for Problem {
    fn from(error: figment::Error) -> Self {
        let mut path = error.path.clone();
        let reason = match &error.kind {
            Kind::UnknownField(_, expected) => format!("unknown key; known here: {}", expected.join(", ")),
            Kind::MissingField(name) => {
                path.push(name.to_string());
                "is missing".to_owned()
            }
            kind => kind.to_string(),
        };
        // The file's table goes in as a serialised value; whatever else has a source is the environment.
        let from_environment = error.metadata.as_ref().is_some_and(|metadata| metadata.name.contains("environment"));
        Self { key: path.join("."), reason, from_environment }
    }
}

fn list(problems: &[Problem]) -> String {
    let line = |problem: &Problem| {
        let source = if problem.from_environment { " (set by the environment)" } else { "" };
        format!(": {}{source}: {}", problem.key, problem.reason)
    };
    problems.iter().map(line).collect::<Vec<_>>().join("\n")
}
