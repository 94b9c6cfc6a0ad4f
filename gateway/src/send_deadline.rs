//! How long a response waits for a client that does not read it.
//!
//! What a response holds (a place at admission, requests inside the engine) is everybody's. With HTTP/2 a client can stop reading
//! for as long as it likes, and the connection looks alive.

use std::{
    cell::RefCell,
    error::Error,
    pin::Pin,
    rc::{Rc, Weak},
    task::{Context, Poll},
    time::Duration,
};

use actix_web::{
    body::{BodySize, BoxBody, MessageBody},
    rt,
};
use bytes::Bytes;
use tokio::{
    task::JoinHandle,
    time::{Instant, sleep},
};

/// How long a client may take for what it was given, 64 KiB at most, before it gets any more.
const PATIENCE: Duration = Duration::from_secs(60);

/// A body that is given up, with all that it holds, once its client has not read on for too long.
pub(crate) struct TimedBody {
    waiting: Rc<RefCell<Waiting>>,
    watch: JoinHandle<()>,
}

struct Waiting {
    /// `None` once it was given up.
    body: Option<BoxBody>,
    /// Since when it is the client's turn. `None` while the body has nothing to give: the engine's time is not the client's.
    since: Option<Instant>,
}

/// The client did not read on.
#[derive(Debug, thiserror::Error)]
#[error("the client did not read on")]
struct GivenUp;

impl TimedBody {
    /// `body`, watched from now on.
    pub(crate) fn boxed(body: BoxBody) -> BoxBody {
        let waiting = Rc::new(RefCell::new(Waiting { body: Some(body), since: None }));
        let watch = rt::spawn(watch(Rc::downgrade(&waiting)));
        BoxBody::new(Self { waiting, watch })
    }
}

impl Drop for TimedBody {
    fn drop(&mut self) {
        self.watch.abort();
    }
}

impl MessageBody for TimedBody {
    type Error = Box<dyn Error>;

    fn size(&self) -> BodySize {
        self.waiting.borrow().body.as_ref().map_or(BodySize::Stream, MessageBody::size)
    }

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        let mut waiting = self.waiting.borrow_mut();
        let Some(body) = &mut waiting.body else { return Poll::Ready(Some(Err(GivenUp.into()))) };
        let next = Pin::new(body).poll_next(context);
        waiting.since = next.is_ready().then(Instant::now);
        next
    }
}

async fn watch(waiting: Weak<RefCell<Waiting>>) {
    loop {
        let Some(now) = waiting.upgrade() else { return };
        let waited = now.borrow().since.map_or(Duration::ZERO, |since| since.elapsed());
        if waited >= PATIENCE {
            let given_up = now.borrow_mut().body.take();
            drop(given_up);
            return;
        }
        drop(now);
        sleep(PATIENCE.saturating_sub(waited)).await;
    }
}

#[cfg(test)]
mod tests {
    use std::future::{poll_fn, ready};

    use actix_web::body::BodyStream;
    use futures_util::stream::{StreamExt as _, once, pending};
    use tokio::task::LocalSet;

    use super::*;
    use crate::response_body::HoldingBody;

    /// A body that gives some bytes and then waits for the engine, and whether it is still there.
    fn body() -> (BoxBody, Weak<()>) {
        let held = Rc::new(());
        let there = Rc::downgrade(&held);
        let bytes = once(ready(Ok::<_, Box<dyn Error>>(Bytes::from_static(b"x")))).chain(pending());
        (TimedBody::boxed(HoldingBody::boxed(BoxBody::new(BodyStream::new(bytes)), held)), there)
    }

    async fn next(body: &mut BoxBody) -> Option<Result<Bytes, Box<dyn Error>>> {
        poll_fn(|context| Pin::new(&mut *body).poll_next(context)).await
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_does_not_read_on_loses_the_body() {
        LocalSet::new()
            .run_until(async {
                let (mut body, there) = body();
                assert!(next(&mut body).await.is_some_and(|bytes| bytes.is_ok()));
                sleep(PATIENCE - Duration::from_secs(1)).await;
                assert!(there.upgrade().is_some());
                sleep(PATIENCE).await;
                assert!(there.upgrade().is_none());
                assert!(next(&mut body).await.is_some_and(|bytes| bytes.is_err()));
            })
            .await;
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_waits_for_the_engine_loses_nothing() {
        LocalSet::new()
            .run_until(async {
                let (mut body, _) = body();
                assert!(next(&mut body).await.is_some_and(|bytes| bytes.is_ok()));
                let mut waits = Box::pin(next(&mut body));
                tokio::select! {
                    _ = &mut waits => panic!("nothing comes"),
                    () = sleep(PATIENCE * 10) => {}
                }
            })
            .await;
    }
}
