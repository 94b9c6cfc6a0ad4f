//! `tojson` as chat templates know it: Python's `json.dumps`, not Jinja's HTML-safe filter.

use std::io::{self, Write};

use minijinja::{
    Error, ErrorKind, State, Value,
    value::{Kwargs, ValueKind},
};
use serde::Serialize;
use serde_json::ser::{CharEscape, CompactFormatter, Formatter, Serializer};

use super::python_methods::pay_for_bytes;

/// The widest indentation, in characters.
const WIDEST: usize = 64;

/// `tojson(ensure_ascii=False, indent=None, separators=None, sort_keys=False)`, with the keys' order kept.
pub(super) fn tojson(state: &State<'_, '_>, value: &Value, options: Kwargs) -> Result<Value, Error> {
    let style = PythonStyle::from_options(&options)?;
    let sort_keys = options.get::<Option<bool>>("sort_keys")?.unwrap_or(false);
    options.assert_all_used()?;
    if value.kind() == ValueKind::Undefined {
        return Err(Error::new(ErrorKind::BadSerialization, "an undefined value has no JSON form"));
    }
    let text = if sort_keys {
        let mut json: serde_json::Value = serde_json::from_str(&write(state, value, CompactFormatter)?).map_err(failed)?;
        json.sort_all_objects();
        write(state, &json, style)?
    } else {
        write(state, value, style)?
    };
    Ok(Value::from(text))
}

fn write(state: &State<'_, '_>, value: &impl Serialize, style: impl Formatter) -> Result<String, Error> {
    let mut text = PaidText { state, bytes: Vec::new() };
    value.serialize(&mut Serializer::with_formatter(&mut text, style)).map_err(failed)?;
    String::from_utf8(text.bytes).map_err(|error| Error::new(ErrorKind::BadSerialization, error.to_string()))
}

fn failed(error: serde_json::Error) -> Error {
    Error::new(ErrorKind::BadSerialization, "no JSON form").with_source(error)
}

/// A text that is paid for while it grows: a value that holds another one many times can be written at any length.
struct PaidText<'a, 'template, 'env> {
    state: &'a State<'template, 'env>,
    bytes: Vec<u8>,
}

impl Write for PaidText<'_, '_, '_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        pay_for_bytes(self.state, bytes.len()).map_err(io::Error::other)?;
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// How `json.dumps` lays its output out.
struct PythonStyle {
    item_separator: String,
    key_separator: String,
    indent: Option<String>,
    ascii: bool,
    depth: usize,
    empty: bool,
}

impl PythonStyle {
    fn from_options(options: &Kwargs) -> Result<Self, Error> {
        let indent = match options.get::<Option<Value>>("indent")? {
            None => None,
            Some(value) if value.is_none() => None,
            Some(value) => Some(match value.as_str() {
                Some(text) => text.to_owned(),
                None => " ".repeat(width(value)?),
            }),
        };
        // With an indent, lines end in the separator, so Python leaves its space out.
        let defaults = [if indent.is_some() { "," } else { ", " }.to_owned(), ": ".to_owned()];
        let given = options.get::<Option<Vec<String>>>("separators")?;
        let [item_separator, key_separator] = given.map_or(Ok(defaults), TryInto::try_into).map_err(|_| {
            Error::new(ErrorKind::InvalidOperation, "separators are two: between items, and between key and value")
        })?;
        let ascii = options.get::<Option<bool>>("ensure_ascii")?.unwrap_or(false);
        Ok(Self { item_separator, key_separator, indent, ascii, depth: 0, empty: true })
    }

    fn new_line<W: ?Sized + Write>(&self, writer: &mut W) -> io::Result<()> {
        let Some(indent) = &self.indent else { return Ok(()) };
        writer.write_all(b"\n")?;
        (0..self.depth).try_for_each(|_| writer.write_all(indent.as_bytes()))
    }

    fn open<W: ?Sized + Write>(&mut self, writer: &mut W, bracket: u8) -> io::Result<()> {
        self.depth += 1;
        self.empty = true;
        writer.write_all(&[bracket])
    }

    fn item<W: ?Sized + Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        self.empty = false;
        if !first {
            writer.write_all(self.item_separator.as_bytes())?;
        }
        self.new_line(writer)
    }

    fn close<W: ?Sized + Write>(&mut self, writer: &mut W, bracket: u8) -> io::Result<()> {
        self.depth = self.depth.saturating_sub(1);
        if !std::mem::replace(&mut self.empty, false) {
            self.new_line(writer)?;
        }
        writer.write_all(&[bracket])
    }
}

fn width(indent: Value) -> Result<usize, Error> {
    match usize::try_from(indent)? {
        width @ 0..=WIDEST => Ok(width),
        width => Err(Error::new(ErrorKind::InvalidOperation, format!("an indentation is at most {WIDEST} wide, not {width}"))),
    }
}

impl Formatter for PythonStyle {
    fn begin_array<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.open(writer, b'[')
    }

    fn end_array<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.close(writer, b']')
    }

    fn begin_array_value<W: ?Sized + Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        self.item(writer, first)
    }

    fn begin_object<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.open(writer, b'{')
    }

    fn end_object<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.close(writer, b'}')
    }

    fn begin_object_key<W: ?Sized + Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        self.item(writer, first)
    }

    fn begin_object_value<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        writer.write_all(self.key_separator.as_bytes())
    }

    fn write_string_fragment<W: ?Sized + Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        if !self.ascii {
            // Python escapes DEL neither.
            return writer.write_all(fragment.as_bytes());
        }
        let mut units = [0; 2];
        for character in fragment.chars() {
            if character.is_ascii() {
                write!(writer, "{character}")?;
            } else {
                for unit in character.encode_utf16(&mut units) {
                    write!(writer, "\\u{unit:04x}")?;
                }
            }
        }
        Ok(())
    }

    fn write_char_escape<W: ?Sized + Write>(&mut self, writer: &mut W, escape: CharEscape) -> io::Result<()> {
        match escape {
            CharEscape::Quote => writer.write_all(b"\\\""),
            CharEscape::ReverseSolidus => writer.write_all(b"\\\\"),
            CharEscape::Solidus => writer.write_all(b"/"),
            CharEscape::Backspace => writer.write_all(b"\\b"),
            CharEscape::FormFeed => writer.write_all(b"\\f"),
            CharEscape::LineFeed => writer.write_all(b"\\n"),
            CharEscape::CarriageReturn => writer.write_all(b"\\r"),
            CharEscape::Tab => writer.write_all(b"\\t"),
            CharEscape::AsciiControl(byte) => write!(writer, "\\u{byte:04x}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use minijinja::Environment;

    /// Each right side is what Python's `json.dumps` printed.
    #[test]
    fn writes_what_python_writes() {
        let mut environment = Environment::new();
        environment.add_filter("tojson", super::tojson);
        for (expression, expected) in [
            (r#"{"b": 1, "a": [1.5, none, true]}|tojson"#, r#"{"b": 1, "a": [1.5, null, true]}"#),
            (r#""<a href='x'>&\n\t\"é😀</a>"|tojson"#, r#""<a href='x'>&\n\t\"é😀</a>""#),
            (r#""é😀"|tojson(ensure_ascii=true)"#, r#""\u00e9\ud83d\ude00""#),
            (r#"{"b": [], "a": {}}|tojson(indent=2)"#, "{\n  \"b\": [],\n  \"a\": {}\n}"),
            (r#"[[1], {"k": [{}]}]|tojson(indent=1)"#, "[\n [\n  1\n ],\n {\n  \"k\": [\n   {}\n  ]\n }\n]"),
            (r#"{"b": {"d": 1, "c": 2}, "a": 1}|tojson(sort_keys=true)"#, r#"{"a": 1, "b": {"c": 2, "d": 1}}"#),
            (r#"[1, {"a": 2}]|tojson(separators=(",", ":"))"#, r#"[1,{"a":2}]"#),
            (r#"[1]|tojson(indent=none)"#, "[1]"),
        ] {
            let written = environment.render_str(&format!("{{{{ {expression} }}}}"), ()).unwrap();
            assert_eq!(written, expected, "{expression}");
        }
    }

    #[test]
    fn what_python_refuses_is_refused() {
        let mut environment = Environment::new();
        environment.add_filter("tojson", super::tojson);
        for expression in ["missing|tojson", "1|tojson(indents=2)"] {
            assert!(environment.render_str(&format!("{{{{ {expression} }}}}"), ()).is_err(), "{expression}");
        }
    }
}
