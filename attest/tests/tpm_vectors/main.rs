//! TPM structures and quotes: recorded ones with their mutations, and fresh ones of every supported kind of key.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, clippy::expect_used)]

mod kit;
mod mutation;
mod pcr_values;
mod public_areas;
mod public_keys;
mod quotes;
mod recorded;
mod schemes;
mod vector;
