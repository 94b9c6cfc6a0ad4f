//! What the reading of a request leaves behind for its response, also where it is refused.

use crate::parameters::IgnoredParameters;

/// What there is to say of a request beside its answer.
#[derive(Default)]
pub(crate) struct Remarks {
    /// For a header.
    pub(crate) ignored: IgnoredParameters,
    /// For the receipt: the name of what answers, once the request has named something that is served.
    pub(crate) model: Option<String>,
}
