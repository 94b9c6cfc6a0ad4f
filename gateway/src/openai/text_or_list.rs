//! Parameters that are one text or a list.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{Error, SeqAccess, Visitor},
};

/// Reads one text, or a list of `I`. A visitor rather than an untagged enum, which would lose the path and the reason of an
/// error inside.
pub(super) struct TextOrList<I, T> {
    text: fn(String) -> T,
    list: fn(Vec<I>) -> T,
    expecting: &'static str,
}

impl<'de, I: Deserialize<'de>, T> TextOrList<I, T> {
    /// Reads what `expecting` describes, as `text` or `list` puts it.
    pub(super) fn read<D: Deserializer<'de>>(
        deserializer: D,
        expecting: &'static str,
        text: fn(String) -> T,
        list: fn(Vec<I>) -> T,
    ) -> Result<T, D::Error> {
        deserializer.deserialize_any(Self { text, list, expecting })
    }
}

impl<'de, I: Deserialize<'de>, T> Visitor<'de> for TextOrList<I, T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.expecting)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        Ok((self.text)(text.to_owned()))
    }

    fn visit_string<E: Error>(self, text: String) -> Result<T, E> {
        Ok((self.text)(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<T, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok((self.list)(list))
    }
}
