//! `[[model.adapters]]`: LoRA adapters, each served under a name of its own.

use std::path::PathBuf;

use serde::{Deserialize, Deserializer, Serialize, de::Error as _};

/// The longest name, in bytes.
const LONGEST_NAME: usize = 128;

/// `[[model.adapters]]`: one LoRA adapter.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AdapterConfig {
    /// The id that clients ask for.
    pub name: AdapterName,
    /// The adapter's folder in PEFT's form: `adapter_config.json` and `adapter_model.safetensors`.
    pub path: PathBuf,
}

/// What an adapter is called: letters, digits, `.`, `_`, `-` and `:`, first a letter or a digit. It stands in URLs and in the
/// manifest's paths, where it is one part, so that no two adapters can be taken for each other.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct AdapterName(String);

impl AdapterName {
    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for AdapterName {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        let plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-:".contains(&byte));
        if plain && name.len() <= LONGEST_NAME && name.starts_with(|first: char| first.is_ascii_alphanumeric()) {
            return Ok(Self(name));
        }
        Err(format!(
            "{name:?} is no name of an adapter: it has to be of letters, digits, '.', '_', '-' and ':', begin with a letter or \
             a digit, and have {LONGEST_NAME} characters at most"
        ))
    }
}

/// Adapters with names that differ.
pub(super) fn distinct<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<AdapterConfig>, D::Error> {
    let adapters = Vec::<AdapterConfig>::deserialize(deserializer)?;
    let mut names: Vec<_> = adapters.iter().map(|adapter| &adapter.name).collect();
    names.sort();
    match names.windows(2).find_map(|pair| if let [one, other] = pair { (one == other).then_some(one) } else { None }) {
        Some(twice) => {
            Err(D::Error::custom(format!("two adapters are called {:?}: each needs a name of its own", twice.as_str())))
        }
        None => Ok(adapters),
    }
}
