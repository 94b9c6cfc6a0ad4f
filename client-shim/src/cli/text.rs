//! Text of unknown origin, and times, as the command line prints them.

use blindllama_attest::verify::UnixTime;

/// Whoever was not verified may have chosen parts of `text`: it must neither steer the terminal nor change what is read.
pub(super) fn printable(text: &str) -> String {
    let escaped = |c: char| if c.is_control() || reorders(c) { c.escape_default().collect() } else { String::from(c) };
    text.chars().map(escaped).collect()
}

/// As [`printable`], line by line.
pub(super) fn printable_lines(text: &str) -> impl Iterator<Item = String> {
    text.lines().map(printable)
}

/// Characters that show nothing and change the order of what is shown (Unicode Standard Annex 9).
const fn reorders(c: char) -> bool {
    matches!(c, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// RFC 3339, or the bare seconds where no calendar reaches.
pub(super) fn rfc3339(time: UnixTime) -> String {
    let timestamp = i64::try_from(time.0).ok().and_then(|seconds| jiff::Timestamp::from_second(seconds).ok());
    timestamp.map_or_else(|| format!("{} s after 1970", time.0), |timestamp| timestamp.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gateway_cannot_steer_the_terminal() {
        assert_eq!(printable("unknown field `\u{1b}[2Jfine\r`, “no”"), "unknown field `\\u{1b}[2Jfine\\r`, “no”");
        assert_eq!(printable("a\u{202e}b\u{200b}"), "a\\u{202e}b\\u{200b}");
        assert_eq!(printable_lines("a\nb\u{7}").collect::<Vec<_>>(), ["a", "b\\u{7}"]);
    }

    #[test]
    fn times_are_rfc_3339() {
        assert_eq!(rfc3339(UnixTime(1_800_000_000)), "2027-01-15T08:00:00Z");
        assert_eq!(rfc3339(UnixTime(u64::MAX)), "18446744073709551615 s after 1970");
    }
}
