use std::{
    cell::RefCell,
    collections::VecDeque,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Instant,
};

use blindllama_engine::{
    EmbedRequest, Embedding, EmbeddingReply, EngineError, FinishReason, Finished, GenerateRequest, TokenOutput, TokenStream,
    embedding_reply, token_stream,
};
use futures_util::{FutureExt as _, StreamExt as _};

use super::*;
use crate::{
    open_request::{Asked, OpenRequest},
    queue::{Queue, queue},
    requests::AddError,
};

#[derive(Debug, PartialEq)]
enum Call {
    Add(RequestId, Vec<u32>),
    Abort(Vec<RequestId>),
    Step,
}

type Scripted = Box<dyn FnOnce() -> Result<Step, Fatal>>;

/// Answers steps as scripted. The last one closes the queue, so that the loop ends after it.
struct Script {
    calls: Rc<RefCell<Vec<Call>>>,
    steps: VecDeque<Scripted>,
    /// What adding a prompt that starts with this token gives.
    refusals: Vec<(u32, AddError)>,
}

impl Core for Script {
    fn add(&mut self, id: RequestId, work: &Asked) -> Result<(), AddError> {
        let prompt = match work {
            Asked::Generate(request) => &request.prompt,
            Asked::Embed(request) => &request.prompt,
        };
        if let Some(at) = self.refusals.iter().position(|(token, _)| Some(token) == prompt.first()) {
            return Err(self.refusals.remove(at).1);
        }
        self.calls.borrow_mut().push(Call::Add(id, prompt.clone()));
        Ok(())
    }

    fn abort(&mut self, ids: &[RequestId]) -> Result<(), Fatal> {
        self.calls.borrow_mut().push(Call::Abort(ids.to_vec()));
        Ok(())
    }
}

impl SteppedCore for Script {
    fn step(&mut self) -> Result<Step, Fatal> {
        self.calls.borrow_mut().push(Call::Step);
        self.steps.pop_front().expect("no step is scripted")()
    }
}

/// A loop over a script, and the gateway's side of it.
struct Stage {
    active: Arc<AtomicUsize>,
    queue: Queue,
    requests: Waiting,
    refusals: Vec<(u32, AddError)>,
}

impl Stage {
    fn new() -> Self {
        let (queue, requests) = queue(200);
        Self { active: Arc::default(), queue, requests, refusals: vec![] }
    }

    /// Queues a request for a prompt of one token.
    fn request(&self, token: u32) -> TokenStream {
        let (open, stream) = open_request(token, &self.active);
        self.queue.push(open).unwrap();
        stream
    }

    /// Queues a sequence of one token to embed.
    fn embed(&self, token: u32) -> EmbeddingReply {
        let (sender, reply) = embedding_reply();
        let request = EmbedRequest { prompt: vec![token], dimensions: None, priority: 0, cache_salt: None };
        self.queue.push(OpenRequest::embed(request, sender, Arc::clone(&self.active))).unwrap();
        reply
    }

    /// Runs the loop over `steps`; the queue is closed during the last one.
    fn run(self, mut steps: Vec<Scripted>) -> (Result<(), Fatal>, Vec<Call>) {
        let queue = self.queue;
        let last = steps.pop().unwrap();
        steps.push(Box::new(move || {
            queue.close();
            last()
        }));
        let calls = Rc::default();
        let script = Script { calls: Rc::clone(&calls), steps: steps.into(), refusals: self.refusals };
        let result = StepLoop::new(script, self.requests, Arc::new(Work::new(true))).run();
        (result, calls.take())
    }
}

fn open_request(token: u32, active: &Arc<AtomicUsize>) -> (OpenRequest, TokenStream) {
    let (sender, stream) = token_stream(8);
    let request = GenerateRequest::new(vec![token], 8);
    (OpenRequest::generate(request, sender, Arc::clone(active)), stream)
}

fn gives(outputs: Vec<(RequestId, TokenOutput)>, has_work: bool) -> Scripted {
    let outputs = outputs.into_iter().map(|(id, output)| (id, Output::Tokens(output))).collect();
    Box::new(move || Ok(Step { outputs, executed: true, has_work, took: Duration::ZERO }))
}

fn idle() -> Scripted {
    gives(vec![], false)
}

fn tokens(ids: &[u32]) -> TokenOutput {
    TokenOutput { token_ids: ids.to_vec(), ..TokenOutput::default() }
}

fn last(ids: &[u32]) -> TokenOutput {
    TokenOutput { finished: Some(Finished { reason: FinishReason::Length, stop_token: None }), ..tokens(ids) }
}

fn failed() -> TokenOutput {
    TokenOutput { finished: Some(Finished { reason: FinishReason::Error, stop_token: None }), ..TokenOutput::default() }
}

fn died() -> Scripted {
    Box::new(|| Err(Fatal::Exception { kind: "RuntimeError".to_owned(), source_line: "core.py:1".to_owned() }))
}

/// All that the stream has, up to its end.
fn all(stream: TokenStream) -> Vec<Result<TokenOutput, EngineError>> {
    stream.collect().now_or_never().expect("the stream has ended")
}

#[test]
fn outputs_reach_their_streams_in_order() {
    let stage = Stage::new();
    let active = Arc::clone(&stage.active);
    let (first, second) = (stage.request(10), stage.request(20));
    let (result, calls) = stage.run(vec![
        gives(vec![(1, tokens(&[201])), (0, tokens(&[101]))], true),
        gives(vec![(0, last(&[102])), (1, tokens(&[202]))], true),
        gives(vec![(1, last(&[]))], false),
    ]);
    assert!(result.is_ok());
    assert_eq!(calls, [Call::Add(0, vec![10]), Call::Add(1, vec![20]), Call::Step, Call::Step, Call::Step]);
    assert_eq!(all(first), [Ok(tokens(&[101])), Ok(last(&[102]))]);
    assert_eq!(all(second), [Ok(tokens(&[201])), Ok(tokens(&[202])), Ok(last(&[]))]);
    assert_eq!(active.load(Ordering::Relaxed), 0);
}

#[test]
fn a_dropped_stream_is_aborted_before_the_next_step() {
    let stage = Stage::new();
    let (kept, dropped) = (stage.request(10), stage.request(20));
    let (result, calls) = stage.run(vec![
        Box::new(move || {
            drop(dropped);
            gives(vec![(0, tokens(&[100]))], true)()
        }),
        // What was under way for an aborted request is ignored.
        gives(vec![(1, tokens(&[202])), (0, last(&[101]))], false),
    ]);
    assert!(result.is_ok());
    assert_eq!(calls[2..], [Call::Step, Call::Abort(vec![1]), Call::Step]);
    assert_eq!(all(kept), [Ok(tokens(&[100])), Ok(last(&[101]))]);
}

#[test]
fn a_request_whose_stream_is_gone_never_reaches_the_engine() {
    let stage = Stage::new();
    drop(stage.request(10));
    let kept = stage.request(20);
    let (_, calls) = stage.run(vec![gives(vec![(0, last(&[1]))], false)]);
    assert_eq!(calls, [Call::Add(0, vec![20]), Call::Step]);
    assert_eq!(all(kept), [Ok(last(&[1]))]);
}

#[test]
fn a_stream_that_takes_no_more_is_aborted() {
    let stage = Stage::new();
    let unread = stage.request(10);
    let flood = (0..20).map(|id| (0, tokens(&[id]))).collect();
    let (result, calls) = stage.run(vec![gives(flood, true), idle()]);
    assert!(result.is_ok());
    assert!(calls.iter().any(|call| matches!(call, Call::Abort(_))), "{calls:?}");
    assert!(all(unread).iter().all(|output| output.as_ref().is_ok_and(|output| output.finished.is_none())));
}

#[test]
fn an_error_of_the_engine_ends_every_stream() {
    let stage = Stage::new();
    let active = Arc::clone(&stage.active);
    let (first, second) = (stage.request(10), stage.request(20));
    let (late, late_stream) = open_request(30, &active);
    // The gateway's end lives on.
    let queue = stage.queue.clone();
    let pushed = queue.clone();
    let (result, _) = stage.run(vec![
        gives(vec![(0, tokens(&[101]))], true),
        Box::new(move || {
            pushed.push(late).unwrap();
            died()()
        }),
        idle(),
    ]);
    assert_eq!(result.unwrap_err().to_string(), "RuntimeError at core.py:1");
    assert_eq!(all(first), [Ok(tokens(&[101])), Err(EngineError::Stopped)]);
    assert_eq!(all(second), [Err(EngineError::Stopped)]);
    assert_eq!(all(late_stream), [Err(EngineError::Stopped)]);
    drop(queue);
    assert_eq!(active.load(Ordering::Relaxed), 0);
}

#[test]
fn closing_the_queue_ends_open_streams() {
    let stage = Stage::new();
    let cut = stage.request(10);
    let (result, calls) = stage.run(vec![gives(vec![(0, tokens(&[101]))], true)]);
    assert!(result.is_ok());
    assert_eq!(calls.len(), 2);
    assert_eq!(all(cut), [Ok(tokens(&[101])), Err(EngineError::Stopped)]);
}

#[test]
fn a_refused_request_concerns_nobody_else() {
    let mut stage = Stage::new();
    stage.refusals = vec![(10, AddError::Refused("too long".to_owned())), (20, AddError::Failed)];
    let (refused, broken, good) = (stage.request(10), stage.request(20), stage.request(30));
    let (result, _) = stage.run(vec![gives(vec![(2, last(&[1]))], false)]);
    assert!(result.is_ok());
    assert_eq!(all(refused), [Err(EngineError::Rejected("too long".to_owned()))]);
    assert_eq!(all(broken), [Ok(failed())]);
    assert_eq!(all(good), [Ok(last(&[1]))]);
}

#[test]
fn a_request_that_breaks_the_engine_ends_every_stream() {
    let mut stage = Stage::new();
    let fatal = Fatal::Exception { kind: "KeyError".to_owned(), source_line: "core.py:2".to_owned() };
    stage.refusals = vec![(20, AddError::Fatal(fatal))];
    let (first, second) = (stage.request(10), stage.request(20));
    let (result, _) = stage.run(vec![idle()]);
    assert!(result.is_err());
    assert_eq!(all(first), [Err(EngineError::Stopped)]);
    assert_eq!(all(second), [Err(EngineError::Stopped)]);
}

#[test]
fn steps_that_execute_nothing_leave_the_gil_alone_in_between() {
    let stage = Stage::new();
    let stream = stage.request(10);
    let waiting = || -> Scripted { Box::new(|| Ok(Step { has_work: true, ..Step::default() })) };
    let mut steps: Vec<_> = (0..5).map(|_| waiting()).collect();
    steps.push(gives(vec![(0, last(&[1]))], false));
    let start = Instant::now();
    assert!(stage.run(steps).0.is_ok());
    assert!(start.elapsed() >= 5 * YIELD, "{:?}", start.elapsed());
    assert_eq!(all(stream), [Ok(last(&[1]))]);
}

#[test]
fn a_flood_of_requests_does_not_hold_up_a_step() {
    let stage = Stage::new();
    let streams: Vec<_> = (0..100).map(|token| stage.request(token)).collect();
    let (_, calls) = stage.run(vec![gives(vec![], true), idle()]);
    assert_eq!(calls.iter().position(|call| *call == Call::Step), Some(REQUESTS_PER_STEP));
    assert_eq!(streams.len(), 100);
}

#[test]
fn an_engine_that_forgets_a_request_is_not_trusted_further() {
    let stage = Stage::new();
    let forgotten = stage.request(10);
    let (result, _) = stage.run(vec![idle()]);
    assert!(matches!(result, Err(Fatal::Protocol(ProtocolError::LostRequests(1)))), "{result:?}");
    assert_eq!(all(forgotten), [Err(EngineError::Stopped)]);
}

#[test]
fn an_embedding_ends_its_request() {
    let stage = Stage::new();
    let (first, second) = (stage.embed(10), stage.embed(20));
    let active = Arc::clone(&stage.active);
    let output = |id, numbers: &[f32]| (id, Output::Embedding(Embedding(numbers.to_vec())));
    let outputs = vec![output(1, &[2.0]), output(0, &[1.0])];
    let (result, _) = stage.run(vec![Box::new(move || Ok(Step { outputs, executed: true, ..Step::default() }))]);
    assert!(result.is_ok());
    assert_eq!(first.now_or_never(), Some(Ok(Embedding(vec![1.0]))));
    assert_eq!(second.now_or_never(), Some(Ok(Embedding(vec![2.0]))));
    assert_eq!(active.load(Ordering::Relaxed), 0);
}

#[test]
fn an_embedding_that_nobody_waits_for_is_aborted() {
    let stage = Stage::new();
    let (dropped, kept) = (stage.embed(10), stage.embed(20));
    let drops = || -> Scripted {
        let mut dropped = Some(dropped);
        Box::new(move || {
            drop(dropped.take());
            Ok(Step { has_work: true, executed: true, ..Step::default() })
        })
    };
    let last = vec![(1, Output::Embedding(Embedding(vec![1.0])))];
    let (result, calls) =
        stage.run(vec![drops(), Box::new(move || Ok(Step { outputs: last, executed: true, ..Step::default() }))]);
    assert!(result.is_ok());
    assert_eq!(calls, [Call::Add(0, vec![10]), Call::Add(1, vec![20]), Call::Step, Call::Abort(vec![0]), Call::Step]);
    assert_eq!(kept.now_or_never(), Some(Ok(Embedding(vec![1.0]))));
}

#[test]
fn an_embedding_says_why_it_does_not_come() {
    let mut stage = Stage::new();
    stage.refusals = vec![(10, AddError::Refused("too long".to_owned())), (20, AddError::Failed)];
    let (refused, broken, given_up, lost) = (stage.embed(10), stage.embed(20), stage.embed(30), stage.embed(40));
    let (result, _) = stage.run(vec![gives(vec![(2, last(&[]))], true), died()]);
    assert!(result.is_err());
    assert_eq!(refused.now_or_never(), Some(Err(EngineError::Rejected("too long".to_owned()))));
    assert_eq!(broken.now_or_never(), Some(Err(EngineError::Failed)));
    assert_eq!(given_up.now_or_never(), Some(Err(EngineError::Failed)));
    assert_eq!(lost.now_or_never(), Some(Err(EngineError::Stopped)));
}
