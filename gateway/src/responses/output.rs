//! The items of a response while they come about, and the events that tell of them.

use actix_web::web;
use serde::Serialize;

use super::{events::Events, sealed_reasoning::ReasoningSeal};
use crate::{
    openai::{
        chat_response::FinishReason,
        error::ApiError,
        logprobs::TokenLogprobs,
        response::{CallItem, MessageItem, OutputItem, OutputText, ReasoningItem, ReasoningText, ResponseStatus},
        response_events::{ArgumentsDelta, ArgumentsDone, ItemEvent, ItemPlace, PartEvent, TextDelta, TextDone},
    },
    random_id::random_id,
    speech::{Said, Word},
};

/// About what the probabilities of one token take in the events at the end of an item, in bytes.
const LOGPROBS_BYTES: usize = 512;

/// The items of one response. At most the last one is unfinished.
pub(super) struct Output {
    pub(super) items: Vec<OutputItem>,
    pub(super) events: Events,
    /// What thoughts are sealed with, where that was asked for.
    seal: Option<web::Data<ReasoningSeal>>,
    /// Of tokens whose text is held back, since it can be a part of a mark. They belong to the words that come next.
    waiting: Vec<TokenLogprobs>,
}

impl Output {
    /// `events` get whatever happens.
    pub(super) fn new(events: Events, seal: Option<web::Data<ReasoningSeal>>) -> Self {
        Self { items: Vec::new(), events, seal, waiting: Vec::new() }
    }

    /// Adds what a piece says. Where it is the last, this is how the answer ended.
    ///
    /// # Errors
    /// 500 if the random source or the writing of an event fails.
    pub(super) fn say(&mut self, said: Said) -> Result<Option<ResponseStatus>, ApiError> {
        self.waiting.extend(said.logprobs.map(|logprobs| logprobs.content).unwrap_or_default());
        for word in said.words {
            let logprobs = std::mem::take(&mut self.waiting);
            match word {
                Word::Reasoning(text) => self.reasoning(&text)?,
                Word::Content(text) => self.text(&text, logprobs)?,
                Word::Call { id, name, .. } => self.call(id, name)?,
                Word::Arguments { fragment, .. } => self.arguments(&fragment)?,
            }
        }
        let Some(end) = said.end else { return Ok(None) };
        let cut_off = end.reason == FinishReason::Length;
        let status = if cut_off { ResponseStatus::Incomplete } else { ResponseStatus::Completed };
        self.finish(status)?;
        Ok(Some(status))
    }

    fn reasoning(&mut self, delta: &str) -> Result<(), ApiError> {
        if !matches!(self.open(), Some(OutputItem::Reasoning(_))) {
            let status = ResponseStatus::InProgress;
            let (summary, content, encrypted_content) = ([], Vec::new(), None);
            self.begin(OutputItem::Reasoning(ReasoningItem {
                id: random_id("rs_")?,
                summary,
                content,
                encrypted_content,
                status,
            }))?;
            let part = ReasoningText { r#type: "reasoning_text", text: String::new() };
            self.part_added(&part)?;
            if let Some(OutputItem::Reasoning(item)) = self.open() {
                item.content.push(part);
            }
        }
        let output_index = self.last_index();
        let Some(OutputItem::Reasoning(ReasoningItem { id, content, .. })) = self.items.last_mut() else { return Ok(()) };
        let Some(part) = content.last_mut() else { return Ok(()) };
        part.text.push_str(delta);
        let place = ItemPlace { item_id: id, output_index };
        self.events.write("response.reasoning_text.delta", &TextDelta { place, content_index: 0, delta, logprobs: None })
    }

    fn text(&mut self, delta: &str, logprobs: Vec<TokenLogprobs>) -> Result<(), ApiError> {
        if !matches!(self.open(), Some(OutputItem::Message(_))) {
            let status = ResponseStatus::InProgress;
            self.begin(OutputItem::Message(MessageItem {
                id: random_id("msg_")?,
                role: "assistant",
                content: Vec::new(),
                status,
            }))?;
            let part = OutputText { r#type: "output_text", text: String::new(), annotations: [], logprobs: Vec::new() };
            self.part_added(&part)?;
            if let Some(OutputItem::Message(item)) = self.open() {
                item.content.push(part);
            }
        }
        let output_index = self.last_index();
        let Some(OutputItem::Message(MessageItem { id, content, .. })) = self.items.last_mut() else { return Ok(()) };
        let Some(part) = content.last_mut() else { return Ok(()) };
        part.text.push_str(delta);
        let place = ItemPlace { item_id: id, output_index };
        let event = TextDelta { place, content_index: 0, delta, logprobs: Some(&logprobs) };
        self.events.write("response.output_text.delta", &event)?;
        part.logprobs.extend(logprobs);
        Ok(())
    }

    fn call(&mut self, call_id: String, name: String) -> Result<(), ApiError> {
        let (arguments, status) = (String::new(), ResponseStatus::InProgress);
        self.begin(OutputItem::FunctionCall(CallItem { id: random_id("fc_")?, call_id, name, arguments, status }))
    }

    /// Arguments are always those of the call that was begun last.
    fn arguments(&mut self, delta: &str) -> Result<(), ApiError> {
        let output_index = self.last_index();
        let Some(OutputItem::FunctionCall(CallItem { id, arguments, .. })) = self.open() else { return Ok(()) };
        arguments.push_str(delta);
        let item_id = id.clone();
        let place = ItemPlace { item_id: &item_id, output_index };
        self.events.write("response.function_call_arguments.delta", &ArgumentsDelta { place, delta })
    }

    fn begin(&mut self, item: OutputItem) -> Result<(), ApiError> {
        self.finish(ResponseStatus::Completed)?;
        self.events.write("response.output_item.added", &ItemEvent { output_index: self.items.len(), item: &item })?;
        self.items.push(item);
        Ok(())
    }

    fn part_added(&mut self, part: &impl Serialize) -> Result<(), ApiError> {
        let output_index = self.last_index();
        let Some(item) = self.items.last() else { return Ok(()) };
        let place = ItemPlace { item_id: item.id(), output_index };
        self.events.write("response.content_part.added", &PartEvent { place, content_index: 0, part })
    }

    /// Ends the last item.
    fn finish(&mut self, status: ResponseStatus) -> Result<(), ApiError> {
        let output_index = self.last_index();
        let seal = self.seal.clone();
        let Some(item) = self.open() else { return Ok(()) };
        item.set_status(status);
        if let (OutputItem::Reasoning(item), Some(seal)) = (item, seal) {
            item.encrypted_content = Some(seal.seal(&item.text())?);
        }
        let Some(item) = self.items.last() else { return Ok(()) };
        let place = ItemPlace { item_id: item.id(), output_index };
        match item {
            OutputItem::Reasoning(ReasoningItem { content, .. }) => {
                for part in content {
                    let done = TextDone { place, content_index: 0, text: &part.text, logprobs: None };
                    self.events.write("response.reasoning_text.done", &done)?;
                    self.events.write("response.content_part.done", &PartEvent { place, content_index: 0, part })?;
                }
            }
            OutputItem::Message(MessageItem { content, .. }) => {
                for part in content {
                    let done = TextDone { place, content_index: 0, text: &part.text, logprobs: Some(&part.logprobs) };
                    self.events.write("response.output_text.done", &done)?;
                    self.events.write("response.content_part.done", &PartEvent { place, content_index: 0, part })?;
                }
            }
            OutputItem::FunctionCall(CallItem { name, arguments, .. }) => {
                let done = ArgumentsDone { place, name, arguments };
                self.events.write("response.function_call_arguments.done", &done)?;
            }
        }
        self.events.write("response.output_item.done", &ItemEvent { output_index, item })
    }

    /// About how many bytes the end of the last item takes, which any piece can bring: all of its probabilities, three times. Without
    /// them it is little.
    pub(super) fn bytes_at_an_end(&self) -> usize {
        match self.items.last() {
            Some(OutputItem::Message(item)) => {
                item.content.iter().map(|part| part.logprobs.len()).sum::<usize>() * LOGPROBS_BYTES
            }
            _ => 0,
        }
    }

    /// The last item, if it is unfinished.
    fn open(&mut self) -> Option<&mut OutputItem> {
        self.items.last_mut().filter(|item| item.status() == ResponseStatus::InProgress)
    }

    const fn last_index(&self) -> usize {
        self.items.len().saturating_sub(1)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::speech::End;

    fn said(words: Vec<Word>) -> Said {
        Said { words, logprobs: None, token_ids: None, end: None }
    }

    /// Type and place of each event.
    fn told(output: &mut Output) -> Vec<Value> {
        let text = String::from_utf8(output.events.ready().split().to_vec()).unwrap();
        let data = text.lines().filter_map(|line| line.strip_prefix("data: "));
        data.map(|data| serde_json::from_str(data).unwrap())
            .map(|event: Value| {
                json!([event["type"].as_str().unwrap().strip_prefix("response.").unwrap(), event["output_index"]])
            })
            .collect()
    }

    #[test]
    fn thoughts_text_and_calls_follow_each_other() {
        let seal = web::Data::new(ReasoningSeal::generate().unwrap());
        let mut output = Output::new(Events::new(true), Some(seal.clone()));
        assert!(output.say(said(Vec::new())).unwrap().is_none());
        output.say(said(vec![Word::Reasoning("h".to_owned())])).unwrap();
        output.say(said(vec![Word::Reasoning("m".to_owned())])).unwrap();
        output.say(said(vec![Word::Content("so".to_owned())])).unwrap();
        let call = Word::Call { index: 0, id: "call_1".to_owned(), name: "f".to_owned() };
        output.say(said(vec![call, Word::Arguments { index: 0, fragment: "{".to_owned() }])).unwrap();
        let end = Some(End { reason: FinishReason::Length, stop: None });
        let status = output.say(Said { words: Vec::new(), logprobs: None, token_ids: None, end }).unwrap();
        assert_eq!(status, Some(ResponseStatus::Incomplete));
        let events = |kinds: &[&str], index: usize| kinds.iter().map(|kind| json!([kind, index])).collect::<Vec<_>>();
        let thought = ["output_item.added", "content_part.added", "reasoning_text.delta", "reasoning_text.delta"];
        let thought_done = ["reasoning_text.done", "content_part.done", "output_item.done"];
        let text = ["output_item.added", "content_part.added", "output_text.delta"];
        let text_done = ["output_text.done", "content_part.done", "output_item.done"];
        let call = ["output_item.added", "function_call_arguments.delta", "function_call_arguments.done", "output_item.done"];
        let expected = [events(&thought, 0), events(&thought_done, 0), events(&text, 1), events(&text_done, 1), events(&call, 2)];
        assert_eq!(told(&mut output), expected.concat());
        let items: Vec<_> = output.items.iter().map(|item| json!(item)).collect();
        assert_eq!(items[0]["content"], json!([{"type": "reasoning_text", "text": "hm"}]));
        assert_eq!(seal.open(items[0]["encrypted_content"].as_str().unwrap()).as_deref(), Some("hm"));
        assert_eq!((&items[0]["summary"], &items[0]["status"]), (&json!([]), &json!("completed")));
        assert_eq!((&items[1]["content"][0]["text"], &items[1]["status"]), (&json!("so"), &json!("completed")));
        assert_eq!((&items[2]["arguments"], &items[2]["status"]), (&json!("{"), &json!("incomplete")));
    }
}
