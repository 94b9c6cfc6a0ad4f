//! Work that keeps a core busy, away from the threads that serve connections: reading requests, and writing answers.

use std::{num::NonZeroUsize, sync::Arc, thread::available_parallelism};

use tokio::{sync::Semaphore, task::spawn_blocking};

use crate::openai::error::ApiError;

/// Work on more bytes takes milliseconds, in which the other connections of a thread would stand still.
const LARGE: usize = 8 * 1024;

/// As many threads at once as there are cores; further work waits in the order in which it came.
#[derive(Debug, Clone)]
pub(crate) struct CpuPool {
    places: Arc<Semaphore>,
}

impl CpuPool {
    /// A pool for this machine: one thread where its cores cannot be counted.
    pub(crate) fn for_this_machine() -> Self {
        Self::new(available_parallelism().unwrap_or(NonZeroUsize::MIN))
    }

    fn new(threads: NonZeroUsize) -> Self {
        Self { places: Arc::new(Semaphore::new(threads.get().min(Semaphore::MAX_PERMITS))) }
    }

    /// Does `work` on about `bytes` bytes: at once if that is a moment's, otherwise as [`CpuPool::run`].
    ///
    /// # Errors
    /// 500 if `work` panics.
    pub(crate) async fn run_sized<T: Send + 'static>(
        &self,
        bytes: usize,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, ApiError> {
        if bytes <= LARGE { Ok(work()) } else { self.run(work).await }
    }

    /// Runs `work` once there is a place. Whoever stops waiting takes work along that has not begun; work that has begun is
    /// finished, and keeps its place until then.
    ///
    /// # Errors
    /// 500 if `work` panics.
    pub(crate) async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, ApiError> {
        let failed = |what: &str| ApiError::internal(format!("a thread for long work {what}"));
        let place = Arc::clone(&self.places).acquire_owned().await.map_err(|_| failed("is not to be had"))?;
        let running = spawn_blocking(move || {
            let _place = place;
            work()
        });
        running.await.map_err(|_| failed("panicked"))
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::{
            Mutex,
            atomic::{AtomicUsize, Ordering},
            mpsc,
        },
        thread,
    };

    use futures_util::{FutureExt as _, future::join_all};

    use super::*;

    fn pool(threads: usize) -> CpuPool {
        CpuPool::new(NonZeroUsize::new(threads).unwrap())
    }

    #[tokio::test]
    async fn no_more_run_at_once_than_there_are_places() {
        let (pool, running, most) = (pool(3), Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let work = || {
            let (running, most) = (Arc::clone(&running), Arc::clone(&most));
            pool.run(move || {
                most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                (0..100).for_each(|_| thread::yield_now());
                running.fetch_sub(1, Ordering::SeqCst);
            })
        };
        let done = join_all((0..200).map(|_| work())).await;
        assert!(done.iter().all(Result::is_ok));
        assert!((1..=3).contains(&most.load(Ordering::SeqCst)), "{most:?}");
    }

    #[tokio::test]
    async fn who_comes_first_is_served_first_and_who_leaves_loses_nothing_of_others() {
        let (pool, order) = (pool(1), Arc::new(Mutex::new(Vec::new())));
        let (release, released) = mpsc::channel::<()>();
        let mut first = Box::pin(pool.run(move || released.recv().unwrap()));
        assert!((&mut first).now_or_never().is_none());
        let mut waiting: Vec<_> = (0..5)
            .map(|number| {
                let order = Arc::clone(&order);
                let mut work = Box::pin(pool.run(move || order.lock().unwrap().push(number)));
                assert!((&mut work).now_or_never().is_none());
                work
            })
            .collect();
        drop(waiting.remove(2));
        // Nobody waits for the first any more, but it still runs, so its place is not free.
        drop(first);
        assert_eq!(pool.places.available_permits(), 0);
        release.send(()).unwrap();
        join_all(waiting).await;
        assert_eq!(*order.lock().unwrap(), [0, 1, 3, 4]);
    }

    #[tokio::test]
    async fn a_panic_costs_no_place() {
        let pool = pool(1);
        assert!(pool.run(|| panic!("on purpose")).await.is_err());
        assert_eq!(pool.run(|| 7).await.ok(), Some(7));
    }
}
