//! Policy files on the user's machine: read, held to their signatures and to what was seen before, learned, compared.

pub mod difference;
pub mod file;
pub mod history;
pub mod key_file;
pub mod learn;
pub mod outline;
pub mod output;
pub mod reference;
