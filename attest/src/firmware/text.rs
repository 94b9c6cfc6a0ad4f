//! Text from inside a log: found, and made fit to be shown.

/// The most characters of a description.
const MAX_CHARACTERS: usize = 120;

/// The text that `data` holds, in UTF-8 or UTF-16LE, without the zeros that end it; `None` if it is no text.
pub(super) fn decode(data: &[u8]) -> Option<String> {
    let text = if looks_like_utf16(data) { utf16(data) } else { String::from_utf8(data.to_vec()).ok()? };
    let text = text.trim_end_matches('\0');
    let readable = |c: char| !c.is_control() || c.is_whitespace();
    (!text.is_empty() && text.chars().all(readable)).then(|| text.to_owned())
}

/// Whether all characters are from Latin-1: what loaders and firmware write there.
fn looks_like_utf16(data: &[u8]) -> bool {
    !data.is_empty() && data.len().is_multiple_of(2) && data.chunks(2).all(|unit| matches!(unit, [_, 0]))
}

/// UTF-16LE up to its end or its first zero; what is no character becomes U+FFFD.
pub(super) fn utf16(data: &[u8]) -> String {
    let units = data.chunks_exact(2).filter_map(|unit| Some(u16::from_le_bytes(unit.try_into().ok()?)));
    let characters = char::decode_utf16(units.take_while(|unit| *unit != 0));
    characters.map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
}

/// One line of at most 120 characters that cannot steer a terminal or reorder what stands around it.
pub(super) fn printable(text: &str) -> String {
    let mut characters = text.chars().flat_map(escaped);
    let mut shown: String = characters.by_ref().take(MAX_CHARACTERS).collect();
    if characters.next().is_some() {
        shown.pop();
        shown.push('…');
    }
    shown
}

/// Quotation marks and backslashes stay as they are: paths are full of them.
fn escaped(c: char) -> Vec<char> {
    if matches!(c, '\'' | '"' | '\\') { vec![c] } else { c.escape_debug().collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_told_from_bytes() {
        assert_eq!(decode(b"ACPI DATA\0").as_deref(), Some("ACPI DATA"));
        assert_eq!(decode(b"a\0b\0\0\0").as_deref(), Some("ab"));
        for bytes in [&b""[..], b"\0\0\0\0", b"\x01\x02", b"\xff\xff\xff\xff", b"a\0b"] {
            assert_eq!(decode(bytes), None, "{bytes:?}");
        }
    }

    #[test]
    fn nothing_shown_steers_a_terminal() {
        assert_eq!(printable("\u{1b}[2J \u{202e}\n'\\EFI'"), "\\u{1b}[2J \\u{202e}\\n'\\EFI'");
        let long = printable(&"x".repeat(1000));
        assert_eq!((long.chars().count(), long.ends_with("x…")), (120, true));
        assert_eq!(printable(&"x".repeat(120)), "x".repeat(120));
    }
}
