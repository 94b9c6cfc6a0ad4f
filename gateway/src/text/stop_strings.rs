//! Texts that end an answer, found while it grows.

use std::sync::Arc;

/// The stop strings of a request.
#[derive(Clone, Default)]
pub(crate) struct StopStrings {
    texts: Arc<[String]>,
    included: bool,
}

/// Looks for stop strings in one answer. Text that could be the beginning of one is held back until that is known.
pub(crate) struct StopMatcher {
    strings: StopStrings,
    /// Text that is not given out yet: the longest one at the end that begins a stop string.
    held: String,
}

/// What a token's text adds to the answer.
pub(crate) struct Released {
    /// Text that belongs to the answer.
    pub(crate) text: String,
    /// The stop string that is complete now: the answer ends here.
    pub(crate) stop: Option<String>,
}

impl StopStrings {
    /// None of `texts` is empty. With `included` the one that ended the answer is a part of it.
    pub(crate) fn new(texts: Vec<String>, included: bool) -> Self {
        Self { texts: texts.into(), included }
    }

    pub(crate) fn matcher(&self) -> StopMatcher {
        StopMatcher { strings: self.clone(), held: String::new() }
    }

    /// Where the stop string that is complete first begins and ends, if it ends behind `from`. Of two that end together
    /// the first of the list counts.
    fn find(&self, text: &str, from: usize) -> Option<(usize, usize, &String)> {
        let matches = self.texts.iter().filter_map(|stop| {
            // Earlier ones were found, or were not to be.
            let start = text.floor_char_boundary((from + 1).saturating_sub(stop.len()));
            let at = start + text.get(start..)?.find(stop.as_str())?;
            Some((at, at + stop.len(), stop))
        });
        matches.filter(|(_, end, _)| *end > from).min_by_key(|(_, end, _)| *end)
    }

    /// How many bytes at the end of `text` begin a stop string.
    fn begun(&self, text: &str) -> usize {
        let begun = |stop: &String| {
            let lengths = stop.char_indices().map(|(at, _)| at).filter(|length| (1..=text.len()).contains(length));
            lengths.rev().find(|length| stop.get(..*length).is_some_and(|start| text.ends_with(start))).unwrap_or(0)
        };
        self.texts.iter().map(begun).max().unwrap_or(0)
    }
}

impl StopMatcher {
    /// Takes the text of the next token. Stop strings that end in it count only if the answer `may_stop` there.
    pub(crate) fn push(&mut self, text: String, may_stop: bool) -> Released {
        if self.strings.texts.is_empty() {
            return Released { text, stop: None };
        }
        let from = self.held.len();
        self.held.push_str(&text);
        let found = if may_stop { self.strings.find(&self.held, from) } else { None };
        let Some((start, end, stop)) = found else { return Released { text: self.release(), stop: None } };
        let (end, stop) = (if self.strings.included { end } else { start }, stop.clone());
        self.held.truncate(end);
        Released { text: std::mem::take(&mut self.held), stop: Some(stop) }
    }

    /// What was held back, where the answer ends without a stop string.
    pub(crate) fn finish(&mut self) -> String {
        std::mem::take(&mut self.held)
    }

    fn release(&mut self) -> String {
        let begun = self.strings.begun(&self.held);
        let rest = self.held.split_off(self.held.len().saturating_sub(begun));
        std::mem::replace(&mut self.held, rest)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn run(stops: &[&str], included: bool, pieces: &[&str], min_tokens: usize) -> (String, Option<String>) {
        let strings = StopStrings::new(stops.iter().map(ToString::to_string).collect(), included);
        let mut matcher = strings.matcher();
        let mut answer = String::new();
        for (index, piece) in pieces.iter().enumerate() {
            let released = matcher.push((*piece).to_owned(), index >= min_tokens);
            answer.push_str(&released.text);
            if released.stop.is_some() {
                return (answer, released.stop);
            }
        }
        (answer + &matcher.finish(), None)
    }

    #[test]
    fn a_stop_string_is_found_across_tokens() {
        let stopped = |text: &str, stop: &str| (text.to_owned(), Some(stop.to_owned()));
        assert_eq!(run(&["END"], false, &["a E", "N", "D b"], 0), stopped("a ", "END"));
        assert_eq!(run(&["END"], true, &["a E", "N", "D b"], 0), stopped("a END", "END"));
        assert_eq!(run(&["x", "END"], false, &["aEND x"], 0), stopped("a", "END"));
        assert_eq!(run(&["bc", "abc"], false, &["a", "bc"], 0), stopped("a", "bc"));
        assert_eq!(run(&["é🦙"], false, &["caf", "é", "🦙!"], 0), stopped("caf", "é🦙"));
        assert_eq!(run(&["aab"], false, &["a", "a", "a", "b"], 0), stopped("a", "aab"));
    }

    #[test]
    fn what_only_begins_a_stop_string_comes_out_in_the_end() {
        assert_eq!(run(&["END"], false, &["a E", "N"], 0), ("a EN".to_owned(), None));
        assert_eq!(run(&[], false, &["a", "b"], 0), ("ab".to_owned(), None));
    }

    #[test]
    fn only_what_could_begin_a_stop_string_is_held_back() {
        let mut matcher = StopStrings::new(vec!["<end>".to_owned()], false).matcher();
        let texts = ["a < b", " <e", "n", "x"].map(|text| matcher.push(text.to_owned(), true).text);
        assert_eq!(texts, ["a < b", " ", "", "<enx"]);
    }

    #[test]
    fn nothing_stops_before_the_least_number_of_tokens() {
        assert_eq!(run(&["a"], false, &["a", "ba", "ca"], 2), ("abac".to_owned(), Some("a".to_owned())));
        // It may begin before, as with vLLM, but has to end after.
        assert_eq!(run(&["aa"], false, &["a", "a", "a"], 2), ("a".to_owned(), Some("aa".to_owned())));
    }

    proptest! {
        /// Whatever the tokens, an answer ends where the first stop string is complete.
        #[test]
        fn any_split_gives_the_same(text in "[abé]{0,12}", stops in prop::collection::vec("[abé]{1,3}", 1..3), cuts in prop::collection::vec(0_usize..12, 0..4)) {
            let mut cuts: Vec<_> = cuts.into_iter().map(|cut| text.floor_char_boundary(cut)).chain([0, text.len()]).collect();
            cuts.sort_unstable();
            let pieces: Vec<_> = cuts.windows(2).map(|cut| &text[cut[0]..cut[1]]).collect();
            let stops: Vec<_> = stops.iter().map(String::as_str).collect();
            let characters: Vec<_> = text.char_indices().map(|(at, c)| &text[at..at + c.len_utf8()]).collect();
            prop_assert_eq!(run(&stops, false, &pieces, 0), run(&stops, false, &characters, 0));
            if run(&stops, false, &pieces, 0).1.is_none() {
                prop_assert_eq!(run(&stops, false, &pieces, 0).0, text);
            }
        }
    }
}
