//! Where requests wait for the engine's thread.

use std::sync::{Arc, PoisonError, RwLock};

use blindllama_engine::EngineError;
use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};

use crate::open_request::OpenRequest;

/// The gateway's end of a queue that has room for so many requests; and the thread's.
pub(crate) fn queue(room: usize) -> (Queue, Waiting) {
    let (sender, requests) = bounded(room);
    let queue = Queue(Arc::new(RwLock::new(Some(sender))));
    (queue.clone(), Waiting { requests, queue })
}

/// Takes requests until it is closed.
#[derive(Debug, Clone)]
pub(crate) struct Queue(Arc<RwLock<Option<Sender<OpenRequest>>>>);

impl Queue {
    /// Queues a request.
    ///
    /// # Errors
    /// [`EngineError::Overloaded`] where there is no room, [`EngineError::Stopped`] after the queue was closed.
    pub(crate) fn push(&self, request: OpenRequest) -> Result<(), EngineError> {
        let sender = self.0.read().unwrap_or_else(PoisonError::into_inner);
        sender.as_ref().ok_or(EngineError::Stopped)?.try_send(request).map_err(|error| match error {
            TrySendError::Full(_) => EngineError::Overloaded,
            TrySendError::Disconnected(_) => EngineError::Stopped,
        })
    }

    /// Whoever receives sees the end after what is queued. Closing it again does nothing.
    pub(crate) fn close(&self) {
        drop(self.0.write().unwrap_or_else(PoisonError::into_inner).take());
    }
}

/// What waits. Dropping it closes the queue and ends those that are still in it, which a channel whose sender lives on would keep.
#[derive(Debug)]
pub(crate) struct Waiting {
    pub(crate) requests: Receiver<OpenRequest>,
    queue: Queue,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.queue.close();
    }
}

#[cfg(test)]
mod tests {
    use blindllama_engine::{GenerateRequest, TokenStream, token_stream};
    use futures_util::{FutureExt as _, StreamExt as _};

    use super::*;

    fn push(queue: &Queue) -> (Result<(), EngineError>, TokenStream) {
        let (sender, stream) = token_stream(1);
        (queue.push(OpenRequest::generate(GenerateRequest::new(vec![1], 1), sender, Arc::default())), stream)
    }

    #[test]
    fn who_waits_when_the_engine_ends_is_told() {
        let (queue, waiting) = queue(2);
        let [(first, one), (second, two)] = [push(&queue), push(&queue)];
        assert_eq!((first, second), (Ok(()), Ok(())));
        drop(waiting);
        for stream in [one, two] {
            assert_eq!(stream.collect::<Vec<_>>().now_or_never(), Some(vec![Err(EngineError::Stopped)]));
        }
        assert_eq!(push(&queue).0, Err(EngineError::Stopped));
    }

    #[test]
    fn a_full_queue_takes_no_more() {
        let (queue, waiting) = queue(1);
        assert_eq!(push(&queue).0, Ok(()));
        assert_eq!(push(&queue).0, Err(EngineError::Overloaded));
        drop(waiting.requests.recv());
        assert_eq!(push(&queue).0, Ok(()));
    }

    #[test]
    fn a_closed_queue_gives_what_it_has_and_ends() {
        let (queue, waiting) = queue(1);
        let (_, stream) = push(&queue);
        queue.close();
        assert_eq!(push(&queue).0, Err(EngineError::Stopped));
        assert!(waiting.requests.try_recv().is_ok());
        assert_eq!(waiting.requests.try_recv().map(drop), Err(crossbeam_channel::TryRecvError::Disconnected));
        assert_eq!(stream.collect::<Vec<_>>().now_or_never(), Some(vec![Err(EngineError::Stopped)]));
    }
}
