//! Real chat templates, byte for byte as Hugging Face's renderer in Python renders them (`tests/templates/render.py`).

use std::{collections::BTreeMap, fs, path::Path};

use blindllama_gateway::{
    openai::{chat_message::Message, turns::turns},
    text::{ChatTemplate, RenderError, Rendering},
};
use jiff::{Zoned, civil, tz::TimeZone};
use serde::Deserialize;

/// What Python made of one conversation.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Expected {
    Text(String),
    Raised(String),
    /// A Python error; its words are Python's own.
    Failed(#[expect(dead_code, reason = "kept in the file for people")] String),
}

fn now() -> Zoned {
    civil::datetime(2024, 7, 9, 10, 11, 12, 0).to_zoned(TimeZone::UTC).unwrap()
}

fn read<T: for<'de> Deserialize<'de>>(file: &Path) -> T {
    serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap()
}

#[test]
fn real_templates_render_as_in_python() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/templates");
    let folders = fs::read_dir(&root).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir());
    let mut different = Vec::new();
    let mut rendered = 0;
    for folder in folders {
        let template = ChatTemplate::load(&folder, now).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        let conversations: BTreeMap<String, Vec<Message>> = read(&root.join("conversations.json"));
        let expected: BTreeMap<String, Expected> = read(&folder.join("expected.json"));
        assert!(expected.keys().eq(conversations.keys()), "{}: run render.py", folder.display());
        for (name, messages) in conversations {
            let turns = turns(messages).unwrap();
            let same = match (template.render(&turns, &Rendering::default()), &expected[&name]) {
                (Ok(text), Expected::Text(expected)) => text == *expected,
                (Err(RenderError::Raised(words)), Expected::Raised(expected)) => words == *expected,
                (Err(RenderError::Failed(_)), Expected::Failed(_)) => true,
                _ => false,
            };
            rendered += 1;
            if !same {
                let got = template.render(&turns, &Rendering::default()).unwrap_or_else(|error| format!("{error:?}: {error}"));
                different.push(format!("{} / {name}\n  got      {got:?}\n  expected {:?}", folder.display(), expected[&name]));
            }
        }
    }
    assert!(different.is_empty(), "{}", different.join("\n"));
    assert!(rendered >= 12 * 12, "only {rendered}");
}
