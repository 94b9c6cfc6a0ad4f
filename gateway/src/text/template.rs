//! Chat templates: messages to prompt, byte for byte as Hugging Face's `apply_chat_template` does it in Python.

use std::{collections::BTreeMap, path::Path};

use jiff::{Zoned, fmt::strtime};
use minijinja::{
    AutoEscape, Environment, Error, ErrorKind, Output, State, UndefinedBehavior, Value, escape_formatter,
    syntax::SyntaxConfig,
    value::{Serde, ValueKind},
};
use serde::Serialize;

use super::{
    conversation::{ContentFormat, Conversation, Turn},
    python_json, python_methods, template_files,
};

pub use super::template_files::TemplateError;

/// Where `strftime_now` takes the time from.
pub type Clock = fn() -> Zoned;

const NAME: &str = "chat_template";
/// Instructions that a template which came with a request may execute. Each also stands for 64 bytes that it may make, so
/// that this bounds its memory too, to 64 MB.
const REQUEST_FUEL: u64 = 1_000_000;
/// The longest time format, in bytes, that `strftime_now` takes.
const LONGEST_TIME_FORMAT: usize = 1024;

/// A model's chat template, ready to render.
pub struct ChatTemplate {
    source: String,
    environment: Environment<'static>,
    special_tokens: BTreeMap<String, String>,
    content: ContentFormat,
    knows_developer: bool,
}

/// A conversation that the template does not accept.
///
/// The text can quote the conversation: it is for the client who sent it, and `Debug` leaves it out.
#[derive(thiserror::Error)]
pub enum RenderError {
    /// The template called `raise_exception`; its own words.
    #[error("{0}")]
    Raised(String),
    /// The template failed on these messages.
    #[error("the chat template cannot render these messages: {0}")]
    Failed(String),
}

/// What goes into a prompt beside the conversation.
#[derive(Clone, Default)]
pub struct Rendering {
    /// The tools that the model may call.
    pub tools: Option<serde_json::Value>,
    /// Texts for templates that answer from documents.
    pub documents: Option<serde_json::Value>,
    /// How the prompt ends.
    pub end: PromptEnd,
    /// More variables, by name.
    pub variables: BTreeMap<String, serde_json::Value>,
}

/// How a prompt ends.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum PromptEnd {
    /// Where the assistant speaks next.
    #[default]
    Assistant,
    /// After the last message.
    LastMessage,
    /// Within the last message, which is to be continued.
    WithinLastMessage,
}

/// What a template sees, in the order of Hugging Face's renderer; special tokens come as variables of their own.
#[derive(Serialize)]
struct Context<'a> {
    messages: &'a Conversation<'a>,
    tools: &'a Option<serde_json::Value>,
    documents: &'a Option<serde_json::Value>,
    add_generation_prompt: bool,
    #[serde(flatten)]
    special_tokens: &'a BTreeMap<String, String>,
    #[serde(flatten)]
    variables: &'a BTreeMap<String, serde_json::Value>,
}

impl Rendering {
    /// Names of variables that have a place of their own here, or would change how a prompt is made.
    pub const RESERVED: [&'static str; 8] = [
        "messages",
        "tools",
        "documents",
        "add_generation_prompt",
        "continue_final_message",
        "chat_template",
        "tokenize",
        "return_dict",
    ];
}

impl ChatTemplate {
    /// Loads the template of a model folder: `chat_template.jinja`, or `chat_template` in `tokenizer_config.json`.
    ///
    /// # Errors
    /// [`TemplateError`] if there is none, or it cannot be compiled.
    pub fn load(folder: &Path, clock: Clock) -> Result<Self, TemplateError> {
        let files = template_files::read(folder)?;
        Self::new(&files.source, files.special_tokens, clock)
    }

    /// Compiles a template.
    ///
    /// # Errors
    /// [`TemplateError::Syntax`].
    pub fn new(source: &str, special_tokens: BTreeMap<String, String>, clock: Clock) -> Result<Self, TemplateError> {
        Self::compile(source, special_tokens, clock, None)
    }

    /// With `fuel`, each rendering may execute so many instructions.
    fn compile(
        source: &str,
        special_tokens: BTreeMap<String, String>,
        clock: Clock,
        fuel: Option<u64>,
    ) -> Result<Self, TemplateError> {
        let mut environment = environment(clock).map_err(TemplateError::Syntax)?;
        environment.set_fuel(fuel);
        environment.add_template_owned(NAME, without_generation_tags(source)).map_err(TemplateError::Syntax)?;
        // As vLLM looks for it: a template that never names the role would drop such messages or refuse them.
        let knows_developer = source.contains("\"developer\"") || source.contains("'developer'");
        let content = ContentFormat::Text;
        let mut template = Self { source: source.to_owned(), environment, special_tokens, content, knows_developer };
        template.content =
            ContentFormat::probe(source, |message| template.render_conversation(&message, &Rendering::default()).ok());
        Ok(template)
    }

    /// The template's text, as it stands in the model's folder.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Another template for the same model, for one request: it may do only so much work.
    ///
    /// # Errors
    /// [`TemplateError::Syntax`].
    pub fn replaced(&self, source: &str, clock: Clock) -> Result<Self, TemplateError> {
        Self::compile(source, self.special_tokens.clone(), clock, Some(REQUEST_FUEL))
    }

    /// Renders a conversation.
    ///
    /// # Errors
    /// [`RenderError`] with a text for the client.
    pub fn render(&self, turns: &[Turn], rendering: &Rendering) -> Result<String, RenderError> {
        let prompt = self.render_conversation(&Conversation::new(turns, self.content, self.knows_developer), rendering)?;
        match (rendering.end, turns.last()) {
            (PromptEnd::WithinLastMessage, Some(last)) => continued(prompt, &last.text()),
            _ => Ok(prompt),
        }
    }

    fn render_conversation(&self, messages: &Conversation<'_>, rendering: &Rendering) -> Result<String, RenderError> {
        let Rendering { tools, documents, end, variables } = rendering;
        let add_generation_prompt = *end == PromptEnd::Assistant;
        let special_tokens = &self.special_tokens;
        let context = Context { messages, tools, documents, add_generation_prompt, special_tokens, variables };
        let template = self.environment.get_template(NAME)?;
        Ok(template.render(Value::from(Serde(&context)))?)
    }
}

/// Cuts a prompt after `last`, the text of its last message, as Hugging Face's `continue_final_message` does.
fn continued(mut prompt: String, last: &str) -> Result<String, RenderError> {
    let not_there = || RenderError::Failed("it does not repeat the last message, which is to be continued".to_owned());
    let at = prompt.rfind(last.trim()).ok_or_else(not_there)?;
    // Some templates trim what they repeat.
    let kept = prompt.get(at..).is_some_and(|rest| rest.starts_with(last.trim_start()));
    let last = if kept { last.trim_start() } else { last.trim() };
    prompt.truncate(at + last.len());
    Ok(prompt)
}

impl std::fmt::Debug for RenderError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Raised(_) => "Raised",
            Self::Failed(_) => "Failed",
        })
    }
}

impl From<Error> for RenderError {
    fn from(error: Error) -> Self {
        let mut cause: Option<&dyn std::error::Error> = Some(&error);
        while let Some(current) = cause {
            if let Some(Raised(message)) = current.downcast_ref() {
                return Self::Raised(message.clone());
            }
            cause = current.source();
        }
        let detail = error.detail().map_or_else(String::new, |detail| format!(": {detail}"));
        Self::Failed(format!("{}{detail}", error.kind()))
    }
}

/// What `raise_exception` was called with.
#[derive(Debug, thiserror::Error)]
#[error("raise_exception was called")]
struct Raised(String);

/// The environment of `transformers.utils.chat_template_utils`.
fn environment(clock: Clock) -> Result<Environment<'static>, Error> {
    let mut environment = Environment::new();
    environment.set_syntax(SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build()?);
    environment.set_auto_escape_callback(|_| AutoEscape::None);
    environment.set_undefined_behavior(UndefinedBehavior::Lenient);
    environment.set_unknown_method_callback(python_methods::call);
    environment.set_formatter(python_formatter);
    environment.add_test("iterable", is_iterable);
    environment.add_test("sequence", is_sequence);
    environment.add_filter("tojson", python_json::tojson);
    environment.add_function("raise_exception", raise_exception);
    environment.add_function("strftime_now", move |format: &str| strftime(clock, format));
    Ok(environment)
}

/// Prints what Python spells otherwise.
fn python_formatter(out: &mut Output<'_>, state: &mut State<'_, '_>, value: &Value) -> Result<(), Error> {
    match value.kind() {
        ValueKind::None => Ok(out.write_str("None")?),
        ValueKind::Bool => Ok(out.write_str(if value.is_true() { "True" } else { "False" })?),
        _ => escape_formatter(out, state, value),
    }
}

/// `iter(None)` fails in Python, and templates tell by this whether there are tools.
fn is_iterable(value: &Value) -> bool {
    !matches!(value.kind(), ValueKind::None | ValueKind::Bool | ValueKind::Number)
}

/// Whatever has a length and items: in Python that is texts and mappings too.
fn is_sequence(value: &Value) -> bool {
    matches!(value.kind(), ValueKind::Undefined | ValueKind::String | ValueKind::Seq | ValueKind::Map)
}

fn raise_exception(message: String) -> Result<Value, Error> {
    Err(Error::new(ErrorKind::InvalidOperation, "raise_exception").with_source(Raised(message)))
}

fn strftime(clock: Clock, format: &str) -> Result<String, Error> {
    if format.len() > LONGEST_TIME_FORMAT {
        return Err(Error::new(ErrorKind::InvalidOperation, "strftime_now has too long a format"));
    }
    strtime::format(format, &clock()).map_err(|error| Error::new(ErrorKind::InvalidOperation, error.to_string()))
}

/// Writes `{% generation %}` blocks as blocks that always hold: the tags mark what a model said, for training, and have
/// no meaning here. Hyphens and plus signs stay, so whitespace is treated as the author meant.
fn without_generation_tags(source: &str) -> String {
    let mut written = String::with_capacity(source.len());
    let mut rest = source;
    while let Some(start) = rest.find("{%") {
        let (before, tag) = rest.split_at(start);
        let end = tag.find("%}").map_or(tag.len(), |end| end + 2);
        let (tag, after) = tag.split_at(end);
        written.push_str(before);
        match tag.trim_matches(|character: char| "{}%-+".contains(character) || character.is_whitespace()) {
            "generation" => written.push_str(&tag.replacen("generation", "if true", 1)),
            "endgeneration" => written.push_str(&tag.replacen("endgeneration", "endif", 1)),
            _ => written.push_str(tag),
        }
        rest = after;
    }
    written.push_str(rest);
    written
}

#[cfg(test)]
mod tests {
    use jiff::{civil, tz::TimeZone};

    use super::*;
    use crate::text::with_large_stack;

    fn now() -> Zoned {
        civil::datetime(2024, 7, 9, 10, 11, 12, 0).to_zoned(TimeZone::UTC).unwrap()
    }

    fn messages(json: &str) -> Vec<Turn> {
        crate::openai::turns::turns(serde_json::from_str(json).unwrap()).unwrap()
    }

    fn render(source: &str) -> Result<String, RenderError> {
        let conversation = messages(r#"[{"role": "user", "content": "<a> & 'b' é"}]"#);
        let tokens = BTreeMap::from([("bos_token".to_owned(), "<s>".to_owned())]);
        ChatTemplate::new(source, tokens, now).unwrap().render(&conversation, &Rendering::default())
    }

    #[test]
    fn python_spellings_are_printed() {
        assert_eq!(render("{{ none }} {{ true }} {{ false }} {{ 1 }} {{ tools }}").unwrap(), "None True False 1 None");
    }

    #[test]
    fn tests_of_type_are_pythons() {
        let tests =
            "{{ tools is iterable }} {{ 1 is iterable }} {{ 'a' is iterable }} {{ [] is iterable }} {{ missing is iterable }}";
        assert_eq!(render(tests).unwrap(), "False False True True True");
        let tests = "{{ tools is sequence }} {{ 'a' is sequence }} {{ {} is sequence }} {{ [] is sequence }}";
        assert_eq!(render(tests).unwrap(), "False True True True");
    }

    #[test]
    fn nothing_is_escaped() {
        assert_eq!(render("{{ bos_token }}{{ messages[0].content }}").unwrap(), "<s><a> & 'b' é");
    }

    #[test]
    fn undefined_prints_nothing_but_has_no_attributes() {
        assert_eq!(render("[{{ missing }}{{ messages[0].missing }}]").unwrap(), "[]");
        assert!(matches!(render("{{ missing.attribute }}"), Err(RenderError::Failed(_))));
    }

    #[test]
    fn raised_exceptions_keep_their_words() {
        let raised = render("{% macro f() %}{{ raise_exception('no ' + messages[0].role) }}{% endmacro %}{{ f() }}").unwrap_err();
        assert_eq!(raised.to_string(), "no user");
        assert_eq!(format!("{raised:?}"), "Raised");
    }

    #[test]
    fn the_source_is_the_text_as_it_was_given() {
        let source = "a {%- generation -%} b\r\n{% endgeneration %}\n";
        assert_eq!(ChatTemplate::new(source, BTreeMap::new(), now).unwrap().source(), source);
    }

    #[test]
    fn the_clock_is_a_parameter() {
        assert_eq!(render("{{ strftime_now('%d %b %Y') }}").unwrap(), "09 Jul 2024");
        assert!(render("{{ strftime_now('%') }}").is_err());
    }

    #[test]
    fn generation_tags_have_no_effect_but_their_whitespace_control() {
        assert_eq!(render("a {%- generation -%} b {% endgeneration %} c").unwrap(), "ab  c");
        assert_eq!(render("{% if 'generation' %}x{% endif %}").unwrap(), "x");
    }

    #[test]
    fn unknown_developers_become_the_system() {
        let conversation = r#"[{"role": "system", "content": "a"}, {"role": "user", "content": "b"},
            {"role": "developer", "content": [{"type": "text", "text": "c"}]}]"#;
        let source = "{% for m in messages %}{{ m.role }}:{{ m.content }};{% endfor %}";
        let render = |source: &str| {
            ChatTemplate::new(source, BTreeMap::new(), now).unwrap().render(&messages(conversation), &Rendering::default())
        };
        assert_eq!(render(source).unwrap(), "system:a\n\nc;user:b;");
        assert_eq!(render(&format!("{{# 'developer' #}}{source}")).unwrap(), "system:a;user:b;developer:c;");
    }

    /// Each hostile one would take hours, or more memory or stack than there is.
    #[test]
    fn a_template_of_a_request_has_bounds() {
        let large = "{% set ns = namespace(x='x') %}{% for _ in range(20) %}{% set ns.x = ns.x + ns.x %}{% endfor %}";
        let own = ChatTemplate::new("", BTreeMap::new(), now).unwrap();
        let conversation = messages(r#"[{"role": "user", "content": "a-b"}]"#);
        let render = |source: &str| {
            with_large_stack(|| own.replaced(source, now).unwrap().render(&conversation, &Rendering::default())).unwrap()
        };
        assert_eq!(render("{{ messages[0].content.split('-')|tojson }}{{ '-'.join(['c', 'd']) }}").unwrap(), r#"["a", "b"]c-d"#);
        assert!(render(&format!("{large}{{{{ ns.x[:1] }}}}")).is_ok());
        let deep = "{% set ns = namespace(x=0) %}{% for _ in range(70000) %}{% set ns.x = [ns.x] %}{% endfor %}";
        for (told, bytes) in [("x", 1), ("{{ ns.x }}", 140_001), ("{{ ns.x|tojson }}", 140_001)] {
            assert_eq!(render(&format!("{deep}{told}")).unwrap().len(), bytes, "{told}");
        }
        for hostile in [
            "{% set ns = namespace(x=0) %}{% for _ in range(1000000) %}{% set ns.x = [ns.x] %}{% endfor %}",
            "{% for a in range(100000) %}{% for b in range(100000) %}{% endfor %}{% endfor %}",
            "{% set ns = namespace(x='x') %}{% for _ in range(50) %}{% set ns.x = ns.x + ns.x %}{% endfor %}",
            "{% set ns = namespace(x=[1]) %}{% for _ in range(50) %}{% set ns.x = [ns.x, ns.x] %}{% endfor %}{{ ns.x|tojson }}",
            "{% set ns = namespace(x=[1]) %}{% for _ in range(50) %}{% set ns.x = [ns.x, ns.x] %}{% endfor %}{{ ' '.join([ns.x]) }}",
            "{{ ns.x.replace('', ns.x) }}",
            "{{ ns.x.replace('x', ns.x) }}",
            "{{ ns.x.join(ns.x) }}",
            "{{ ns.x.split('x') }}",
            "{% for _ in range(5000) %}{% set ns.y = ns.x.count('y') %}{% endfor %}",
            "{{ [1, 2, 3, 4]|tojson(separators=[ns.x * 8, ns.x * 8]) }}",
            "{{ [1]|tojson(indent=1000000000000) }}",
            "{{ '{:>100000000000}'.format('') }}",
            "{{ strftime_now(ns.x) }}",
        ] {
            let refused = render(&format!("{large}{hostile}"));
            assert!(matches!(refused, Err(RenderError::Failed(_))), "{hostile}");
        }
    }

    #[test]
    fn content_comes_in_the_form_that_the_template_reads() {
        let conversation = r#"[{"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}]"#;
        let render = |source: &str, json: &str| {
            ChatTemplate::new(source, BTreeMap::new(), now).unwrap().render(&messages(json), &Rendering::default()).unwrap()
        };
        let only_text = "{{ messages[0].content }}";
        assert_eq!(render(only_text, conversation), "a\nb");
        let only_parts = "{% for part in messages[0].content %}[{{ part.text }}]{% endfor %}";
        assert_eq!(render(only_parts, conversation), "[a][b]");
        assert_eq!(render(only_parts, r#"[{"role": "user", "content": "ab"}]"#), "[ab]");
        let either = format!("{{% if messages[0].content is string %}}{only_text}{{% else %}}{only_parts}{{% endif %}}");
        let either = either.replace("[{{ part.text }}]", "{{ part.text }}");
        assert_eq!(render(&either, conversation), "ab");
        let without_loop = "{{ messages[0].content if messages[0].content is string else messages[0].content[0].text }}";
        assert_eq!(render(without_loop, conversation), "a\nb");
    }
}
