//! Where the receipt is in a stream of server-sent events: in a comment line (WHATWG HTML, section 9.2.6) before the end.

use super::ReceiptError;

/// How the line with the receipt begins. Clients of OpenAI's API ignore lines that begin with a colon.
pub const STREAM_RECEIPT: &str = ": receipt ";

/// What follows the receipt, up to the end of the body: the end of its line, a blank line, `data: [DONE]`, a blank line.
pub const STREAM_END: &str = "\n\ndata: [DONE]\n\n";

/// The same for APIs whose streams have no `[DONE]`, as OpenAI's Responses: the end of the receipt's line and a blank line.
pub const STREAM_END_WITHOUT_DONE: &str = "\n\n";

/// A stream's body, taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SplitStream<'a> {
    /// What the receipt's `response_sha256` covers: everything before the receipt's line.
    pub hashed: &'a [u8],
    /// The receipt, unverified.
    pub jws: &'a str,
}

/// Takes a complete body apart. It has to end with the receipt's line and [`STREAM_END`] or [`STREAM_END_WITHOUT_DONE`], to the
/// byte. One body cannot be read both ways: a line is either the receipt's or `data: [DONE]`.
///
/// # Errors
/// [`ReceiptError::Missing`] where it ends in another way; [`ReceiptError::Malformed`] where the receipt is not even text.
pub fn split_stream(body: &[u8]) -> Result<SplitStream<'_>, ReceiptError> {
    let body = [STREAM_END, STREAM_END_WITHOUT_DONE]
        .iter()
        .find_map(|end| body.strip_suffix(end.as_bytes()))
        .ok_or(ReceiptError::Missing("it does not end with a blank line"))?;
    let line_start = body.iter().rposition(|byte| *byte == b'\n').map_or(0, |newline| newline.saturating_add(1));
    let (hashed, line) = body.split_at_checked(line_start).unwrap_or((body, &[]));
    let jws = line
        .strip_prefix(STREAM_RECEIPT.as_bytes())
        .ok_or(ReceiptError::Missing("the line before its end does not begin with \": receipt \""))?;
    let jws = str::from_utf8(jws).map_err(|_| ReceiptError::Malformed("it is not text"))?;
    Ok(SplitStream { hashed, jws })
}
