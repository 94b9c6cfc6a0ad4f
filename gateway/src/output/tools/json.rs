//! Where a JSON value ends, found while it comes.

/// Follows one JSON value (RFC 8259) byte by byte and remembers only what is open, so its cost is linear however the text is
/// split.
///
/// Two things are let through that RFC 8259 forbids: control characters in strings, which models write and which leave no
/// doubt about where the value ends, and numbers that are no numbers (`1.2.3`).
pub(super) struct JsonScanner {
    open: Vec<Container>,
    expected: Expected,
}

/// How far the scanned text goes.
pub(super) enum Scan {
    /// The value goes on.
    More,
    /// The value is whole.
    Ended,
    /// The next byte cannot follow.
    Broken,
}

#[derive(Clone, Copy)]
enum Container {
    Object,
    Array,
}

#[derive(Clone, Copy)]
enum Expected {
    Value,
    ValueOrClose,
    Key,
    KeyOrClose,
    Colon,
    CommaOrClose,
    String { key: bool },
    Escape { key: bool },
    Hex { key: bool, left: u8 },
    Literal(&'static [u8]),
    Number,
}

enum Step {
    Inside,
    /// The byte is the value's last.
    Last,
    /// The value ended before the byte.
    After,
    Broken,
}

impl JsonScanner {
    pub(super) const fn new() -> Self {
        Self { open: Vec::new(), expected: Expected::Value }
    }

    /// Whether a value can start with `byte`.
    pub(super) const fn can_start(byte: u8) -> bool {
        matches!(byte, b'{' | b'[' | b'"' | b't' | b'f' | b'n' | b'-' | b'0'..=b'9')
    }

    /// Reads on, and tells how many bytes of `text` belong to the value; white space before it does.
    pub(super) fn push(&mut self, text: &str) -> (usize, Scan) {
        for (offset, byte) in text.bytes().enumerate() {
            match self.step(byte) {
                Step::Inside => {}
                Step::Last => return (offset + 1, Scan::Ended),
                Step::After => return (offset, Scan::Ended),
                Step::Broken => return (offset, Scan::Broken),
            }
        }
        (text.len(), Scan::More)
    }

    fn step(&mut self, byte: u8) -> Step {
        match (self.expected, byte) {
            (Expected::String { .. } | Expected::Escape { .. } | Expected::Hex { .. }, _) => self.string(byte),
            (Expected::Literal(rest), _) => match rest.split_first() {
                Some((first, [])) if *first == byte => self.value_ended(),
                Some((first, rest)) if *first == byte => self.expect(Expected::Literal(rest)),
                _ => Step::Broken,
            },
            (Expected::Number, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E') => Step::Inside,
            (Expected::Number, _) if self.open.is_empty() => Step::After,
            (Expected::Number, _) => {
                self.expected = Expected::CommaOrClose;
                self.step(byte)
            }
            (_, b' ' | b'\t' | b'\n' | b'\r') => Step::Inside,
            (Expected::KeyOrClose, b'}') | (Expected::ValueOrClose, b']') => self.close(),
            (Expected::Value | Expected::ValueOrClose, _) => self.value(byte),
            (Expected::Key | Expected::KeyOrClose, b'"') => self.expect(Expected::String { key: true }),
            (Expected::Colon, b':') => self.expect(Expected::Value),
            (Expected::CommaOrClose, _) => match (self.open.last(), byte) {
                (Some(Container::Object), b',') => self.expect(Expected::Key),
                (Some(Container::Array), b',') => self.expect(Expected::Value),
                (Some(Container::Object), b'}') | (Some(Container::Array), b']') => self.close(),
                _ => Step::Broken,
            },
            _ => Step::Broken,
        }
    }

    fn value(&mut self, byte: u8) -> Step {
        match byte {
            b'{' => self.open(Container::Object, Expected::KeyOrClose),
            b'[' => self.open(Container::Array, Expected::ValueOrClose),
            b'"' => self.expect(Expected::String { key: false }),
            b't' => self.expect(Expected::Literal(b"rue")),
            b'f' => self.expect(Expected::Literal(b"alse")),
            b'n' => self.expect(Expected::Literal(b"ull")),
            b'-' | b'0'..=b'9' => self.expect(Expected::Number),
            _ => Step::Broken,
        }
    }

    fn string(&mut self, byte: u8) -> Step {
        match (self.expected, byte) {
            (Expected::String { key }, b'\\') => self.expect(Expected::Escape { key }),
            (Expected::String { key: true }, b'"') => self.expect(Expected::Colon),
            (Expected::String { key: false }, b'"') => self.value_ended(),
            (Expected::String { .. }, _) => Step::Inside,
            (Expected::Escape { key }, b'u') => self.expect(Expected::Hex { key, left: 4 }),
            (Expected::Escape { key }, b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => {
                self.expect(Expected::String { key })
            }
            (Expected::Hex { key, left: 1 }, digit) if digit.is_ascii_hexdigit() => self.expect(Expected::String { key }),
            (Expected::Hex { key, left }, digit) if digit.is_ascii_hexdigit() => {
                self.expect(Expected::Hex { key, left: left - 1 })
            }
            _ => Step::Broken,
        }
    }

    const fn expect(&mut self, expected: Expected) -> Step {
        self.expected = expected;
        Step::Inside
    }

    fn open(&mut self, container: Container, expected: Expected) -> Step {
        self.open.push(container);
        self.expect(expected)
    }

    fn close(&mut self) -> Step {
        self.open.pop();
        self.value_ended()
    }

    fn value_ended(&mut self) -> Step {
        self.expected = Expected::CommaOrClose;
        if self.open.is_empty() { Step::Last } else { Step::Inside }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;
    use crate::output::tests::split;

    /// How many bytes of `text` are a value, and whether it is whole; in pieces of `lengths` characters.
    fn scan(text: &str, lengths: &[usize]) -> (usize, &'static str) {
        let mut scanner = JsonScanner::new();
        let mut total = 0;
        for piece in split(text, lengths) {
            let (length, scan) = scanner.push(&piece);
            total += length;
            match scan {
                Scan::More => {}
                Scan::Ended => return (total, "ended"),
                Scan::Broken => return (total, "broken"),
            }
        }
        (total, "more")
    }

    #[test]
    fn a_value_ends_where_it_ends() {
        for (text, length, state) in [
            (" {\"a\": [1, {}, []], \"b\": \"}\\\"\\u00e9\"} }", 37, "ended"),
            ("\"é\",", 4, "ended"),
            ("-1.5e3,", 6, "ended"),
            ("true,", 4, "ended"),
            ("[1, 2", 5, "more"),
            ("{\"a\": \"\n", 8, "more"),
            ("{'a'", 1, "broken"),
            ("{\"a\" 1", 5, "broken"),
            ("[1 2", 3, "broken"),
            ("[}", 1, "broken"),
            ("[1}", 2, "broken"),
            ("{\"a\": 1]", 7, "broken"),
            ("[1, ]", 4, "broken"),
            ("{\"a\": 1, }", 9, "broken"),
            ("[True", 1, "broken"),
            ("[nuLl", 3, "broken"),
            ("\"\\x", 2, "broken"),
            ("\"\\u00g", 5, "broken"),
        ] {
            assert_eq!(scan(text, &[1]), (length, state), "{text}");
            assert_eq!(scan(text, &[100]), (length, state), "{text}");
        }
    }

    fn values() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            ".{0,8}".prop_map(Value::from)
        ];
        leaf.prop_recursive(4, 32, 4, |inner| {
            let object = proptest::collection::vec((".{0,4}", inner.clone()), 0..4);
            prop_oneof![
                proptest::collection::vec(inner, 0..4).prop_map(Value::from),
                object.prop_map(|items| items.into_iter().collect())
            ]
        })
    }

    proptest! {
        #[test]
        fn every_value_is_followed_to_its_end(value in values(), pretty in any::<bool>(), lengths in proptest::collection::vec(1_usize..6, 1..6)) {
            let json = if pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) }.unwrap();
            prop_assert_eq!(scan(&(json.clone() + ", more"), &lengths), (json.len(), "ended"));
        }
    }
}
