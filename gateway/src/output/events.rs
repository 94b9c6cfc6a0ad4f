//! The events of one answer while they are found.

use super::OutputEvent;

/// Collects events: numbers the calls, joins what belongs together, and drops the white space around calls.
pub(super) struct Events {
    ready: Vec<OutputEvent>,
    calls: usize,
    /// What a format writes between two calls besides white space.
    separator: Option<char>,
    /// White space and separators since the start, the end of the reasoning or the last call: framing if a call follows, text
    /// if text follows. `None` once text has come.
    framing: Option<String>,
}

impl Events {
    pub(super) const fn new(separator: Option<char>) -> Self {
        Self { ready: Vec::new(), calls: 0, separator, framing: Some(String::new()) }
    }

    /// More of the model's thinking.
    pub(super) fn reasoning(&mut self, text: &str) {
        self.framing = Some(String::new());
        match self.ready.last_mut() {
            Some(OutputEvent::Reasoning(reasoning)) => reasoning.push_str(text),
            _ if text.is_empty() => {}
            _ => self.ready.push(OutputEvent::Reasoning(text.to_owned())),
        }
    }

    /// More text for the user.
    pub(super) fn content(&mut self, text: &str) {
        let Some(framing) = &mut self.framing else { return self.text(text) };
        framing.push_str(text);
        let is_framing = |character: char| character.is_whitespace() || Some(character) == self.separator;
        if !text.chars().all(is_framing) {
            let text = std::mem::take(framing);
            self.framing = None;
            self.text(&text);
        }
    }

    /// A call begins.
    pub(super) fn call(&mut self, name: String) {
        self.framing = Some(String::new());
        self.ready.push(OutputEvent::ToolCall { index: self.calls, name });
        self.calls += 1;
    }

    /// More of the arguments of the call that was begun last.
    pub(super) fn arguments(&mut self, fragment: &str) {
        match self.ready.last_mut() {
            Some(OutputEvent::ToolArguments { fragment: arguments, .. }) => arguments.push_str(fragment),
            _ if fragment.is_empty() => {}
            _ => {
                let index = self.calls.saturating_sub(1);
                self.ready.push(OutputEvent::ToolArguments { index, fragment: fragment.to_owned() });
            }
        }
    }

    /// The answer has ended: without any call, white space was text.
    pub(super) fn finish(&mut self) {
        if let Some(framing) = self.framing.take()
            && self.calls == 0
        {
            self.text(&framing);
        }
    }

    /// All events since the last time.
    pub(super) fn take(&mut self) -> Vec<OutputEvent> {
        std::mem::take(&mut self.ready)
    }

    fn text(&mut self, text: &str) {
        match self.ready.last_mut() {
            Some(OutputEvent::Content(content)) => content.push_str(text),
            _ if text.is_empty() => {}
            _ => self.ready.push(OutputEvent::Content(text.to_owned())),
        }
    }
}
