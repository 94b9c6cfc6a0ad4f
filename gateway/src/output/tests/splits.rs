//! How an answer is split makes no difference, and nothing is lost.

use proptest::prelude::*;

use super::{Mode, OutputEvent, ReasoningFormat, Setting, ToolFormat, recorded::RECORDED, split};

const FORMATS: [ToolFormat; 4] = [ToolFormat::Hermes, ToolFormat::LlamaJson, ToolFormat::Mistral, ToolFormat::Pythonic];

fn settings() -> impl Strategy<Value = Setting> {
    let tools = proptest::option::of(proptest::sample::select(&FORMATS[..]));
    let reasoning = proptest::option::of(proptest::sample::select(&[ReasoningFormat::Qwen3, ReasoningFormat::DeepseekR1][..]));
    let mode = proptest::sample::select(&[Mode::None, Mode::Auto, Mode::Auto, Mode::Auto, Mode::Required, Mode::Named][..]);
    let fields = (tools, reasoning, mode, any::<bool>());
    fields.prop_map(|(tools, reasoning, mode, inside)| Setting { tools, reasoning, mode, inside })
}

/// Text made of what readers look for, and of anything else.
const MARKUP: &str = "(<think>|</think>|<tool_call>|</tool_call>|<\\|python_tag\\|>|\\[TOOL_CALLS\\]|\\[ARGS\\]\
    |\\{\"name\": ?\"f\", ?\"(arguments|parameters)\": ?|\\{\"a\": [1, \"\\\\\"\"]\\}|\"arguments\":\\{\\}|\"name\"|f\\(x='|\\[f\\(|\\)\\]\
    |[\\[\\]{}()<>\"'\\\\:;,=/|a1. \n]|\\PC){0,24}";

#[test]
fn recorded_answers_are_the_same_in_any_even_split() {
    for (setting, answer, _) in RECORDED {
        let whole = setting.read(&[answer]);
        for length in 1..answer.chars().count() {
            assert_eq!(setting.read(&split(answer, &[length])), whole, "{setting:?} {answer} in pieces of {length}");
        }
    }
}

#[test]
fn arguments_are_told_as_they_come() {
    let mut reader = Setting::auto(ToolFormat::Hermes).reader();
    assert!(reader.push("<tool_call>{\"name\": \"f\"").is_empty());
    assert!(reader.push(", \"arguments\": ").is_empty());
    assert_eq!(reader.push("{\"a\"").len(), 2);
    let fragment = |text: &str| vec![OutputEvent::ToolArguments { index: 0, fragment: text.to_owned() }];
    assert_eq!(reader.push(": \"x"), fragment(": \"x"));
    assert_eq!(reader.push("\"}} </tool"), fragment("\"}"));
    assert!(reader.push("_call>\n").is_empty());
    assert!(reader.finish().is_empty());
}

#[test]
fn text_is_told_as_it_comes() {
    let content = |text: &str| vec![OutputEvent::Content(text.to_owned())];
    for format in FORMATS {
        let mut reader = Setting::auto(format).thinking(ReasoningFormat::Qwen3, false).reader();
        for piece in ["Hi", " there", "\n\n", "a > b"] {
            assert_eq!(reader.push(piece), content(piece), "{format:?}");
        }
    }
}

/// Work that grows with the square of the answer would take minutes for each of these, if not hours.
#[test]
fn hostile_answers_cost_no_more_than_others() {
    const LENGTH: usize = 300_000;
    let auto = [ToolFormat::Hermes, ToolFormat::LlamaJson, ToolFormat::Mistral, ToolFormat::Pythonic].map(Setting::auto);
    let [hermes, llama, mistral, pythonic] = auto.map(|setting| setting.thinking(ReasoningFormat::Qwen3, false));
    let required = Setting::mode(Mode::Required);
    for (setting, start, unit) in [
        (hermes, "", "<"),
        (hermes, "", " "),
        (hermes, "<think>", "</"),
        (hermes, "", "<tool_call>"),
        (hermes, "<tool_call>", "{"),
        (hermes, "<tool_call>{\"", "a"),
        (hermes, "<tool_call>{\"x\":", "["),
        (hermes, "<tool_call>{\"arguments\":\"", "\\\\"),
        (hermes, "<tool_call>{\"name\":\"f\",\"arguments\":", "{\"\":"),
        (hermes, "", "<tool_call>{\"name\":\"f\",\"arguments\":{}}"),
        (llama, "", "<|"),
        (llama, "", "{"),
        (llama, "", "{\"name\":\"f\",\"parameters\":{}};"),
        (mistral, "", "[TOOL_CALLS]"),
        (mistral, "[TOOL_CALLS]", "["),
        (mistral, "[TOOL_CALLS]", "a"),
        (mistral, "", "[TOOL_CALLS]f{}"),
        (pythonic, "[", "f(),"),
        (pythonic, "[", "f"),
        (pythonic, "[f(x=", "["),
        (pythonic, "[f(x='", "\\"),
        (required, "[", "{\"name\":\"f\",\"parameters\":{}},"),
        (required, "", "["),
    ] {
        let answer = start.to_owned() + &unit.repeat(LENGTH / unit.len());
        let whole = setting.read(&[&answer]);
        assert!(whole == setting.read(&split(&answer, &[1])), "{setting:?} {start} {unit}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn recorded_answers_are_the_same_in_any_split(
        (setting, answer, _) in proptest::sample::select(RECORDED),
        lengths in proptest::collection::vec(1_usize..20, 1..12),
    ) {
        prop_assert_eq!(setting.read(&split(answer, &lengths)), setting.read(&[answer]));
    }

    #[test]
    fn any_text_is_the_same_in_any_split(
        setting in settings(),
        answer in MARKUP,
        lengths in proptest::collection::vec(1_usize..8, 1..12),
    ) {
        prop_assert_eq!(setting.read(&split(&answer, &lengths)), setting.read(&[&answer]));
    }

    #[test]
    fn without_tools_and_reasoning_text_stays_text(
        format in proptest::option::of(proptest::sample::select(&FORMATS[..])),
        answer in MARKUP,
        lengths in proptest::collection::vec(1_usize..8, 1..12),
    ) {
        let setting = Setting { tools: format, ..Setting::mode(Mode::None) };
        let events = setting.read(&split(&answer, &lengths));
        prop_assert_eq!(events, Vec::from_iter((!answer.is_empty()).then_some(OutputEvent::Content(answer))));
    }

    #[test]
    fn an_answer_without_calls_is_kept_whole(
        format in proptest::sample::select(&FORMATS[..]),
        answer in MARKUP,
    ) {
        let events = Setting::auto(format).read(&[&answer]);
        let called = events.iter().any(|event| matches!(event, OutputEvent::ToolCall { .. }));
        // The one marker that is dropped even where no call follows.
        let tagged = format == ToolFormat::LlamaJson && answer.contains("<|python_tag|>");
        prop_assume!(!called && !tagged);
        prop_assert_eq!(events, Vec::from_iter((!answer.is_empty()).then_some(OutputEvent::Content(answer))));
    }
}
