//! Arguments of a Python call as a JSON object.

use std::{iter::Peekable, str::Chars};

/// Lists in lists beyond this depth are no arguments: the reader calls itself for each.
const MOST_DEPTH: usize = 64;

/// Reads `a=1, b='x'` and writes `{"a": 1, "b": "x"}`, laid out as Python's `json.dumps(…, ensure_ascii=False)`.
///
/// Values are literals that have a JSON form: strings, numbers, `True`, `False`, `None` (and JSON's names for them), lists,
/// tuples and dictionaries with string keys. Numbers stay as they are written where JSON knows that form. `None` for all else.
pub(super) fn arguments_to_json(source: &str) -> Option<String> {
    let mut reader = Reader { rest: source.chars().peekable(), json: String::new() };
    reader.json.push('{');
    reader.items(None, Reader::argument)?;
    reader.json.push('}');
    Some(reader.json)
}

struct Reader<'a> {
    rest: Peekable<Chars<'a>>,
    json: String,
}

impl Reader<'_> {
    /// Items with commas between them, and at will after the last, up to `close` or the end of the text. How many commas.
    fn items(&mut self, close: Option<char>, item: impl Fn(&mut Self) -> Option<()>) -> Option<usize> {
        let mut commas = 0;
        loop {
            self.skip_white_space();
            if self.rest.peek().copied() == close {
                self.rest.next();
                return Some(commas);
            }
            if commas > 0 {
                self.json.push_str(", ");
            }
            item(self)?;
            self.skip_white_space();
            if self.rest.peek().copied() != close {
                self.rest.next_if_eq(&',')?;
                commas += 1;
            }
        }
    }

    fn argument(&mut self) -> Option<()> {
        let name = self.word();
        self.skip_white_space();
        self.rest.next_if_eq(&'=')?;
        if name.is_empty() || name.starts_with(|first: char| first.is_numeric()) {
            return None;
        }
        self.write_string(&name)?;
        self.json.push_str(": ");
        self.value(MOST_DEPTH)
    }

    fn value(&mut self, depth: usize) -> Option<()> {
        let depth = depth.checked_sub(1)?;
        self.skip_white_space();
        match *self.rest.peek()? {
            '\'' | '"' => {
                let text = self.string()?;
                self.write_string(&text)
            }
            '[' => self.list(depth),
            '(' => self.tuple(depth),
            '{' => self.dictionary(depth),
            '+' | '-' | '.' | '0'..='9' => self.number(),
            _ => {
                let json = match self.word().as_str() {
                    "True" | "true" => "true",
                    "False" | "false" => "false",
                    "None" | "null" => "null",
                    _ => return None,
                };
                self.json.push_str(json);
                Some(())
            }
        }
    }

    fn list(&mut self, depth: usize) -> Option<()> {
        self.rest.next();
        self.json.push('[');
        self.items(Some(']'), |reader| reader.value(depth))?;
        self.json.push(']');
        Some(())
    }

    /// A tuple is a list in JSON; without any comma, brackets only group.
    fn tuple(&mut self, depth: usize) -> Option<()> {
        self.rest.next();
        let before = std::mem::take(&mut self.json);
        let commas = self.items(Some(')'), |reader| reader.value(depth))?;
        let items = std::mem::replace(&mut self.json, before);
        let groups = commas == 0 && !items.is_empty();
        self.json.push_str(&if groups { items } else { format!("[{items}]") });
        Some(())
    }

    fn dictionary(&mut self, depth: usize) -> Option<()> {
        self.rest.next();
        self.json.push('{');
        self.items(Some('}'), |reader| {
            let key = reader.string()?;
            reader.write_string(&key)?;
            reader.skip_white_space();
            reader.rest.next_if_eq(&':')?;
            reader.json.push_str(": ");
            reader.value(depth)
        })?;
        self.json.push('}');
        Some(())
    }

    fn number(&mut self) -> Option<()> {
        let sign = self.rest.next_if(|sign| matches!(sign, '+' | '-'));
        let mut digits = String::new();
        while let Some(next) = self.rest.next_if(|next| {
            next.is_ascii_alphanumeric()
                || matches!(next, '.' | '_')
                || (matches!(next, '+' | '-') && digits.ends_with(['e', 'E']))
        }) {
            digits.push(next);
        }
        digits.retain(|digit| digit != '_');
        if serde_json::from_str::<serde_json::Number>(&digits).is_err() {
            // Python's `1.` and `.5` are no JSON.
            let float: f64 = digits.parse().ok().filter(|float: &f64| float.is_finite() && digits.contains('.'))?;
            digits = serde_json::to_string(&float).ok()?;
        }
        self.json.extend(sign.filter(|sign| *sign == '-'));
        self.json.push_str(&digits);
        Some(())
    }

    /// String literals, which Python joins if only white space is between them.
    fn string(&mut self) -> Option<String> {
        let mut text = String::new();
        let mut quote = self.rest.next_if(|quote| matches!(quote, '\'' | '"'))?;
        loop {
            match self.rest.next()? {
                '\\' => self.escape(&mut text)?,
                end if end == quote => {
                    self.skip_white_space();
                    let Some(another) = self.rest.next_if(|quote| matches!(quote, '\'' | '"')) else { return Some(text) };
                    quote = another;
                }
                // Line breaks are no Python, but models write them, and they leave no doubt.
                character => text.push(character),
            }
        }
    }

    /// After a backslash. What Python does not know as an escape stands for itself.
    fn escape(&mut self, text: &mut String) -> Option<()> {
        let character = match self.rest.next()? {
            '\n' => return Some(()),
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'a' => '\u{7}',
            'b' => '\u{8}',
            'f' => '\u{c}',
            'v' => '\u{b}',
            'x' => self.code_point(2)?,
            'u' => self.code_point(4)?,
            'U' => self.code_point(8)?,
            same @ ('\\' | '\'' | '"') => same,
            'N' | '0'..='7' => return None,
            unknown => {
                text.push('\\');
                unknown
            }
        };
        text.push(character);
        Some(())
    }

    fn code_point(&mut self, digits: usize) -> Option<char> {
        let value = (0..digits).try_fold(0_u32, |value, _| Some(value.checked_mul(16)? + self.rest.next()?.to_digit(16)?))?;
        char::from_u32(value)
    }

    fn word(&mut self) -> String {
        let mut word = String::new();
        while let Some(next) = self.rest.next_if(|next| next.is_alphanumeric() || *next == '_') {
            word.push(next);
        }
        word
    }

    fn skip_white_space(&mut self) {
        while self.rest.next_if(|next| next.is_whitespace()).is_some() {}
    }

    fn write_string(&mut self, text: &str) -> Option<()> {
        self.json.push_str(&serde_json::to_string(text).ok()?);
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each right side is what Python's `ast` and `json.dumps(…, ensure_ascii=False)` make of it.
    #[test]
    fn writes_what_python_writes() {
        for (python, json) in [
            ("", "{}"),
            ("a=1, b = 'x', ", r#"{"a": 1, "b": "x"}"#),
            (
                r#"a="it's", b='say "hi"\n', c='\\ \x41\u00e9\U0001F600\q'"#,
                r#"{"a": "it's", "b": "say \"hi\"\n", "c": "\\ Aé😀\\q"}"#,
            ),
            ("a='x' \"y\", b=''", r#"{"a": "xy", "b": ""}"#),
            (
                "a=-1, b=+2, c=1_000, d=1.5, e=0.5, f=12345678901234567890123",
                r#"{"a": -1, "b": 2, "c": 1000, "d": 1.5, "e": 0.5, "f": 12345678901234567890123}"#,
            ),
            ("a=.5, b=-1.", r#"{"a": 0.5, "b": -1.0}"#),
            ("a=True, b=false, c=None, d=null", r#"{"a": true, "b": false, "c": null, "d": null}"#),
            ("a=[1, [], (2, 'x'), (3,), (4), ()]", r#"{"a": [1, [], [2, "x"], [3], 4, []]}"#),
            ("a={'k': {\"l\": [1]}, 'ü': 2,}, b={}", r#"{"a": {"k": {"l": [1]}, "ü": 2}, "b": {}}"#),
        ] {
            assert_eq!(arguments_to_json(python).as_deref(), Some(json), "{python}");
        }
    }

    #[test]
    fn what_has_no_json_form_is_refused() {
        let deep = format!("a={}1{}", "[".repeat(100_000), "]".repeat(100_000));
        for python in [
            "1",
            "a",
            "a=",
            "=1",
            "a=1 b=2",
            ",",
            "a=1,,",
            "1a=1",
            "a=b",
            "a=f()",
            "a={1, 2}",
            "a={1: 2}",
            "a=[1",
            "a='x",
            "a=]",
            "a=0x1f",
            "a=1e999",
            "a=1.2.3",
            "a=1j",
            "a=--1",
            "a=007",
            r"a='\ud83d'",
            r"a='\N{DASH}'",
            r"a='\x4'",
            "a=b'x'",
            "a=1+1",
            &deep,
        ] {
            assert_eq!(arguments_to_json(python), None, "{python:.40}");
        }
    }
}
