//! Text from outside in our messages.

/// The longest excerpt of somebody else's text in an error message, in characters.
const MAX_EXCERPT: usize = 240;

/// Makes text of unknown origin fit for a terminal: no control characters, no endless lines.
pub(crate) fn excerpt(text: &str) -> String {
    let printable = |character: char| if character.is_control() { '\u{fffd}' } else { character };
    text.chars().take(MAX_EXCERPT).map(printable).collect()
}
