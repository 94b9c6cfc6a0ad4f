//! Answers as models write them, and what they say.

use super::{
    Mode,
    ReasoningFormat::{DeepseekR1, Qwen3},
    Setting,
    ToolFormat::{Hermes, LlamaJson, Mistral, Pythonic},
};
use crate::output::OutputEvent;

/// An event, short: `("", …)` is content, `("…", …)` reasoning, `("name", …)` a call and its arguments.
pub(super) type Expected = (&'static str, &'static str);

pub(super) const TEXT: &str = "";
pub(super) const THOUGHT: &str = "…";

/// How it is read, the answer, what it says.
pub(super) type Recorded = (Setting, &'static str, &'static [Expected]);

const HERMES: Setting = Setting::auto(Hermes);
const LLAMA: Setting = Setting::auto(LlamaJson);
const MISTRAL: Setting = Setting::auto(Mistral);
const PYTHONIC: Setting = Setting::auto(Pythonic);
const REQUIRED: Setting = Setting::mode(Mode::Required);
const NAMED: Setting = Setting::mode(Mode::Named);
const PLAIN: Setting = Setting::mode(Mode::None);
/// A model that could call, and may not.
const SILENT: Setting = Setting { mode: Mode::None, ..HERMES };

pub(super) const RECORDED: &[Recorded] = &[
    // Hermes
    (HERMES, "Paris is lovely.\n", &[(TEXT, "Paris is lovely.\n")]),
    (
        HERMES,
        "<tool_call>\n{\"name\": \"get_weather\", \"arguments\": {\"city\": \"Zürich 😀\", \"days\": [1, 2.5e3, null]}}\n</tool_call>",
        &[("get_weather", r#"{"city": "Zürich 😀", "days": [1, 2.5e3, null]}"#)],
    ),
    (
        HERMES,
        "\n\nI'll look.\n<tool_call>{\"name\":\"a\",\"arguments\":{}}</tool_call>\n<tool_call>\n{\"arguments\": {\"x\": {\"y\": [{}]}}, \"name\": \"b\"}</tool_call>\n",
        &[(TEXT, "\n\nI'll look.\n"), ("a", "{}"), ("b", r#"{"x": {"y": [{}]}}"#)],
    ),
    (
        HERMES,
        r#"<tool_call>{"name": "write", "arguments": {"text": "a \"}\" b {[ \\"}}</tool_call>Done. <b>"#,
        &[("write", r#"{"text": "a \"}\" b {[ \\"}"#), (TEXT, "Done. <b>")],
    ),
    // What looks like a tag inside a string is part of it.
    (
        HERMES,
        r#"<tool_call>{"name": "write", "arguments": {"html": "</tool_call><tool_call>"}}</tool_call>"#,
        &[("write", r#"{"html": "</tool_call><tool_call>"}"#)],
    ),
    // No closing tag, a function that nobody knows, other keys, an escaped name.
    (HERMES, r#"<tool_call>{"id": 1, "name": "n\u006fne", "arguments": {"a": 1}, "x": "}"}"#, &[("none", r#"{"a": 1}"#)]),
    (
        HERMES,
        r#"<tool_call>{"name": "a", "arguments": {}}<tool_call>{"name": "b", "arguments": {}}</tool_call></tool_call>"#,
        &[("a", "{}"), ("b", "{}"), (TEXT, "</tool_call>")],
    ),
    // Cut off.
    (HERMES, "Wait <tool_", &[(TEXT, "Wait <tool_")]),
    (HERMES, "<tool_call>", &[(TEXT, "<tool_call>")]),
    (HERMES, "<tool_call>\n{\"name\": \"f\", \"argum", &[(TEXT, "<tool_call>\n{\"name\": \"f\", \"argum")]),
    (HERMES, r#"<tool_call>{"name": "f", "arguments": {"city": "Par"#, &[("f", r#"{"city": "Par"#)]),
    // Malformed.
    (
        HERMES,
        "<tool_call>{'name': 'f'}</tool_call> <tool_call></tool_call>",
        &[(TEXT, "<tool_call>{'name': 'f'}</tool_call> <tool_call></tool_call>")],
    ),
    (HERMES, r#"<tool_call>{"name": "f"}</tool_call>"#, &[(TEXT, r#"<tool_call>{"name": "f"}</tool_call>"#)]),
    (
        HERMES,
        r#"<tool_call>{"name": 5, "arguments": {}}</tool_call>"#,
        &[(TEXT, r#"<tool_call>{"name": 5, "arguments": {}}</tool_call>"#)],
    ),
    (HERMES, r#"<tool_call>{"name": "f", "arguments": {"a": True}}</tool_call>"#, &[("f", r#"{"a": "#), (TEXT, "True}}")]),
    // Llama
    (
        LLAMA,
        r#"{"name": "get_weather", "parameters": {"city": "Sankt Gallen", "n": -1}}"#,
        &[("get_weather", r#"{"city": "Sankt Gallen", "n": -1}"#)],
    ),
    (
        LLAMA,
        r#"<|python_tag|>{"name": "a", "parameters": {"q": "{\"a\": \"}\"}"}}; {"type": "function", "name": "b", "arguments": {}}"#,
        &[("a", r#"{"q": "{\"a\": \"}\"}"}"#), ("b", "{}")],
    ),
    (LLAMA, r#"Sure! {"name": "a", "parameters": {}} Done."#, &[(TEXT, "Sure! "), ("a", "{}"), (TEXT, " Done.")]),
    (LLAMA, "x; y <|py", &[(TEXT, "x; y <|py")]),
    (LLAMA, r#"{"answer": 42}"#, &[(TEXT, r#"{"answer": 42}"#)]),
    (
        LLAMA,
        r#"The set {1, 2}, then {"name": "a", "parameters": {}}"#,
        &[(TEXT, r#"The set {1, 2}, then {"name": "a", "parameters": {}}"#)],
    ),
    (LLAMA, r#"{"name": "a", "para"#, &[(TEXT, r#"{"name": "a", "para"#)]),
    (LLAMA, r#"{"name": "a", "parameters": {"b": [1, "#, &[("a", r#"{"b": [1, "#)]),
    // Mistral
    (
        MISTRAL,
        r#"[TOOL_CALLS][{"name": "get_weather", "arguments": {"city": "Genève", "t": "[]"}}, {"name": "b", "arguments": {}, "id": "abc123xyz"}]"#,
        &[("get_weather", r#"{"city": "Genève", "t": "[]"}"#), ("b", "{}")],
    ),
    (
        MISTRAL,
        r#"Well: [TOOL_CALLS] [TOOL_CALLS] {"name": "a", "arguments": {"b": 1}} ok"#,
        &[(TEXT, "Well: "), ("a", r#"{"b": 1}"#), (TEXT, " ok")],
    ),
    (
        MISTRAL,
        r#"[TOOL_CALLS]get_weather{"city": "Bern }"}[TOOL_CALLS]add-2.x[ARGS] {"a": {"b": 3}}"#,
        &[("get_weather", r#"{"city": "Bern }"}"#), ("add-2.x", r#"{"a": {"b": 3}}"#)],
    ),
    (MISTRAL, r#"[TOOL_CALLS]f{"a": 1} and then"#, &[("f", r#"{"a": 1}"#), (TEXT, " and then")]),
    (MISTRAL, "[1] and [TOOL", &[(TEXT, "[1] and [TOOL")]),
    (MISTRAL, "[TOOL_CALLS]", &[(TEXT, "[TOOL_CALLS]")]),
    (MISTRAL, "[TOOL_CALLS] [TOOL_CALLS]\n[1]", &[(TEXT, "[TOOL_CALLS] [TOOL_CALLS]\n[1]")]),
    (MISTRAL, "[TOOL_CALLS]none, sorry", &[(TEXT, "[TOOL_CALLS]none, sorry")]),
    (MISTRAL, "[TOOL_CALLS]a b{}", &[(TEXT, "[TOOL_CALLS]a b{}")]),
    (MISTRAL, "[TOOL_CALLS][TOOL", &[(TEXT, "[TOOL_CALLS][TOOL")]),
    (MISTRAL, "[TOOL_CALLS]name[AR", &[(TEXT, "[TOOL_CALLS]name[AR")]),
    (MISTRAL, r#"[TOOL_CALLS][{"name": "a", "arguments": {"#, &[("a", "{")]),
    (MISTRAL, r#"[TOOL_CALLS][{"name": "a", "arguments": {}}, {"name": "b"}]"#, &[("a", "{}"), (TEXT, r#", {"name": "b"}]"#)]),
    // Pythonic
    (
        PYTHONIC,
        r#"[get_weather(city='Zürich', unit="°C", days=3), add.two(a=-1.5, b=[1, (2, 3)], c={"k": None, 'l': True})]"#,
        &[
            ("get_weather", r#"{"city": "Zürich", "unit": "°C", "days": 3}"#),
            ("add.two", r#"{"a": -1.5, "b": [1, [2, 3]], "c": {"k": null, "l": true}}"#),
        ],
    ),
    (PYTHONIC, " [ f( ) , g(x = 'it\\'s )]\\n' ) ]\n", &[("f", "{}"), ("g", r#"{"x": "it's )]\n"}"#)]),
    (PYTHONIC, "[f(x=false)] Done.", &[("f", r#"{"x": false}"#), (TEXT, " Done.")]),
    (PYTHONIC, "[link](https://example.org)", &[(TEXT, "[link](https://example.org)")]),
    (PYTHONIC, " [1, 2]", &[(TEXT, " [1, 2]")]),
    (PYTHONIC, "See [f(x=1)]", &[(TEXT, "See [f(x=1)]")]),
    (PYTHONIC, "[f(x=1), g(y=[2", &[("f", r#"{"x": 1}"#), (TEXT, ", g(y=[2")]),
    (PYTHONIC, "[f(1)]", &[(TEXT, "[f(1)]")]),
    (PYTHONIC, "[f(x=open('a'))]", &[(TEXT, "[f(x=open('a'))]")]),
    // Constrained
    (
        REQUIRED,
        r#"[{"name": "a", "parameters": {"é": "]"}}, {"parameters": {}, "name": "b"}]"#,
        &[("a", r#"{"é": "]"}"#), ("b", "{}")],
    ),
    (REQUIRED, " [\n{\"name\": \"a\", \"parameters\": {\"x\": 1", &[("a", "{\"x\": 1")]),
    (REQUIRED, r#"[{"name": "a", "par"#, &[(TEXT, r#"[{"name": "a", "par"#)]),
    (REQUIRED, "[]", &[(TEXT, "[]")]),
    (NAMED, "\n{\"x\": {\"y\": \"😀\"}}", &[("named", r#"{"x": {"y": "😀"}}"#)]),
    (NAMED, "{\"x\": ", &[("named", "{\"x\": ")]),
    // Reasoning
    (
        PLAIN.thinking(Qwen3, false),
        "<think>\nHm, 2 < 3 </thin 😀\n</think>\n\nIt is 5. <think>",
        &[(THOUGHT, "\nHm, 2 < 3 </thin 😀\n"), (TEXT, "\n\nIt is 5. <think>")],
    ),
    (PLAIN.thinking(Qwen3, false), "It is 5. <think> </think>", &[(TEXT, "It is 5. <think> </think>")]),
    (PLAIN.thinking(Qwen3, false), "\n<think>cut </th", &[(THOUGHT, "cut </th")]),
    (PLAIN.thinking(Qwen3, false), "\n</think>Yes", &[(TEXT, "\nYes")]),
    (PLAIN.thinking(Qwen3, false), " <thi", &[(TEXT, " <thi")]),
    (PLAIN.thinking(Qwen3, true), "Hm <think> again </think>Yes", &[(THOUGHT, "Hm <think> again "), (TEXT, "Yes")]),
    (PLAIN.thinking(DeepseekR1, true), "Hm</think>\n\nYes", &[(THOUGHT, "Hm"), (TEXT, "\n\nYes")]),
    (PLAIN.thinking(DeepseekR1, true), "<think>Hm</think>Yes", &[(THOUGHT, "Hm"), (TEXT, "Yes")]),
    (PLAIN.thinking(DeepseekR1, true), "</think>Yes", &[(TEXT, "Yes")]),
    (PLAIN.thinking(DeepseekR1, true), "Hm", &[(THOUGHT, "Hm")]),
    (
        HERMES.thinking(Qwen3, false),
        "<think>\nI call it.\n</think>\n\n<tool_call>\n{\"name\": \"f\", \"arguments\": {\"a\": \"<think>\"}}\n</tool_call>",
        &[(THOUGHT, "\nI call it.\n"), ("f", r#"{"a": "<think>"}"#)],
    ),
    // Qwen may call without closing its thinking; DeepSeek's is what vLLM takes it for.
    (
        HERMES.thinking(Qwen3, true),
        r#"Hm <tool_call>{"name": "f", "arguments": {}}</tool_call>"#,
        &[(THOUGHT, "Hm "), ("f", "{}")],
    ),
    (HERMES.thinking(DeepseekR1, true), "Hm <tool_call>{</think>ok", &[(THOUGHT, "Hm <tool_call>{"), (TEXT, "ok")]),
    (SILENT.thinking(Qwen3, true), "Hm <tool_call>{</think>ok", &[(THOUGHT, "Hm <tool_call>{"), (TEXT, "ok")]),
    (PYTHONIC.thinking(Qwen3, true), "Hm</think>\n[f()]", &[(THOUGHT, "Hm"), ("f", "{}")]),
    (
        REQUIRED.thinking(Qwen3, true),
        "Hm <tool_call></think>[{\"name\": \"a\", \"parameters\": {}}]",
        &[(THOUGHT, "Hm <tool_call>"), ("a", "{}")],
    ),
    (NAMED.thinking(Qwen3, true), "Hm</think>\n\n{}", &[(THOUGHT, "Hm"), ("named", "{}")]),
];

/// Writes events as [`Expected`].
fn short(events: &[OutputEvent]) -> Vec<(String, String)> {
    let mut short: Vec<(String, String)> = Vec::new();
    for event in events {
        match event {
            OutputEvent::Reasoning(text) => short.push((THOUGHT.to_owned(), text.clone())),
            OutputEvent::Content(text) => short.push((TEXT.to_owned(), text.clone())),
            OutputEvent::ToolCall { index, name } => {
                let calls = short.iter().filter(|(kind, _)| kind != TEXT && kind != THOUGHT).count();
                assert_eq!(*index, calls, "calls are numbered in order");
                short.push((name.clone(), String::new()));
            }
            OutputEvent::ToolArguments { fragment, .. } => short.last_mut().unwrap().1.push_str(fragment),
        }
    }
    short
}

#[test]
fn recorded_answers_say_what_they_say() {
    for (setting, answer, expected) in RECORDED {
        let events = short(&setting.read(&[answer]));
        let events: Vec<_> = events.iter().map(|(kind, text)| (kind.as_str(), text.as_str())).collect();
        assert_eq!(events, *expected, "{setting:?} {answer}");
    }
}
