//! What can be wrong with a policy.

/// The policy cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// No TOML, an unknown or missing key, or a value of the wrong form.
    #[error("policy key `{path}`: {reason}")]
    Syntax {
        /// The key, `.` for the whole file.
        path: String,
        /// What is wrong, with its line.
        reason: String,
    },
    /// A value that makes no sense.
    #[error("policy key `{path}` is {found}, but {expected}")]
    Value {
        /// The key.
        path: String,
        /// Its value.
        found: String,
        /// What it has to be.
        expected: &'static str,
    },
    /// TOML cannot express the document.
    #[error("the policy cannot be written as TOML: {0}")]
    Unwritable(String),
}
