use std::{
    cell::RefCell,
    rc::Rc,
    sync::atomic::{AtomicUsize, Ordering},
};

use blindllama_engine::{EngineError, FinishReason, Finished, GenerateRequest, TokenOutput, TokenStream, token_stream};
use crossbeam_channel::{Sender, bounded};
use futures_util::{FutureExt as _, StreamExt as _};

use super::*;
use crate::{
    open_request::{Asked, OpenRequest},
    outputs::ProtocolError,
    queue::{Queue, queue},
    requests::AddError,
};

#[derive(Debug, PartialEq)]
enum Call {
    Add(RequestId),
    Abort(Vec<RequestId>),
}

/// Notes what it is called with.
struct Noting(Rc<RefCell<Vec<Call>>>);

impl Core for Noting {
    fn add(&mut self, id: RequestId, _: &Asked) -> Result<(), AddError> {
        self.0.borrow_mut().push(Call::Add(id));
        Ok(())
    }

    fn abort(&mut self, ids: &[RequestId]) -> Result<(), Fatal> {
        self.0.borrow_mut().push(Call::Abort(ids.to_vec()));
        Ok(())
    }
}

/// Both ends of a loop. What is sent before `run` lies ready when it begins.
struct Stage {
    active: Arc<AtomicUsize>,
    queue: Queue,
    outputs: Sender<Result<Outputs, Fatal>>,
    calls: Rc<RefCell<Vec<Call>>>,
    relay: RelayLoop<Noting>,
}

impl Stage {
    fn new() -> Self {
        let ((queue, requests), (outputs, receiver)) = (queue(8), bounded(8));
        let calls = Rc::default();
        let relay = RelayLoop::new(Noting(Rc::clone(&calls)), requests, receiver, Arc::new(Work::new(false)));
        Self { active: Arc::default(), queue, outputs, calls, relay }
    }

    fn request(&self) -> TokenStream {
        let (sender, stream) = token_stream(8);
        self.queue.push(OpenRequest::generate(GenerateRequest::new(vec![1], 8), sender, Arc::clone(&self.active))).unwrap();
        stream
    }

    /// Takes in what is queued, without an end.
    fn take_requests(&mut self) {
        for request in self.relay.queue.requests.try_iter().collect::<Vec<_>>() {
            assert!(self.relay.requests.add(request).unwrap());
        }
    }

    fn gives(&self, outputs: Vec<(RequestId, TokenOutput)>) {
        let outputs = outputs.into_iter().map(|(id, output)| (id, Output::Tokens(output))).collect();
        self.outputs.try_send(Ok(outputs)).unwrap();
    }

    /// Closes the queue, and runs until the loop has seen it.
    fn run(self) -> (Result<(), Fatal>, Vec<Call>) {
        self.queue.close();
        self.run_to_the_end()
    }

    fn run_to_the_end(mut self) -> (Result<(), Fatal>, Vec<Call>) {
        let ended = self.relay.run();
        drop(self.relay.into_core());
        (ended, self.calls.take())
    }
}

fn token(token: u32) -> TokenOutput {
    TokenOutput { token_ids: vec![token], ..TokenOutput::default() }
}

fn last(id: u32) -> TokenOutput {
    TokenOutput { finished: Some(Finished { reason: FinishReason::Stop, stop_token: None }), ..token(id) }
}

fn collected(stream: TokenStream) -> Vec<Result<TokenOutput, EngineError>> {
    stream.collect().now_or_never().expect("the stream has ended")
}

#[test]
fn outputs_reach_their_streams() {
    let mut stage = Stage::new();
    let (first, second) = (stage.request(), stage.request());
    stage.take_requests();
    stage.gives(vec![(0, token(5)), (1, token(6))]);
    stage.gives(vec![(1, last(7)), (9, token(8))]);
    stage.gives(vec![(0, last(2))]);
    let active = Arc::clone(&stage.active);
    let work = Arc::clone(&stage.relay.work);
    let (ended, calls) = stage.run();
    assert!(ended.is_ok());
    assert_eq!(calls, [Call::Add(0), Call::Add(1)]);
    assert_eq!(collected(first), [Ok(token(5)), Ok(last(2))]);
    assert_eq!(collected(second), [Ok(token(6)), Ok(last(7))]);
    assert_eq!(active.load(Ordering::Relaxed), 0);
    assert_eq!((work.done().steps, work.done().stepping), (3, None));
}

#[test]
fn what_nobody_waits_for_is_aborted_with_the_next_outputs() {
    let mut stage = Stage::new();
    let (dropped, kept) = (stage.request(), stage.request());
    stage.take_requests();
    drop(dropped);
    stage.gives(vec![(1, last(5))]);
    let (ended, calls) = stage.run();
    assert!(ended.is_ok());
    assert_eq!(calls, [Call::Add(0), Call::Add(1), Call::Abort(vec![0])]);
    assert_eq!(collected(kept), [Ok(last(5))]);
}

#[test]
fn what_nobody_waits_for_is_aborted_without_outputs_too() {
    let mut stage = Stage::new();
    let dropped = stage.request();
    stage.take_requests();
    drop(dropped);
    let (queue, active) = (stage.queue.clone(), Arc::clone(&stage.active));
    let ends = std::thread::spawn(move || {
        while active.load(Ordering::Relaxed) > 0 {
            std::thread::yield_now();
        }
        queue.close();
    });
    let (ended, calls) = stage.run_to_the_end();
    ends.join().unwrap();
    assert!(ended.is_ok());
    assert_eq!(calls, [Call::Add(0), Call::Abort(vec![0])]);
}

#[test]
fn outputs_come_before_requests() {
    let mut stage = Stage::new();
    let running = stage.request();
    stage.take_requests();
    let waiting = stage.request();
    drop(running);
    stage.gives(vec![(0, token(5))]);
    let (ended, calls) = stage.run();
    assert!(ended.is_ok());
    assert_eq!(calls, [Call::Add(0), Call::Abort(vec![0]), Call::Add(1)]);
    assert_eq!(collected(waiting), [Err(EngineError::Stopped)]);
}

#[test]
fn an_engine_that_fails_ends_all_streams() {
    let mut stage = Stage::new();
    let stream = stage.request();
    stage.take_requests();
    stage.outputs.try_send(Err(ProtocolError::Truncated.into())).unwrap();
    let (late, queue) = (stage.request(), stage.queue.clone());
    let (ended, _) = stage.run_to_the_end();
    assert!(matches!(ended, Err(Fatal::Protocol(ProtocolError::Truncated))), "{ended:?}");
    assert_eq!(collected(stream), [Err(EngineError::Stopped)]);
    // The gateway's end of the queue lives on.
    assert_eq!(collected(late), [Err(EngineError::Stopped)]);
    drop(queue);
}

#[test]
fn a_reader_that_is_gone_is_a_failure() {
    let mut stage = Stage::new();
    let stream = stage.request();
    stage.take_requests();
    stage.outputs = bounded(0).0;
    let (ended, _) = stage.run_to_the_end();
    assert!(matches!(ended, Err(Fatal::NoOutputs)), "{ended:?}");
    assert_eq!(collected(stream), [Err(EngineError::Stopped)]);
}
