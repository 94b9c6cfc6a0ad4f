//! Formats guessed from published chat templates, and by name.

use super::{
    OutputFormat,
    ReasoningFormat::{DeepseekR1, Qwen3},
    ToolFormat::{self, Hermes, LlamaJson, Mistral, Pythonic},
};

macro_rules! template {
    ($model:literal) => {
        include_str!(concat!("../../../tests/templates/", $model, "/chat_template.jinja"))
    };
}

#[test]
fn published_templates_tell_their_formats() {
    for (model, template, tools, reasoning) in [
        ("smollm2", template!("smollm2"), None, None),
        ("qwen2.5", template!("qwen2.5"), Some(Hermes), None),
        ("qwen3", template!("qwen3"), Some(Hermes), Some(Qwen3)),
        ("qwen3-vl", template!("qwen3-vl"), Some(Hermes), None),
        ("deepseek-r1-distill", template!("deepseek-r1-distill"), None, Some(Qwen3)),
        ("llama-3", template!("llama-3"), None, None),
        ("llama-3.1", template!("llama-3.1"), Some(LlamaJson), None),
        ("llama-3.2", template!("llama-3.2"), Some(LlamaJson), None),
        ("mistral-v0.3", template!("mistral-v0.3"), Some(Mistral), None),
        ("gemma-3", template!("gemma-3"), None, None),
        // Formats that are not read.
        ("glm-4.5", template!("glm-4.5"), None, Some(Qwen3)),
        ("nemotron-3-nano", template!("nemotron-3-nano"), None, Some(Qwen3)),
        ("gpt-oss", template!("gpt-oss"), None, None),
    ] {
        assert_eq!(OutputFormat::from_template(template), OutputFormat { tools, reasoning }, "{model}");
    }
}

/// From templates that are told apart by a few words.
#[test]
fn excerpts_tell_their_formats() {
    for (excerpt, tools, reasoning) in [
        (
            "put it in the format of [func_name1(params_name1=params_value1, params_name2=params_value2...), func_name2(params)]",
            Some(Pythonic),
            None,
        ),
        ("<tool_call>\\n<function=example_function_name>\\n<parameter=example_parameter_1>", None, None),
        ("{{- '<|python_start|>[func_name1(' }}", None, None),
        ("{% set content = content.split('</think>')[-1] %}", None, Some(DeepseekR1)),
    ] {
        assert_eq!(OutputFormat::from_template(excerpt), OutputFormat { tools, reasoning }, "{excerpt}");
    }
}

#[test]
fn names_are_those_of_vllm() {
    let named = |name: &str| serde_json::from_value::<ToolFormat>(name.into()).ok();
    for (name, format) in [
        ("hermes", Some(Hermes)),
        ("qwen3_json", Some(Hermes)),
        ("llama3_json", Some(LlamaJson)),
        ("llama4_json", Some(LlamaJson)),
        ("mistral", Some(Mistral)),
        ("pythonic", Some(Pythonic)),
        ("qwen3_coder", None),
    ] {
        assert_eq!(named(name), format, "{name}");
    }
    assert_eq!(serde_json::to_value([Qwen3, DeepseekR1]).unwrap(), serde_json::json!(["qwen3", "deepseek_r1"]));
}

#[test]
fn prompts_tell_whether_they_end_inside_reasoning() {
    for (prompt, qwen3, deepseek) in [
        ("<|im_start|>assistant\n<think>\n", true, true),
        ("<|im_start|>assistant\n", false, true),
        ("<|im_start|>assistant\n<think>\n\n</think>\n\n", false, false),
        ("What does <think> mean?<|im_end|>\n<|im_start|>assistant\n", false, true),
        ("", false, true),
    ] {
        assert_eq!(Qwen3.prompt_ends_inside(prompt), qwen3, "{prompt}");
        assert_eq!(DeepseekR1.prompt_ends_inside(prompt), deepseek, "{prompt}");
    }
}

#[test]
fn marked_calls_need_their_markers() {
    assert_eq!([Hermes, Mistral, LlamaJson, Pythonic].map(ToolFormat::needs_special_tokens), [true, true, false, false]);
}
