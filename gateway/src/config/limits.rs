//! `[limits]`: how much one request may ask for.

use serde::{Deserialize, Serialize};

/// `[limits]`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LimitsConfig {
    /// Structured outputs.
    pub structured: StructuredLimits,
}

/// `[limits.structured]`: what a constraint on the answer may be, so that compiling and obeying it holds up nobody else.
///
/// The defaults are measured: `docs/structured-outputs.md`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StructuredLimits {
    /// Constrained answers of all requests together that are made at a time, since each costs time in every step. A request
    /// that would exceed it is told to come back later.
    pub sequences: usize,
    /// Bytes of a JSON schema as compact JSON; with tools, of all their schemas together.
    pub schema_bytes: usize,
    /// Objects and arrays within each other in a JSON schema; vLLM itself allows 64.
    pub schema_depth: usize,
    /// Properties in a JSON schema in all.
    pub schema_properties: usize,
    /// Alternatives in a JSON schema in all: members of `anyOf`, `oneOf`, `allOf` and `prefixItems`, and types.
    pub schema_alternatives: usize,
    /// `$ref`s in a JSON schema.
    pub schema_references: usize,
    /// Values of all `enum`s and `const`s of a JSON schema, or texts of `choice`.
    pub choices: usize,
    /// Bytes of all these values.
    pub choice_bytes: usize,
    /// `minLength`, `maxLength`, `minItems`, `maxItems`, `minProperties` or `maxProperties`, each; and how often an element of
    /// a grammar may be repeated, elements in each other multiplied.
    pub repetitions: usize,
    /// Strings in a JSON schema that have a `pattern`, a `format` or a bound on their length, and numbers that have bounds.
    pub schema_patterns: usize,
    /// Bytes of a regular expression.
    pub regex_bytes: usize,
    /// Groups and repetitions within each other in a regular expression.
    pub regex_depth: usize,
    /// Bytes of the longest text that a regular expression can match, each `*` and `+` taken once, and all alternatives
    /// added; for all patterns of a JSON schema together.
    pub regex_size: usize,
    /// Repetitions within each other in a regular expression, bounds multiplied; `*` and `+` count as 8.
    pub regex_repetitions: usize,
    /// Bytes of a grammar.
    pub grammar_bytes: usize,
    /// Rules of a grammar.
    pub grammar_rules: usize,
    /// Alternatives of a grammar in all.
    pub grammar_alternatives: usize,
    /// Groups within each other in a grammar.
    pub grammar_depth: usize,
}

impl Default for StructuredLimits {
    fn default() -> Self {
        Self {
            sequences: 32,
            schema_bytes: 64 * 1024,
            schema_depth: 32,
            schema_properties: 1000,
            schema_alternatives: 200,
            schema_references: 200,
            choices: 1000,
            choice_bytes: 16 * 1024,
            repetitions: 1000,
            schema_patterns: 64,
            regex_bytes: 4 * 1024,
            regex_depth: 16,
            regex_size: 1000,
            regex_repetitions: 1000,
            grammar_bytes: 16 * 1024,
            grammar_rules: 200,
            grammar_alternatives: 500,
            grammar_depth: 16,
        }
    }
}
