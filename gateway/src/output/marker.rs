//! Finding markers in text that comes in pieces.

use super::take;

/// Searches text for a few fixed markers.
///
/// Of the text that could still become a marker nothing is told before it is decided. Every character is looked at once for
/// each marker, so hostile text costs no more than any other. That rests on two properties of the markers, which hold for
/// tags and control tokens: no marker begins another, and the first character of any is found in none but as its first.
pub(super) struct MarkerSearch {
    markers: Vec<&'static str>,
    /// How a marker began at the end of the text so far.
    held: &'static str,
}

/// The next part of the text.
pub(super) enum Piece<'t> {
    /// Text with no marker in it.
    Text(&'t str),
    /// A whole marker.
    Marker(&'static str),
}

impl MarkerSearch {
    pub(super) fn new(markers: &[&'static str]) -> Self {
        Self { markers: markers.to_vec(), held: "" }
    }

    /// Takes the next part from the front of `text`; nothing where `text` is used up.
    pub(super) fn next<'t>(&mut self, text: &mut &'t str) -> Option<Piece<'t>> {
        loop {
            if self.held.is_empty() {
                let plain = text.find(|first| self.markers.iter().any(|marker| marker.starts_with(first))).unwrap_or(text.len());
                if plain > 0 {
                    return Some(Piece::Text(take(text, plain)));
                }
            }
            let character = text.chars().next()?;
            let Some((marker, length)) = self.continued_by(character) else {
                return Some(Piece::Text(self.finish()));
            };
            take(text, character.len_utf8());
            if length == marker.len() {
                self.held = "";
                return Some(Piece::Marker(marker));
            }
            self.held = marker.get(..length).unwrap_or_default();
        }
    }

    /// What was held back, when the text has ended.
    pub(super) fn finish(&mut self) -> &'static str {
        std::mem::take(&mut self.held)
    }

    /// The marker that is begun by what is held and `character`, and how many bytes of it that is.
    fn continued_by(&self, character: char) -> Option<(&'static str, usize)> {
        let length = self.held.len() + character.len_utf8();
        let continues = |marker: &&str| marker.strip_prefix(self.held).is_some_and(|rest| rest.starts_with(character));
        self.markers.iter().copied().find(continues).map(|marker| (marker, length))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MARKERS: [&str; 3] = ["<tool_call>", "</tool_call>", "{"];

    /// The text in pieces of `lengths` characters, as what was found in each: markers in brackets.
    fn search(text: &str, lengths: &[usize]) -> String {
        let mut search = MarkerSearch::new(&MARKERS);
        let mut found = String::new();
        for chunk in crate::output::tests::split(text, lengths) {
            let mut rest = chunk.as_str();
            while let Some(piece) = search.next(&mut rest) {
                match piece {
                    Piece::Text(text) => found.push_str(text),
                    Piece::Marker(marker) => found.push_str(&format!("«{marker}»")),
                }
            }
        }
        found.push_str(search.finish());
        found
    }

    #[test]
    fn markers_are_found_across_pieces() {
        for lengths in [&[1][..], &[2], &[3, 1], &[100]] {
            assert_eq!(search("a<b<tool_call>é</tool_call><<tool_call", lengths), "a<b«<tool_call>»é«</tool_call>»<<tool_call");
            assert_eq!(search("<{</tool_{call>", lengths), "<«{»</tool_«{»call>");
        }
    }

    #[test]
    fn only_the_start_of_a_marker_is_held_back() {
        let mut search = MarkerSearch::new(&MARKERS);
        assert!(matches!(search.next(&mut "text </tool"), Some(Piece::Text("text "))));
        let mut rest = "</tool";
        assert!(search.next(&mut rest).is_none());
        assert_eq!(search.finish(), "</tool");
    }

    proptest! {
        #[test]
        fn any_split_finds_what_a_plain_search_finds(
            text in "([<>/{é ]|tool|_call|<tool_call>|</tool_call>){0,20}",
            lengths in proptest::collection::vec(1_usize..5, 1..8),
        ) {
            let expected = MARKERS.iter().fold(text.clone(), |text, marker| text.replace(marker, &format!("«{marker}»")));
            prop_assert_eq!(search(&text, &lengths), expected);
        }
    }
}
