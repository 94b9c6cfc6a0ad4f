//! Who may come in: a bound on inference requests in progress.

use std::{num::NonZeroUsize, sync::Arc};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit};

use crate::{
    metrics::{Metrics, RunningRequest},
    openai::error::ApiError,
};

/// The gate in front of the engine.
#[derive(Debug)]
pub struct Admission {
    places: Arc<Semaphore>,
    most: usize,
    input_places: Semaphore,
    constrained_places: Arc<Semaphore>,
    most_constrained: usize,
    metrics: Arc<Metrics>,
}

/// The right to be served. It lives as long as the response body, so a place is free again only when nothing of the
/// request is left.
#[derive(Debug)]
pub struct Permit {
    place: OwnedSemaphorePermit,
    /// Where the answers' form is constrained.
    _constrained: Option<OwnedSemaphorePermit>,
    running: RunningRequest,
}

impl Admission {
    /// A gate with `max_requests` places, and so many for answers whose form is constrained.
    #[must_use]
    pub fn new(max_requests: NonZeroUsize, max_constrained: usize, metrics: Arc<Metrics>) -> Self {
        let places = max_requests.get().min(Semaphore::MAX_PERMITS);
        let most_constrained = max_constrained.min(Semaphore::MAX_PERMITS);
        Self {
            places: Arc::new(Semaphore::new(places)),
            most: places,
            input_places: Semaphore::new(places),
            constrained_places: Arc::new(Semaphore::new(most_constrained)),
            most_constrained,
            metrics,
        }
    }

    /// Takes a place, or says at once that there is none: waiting belongs to the client, who knows its patience.
    ///
    /// # Errors
    /// [`ApiError`] 503 with `Retry-After`.
    pub fn admit(&self) -> Result<Permit, ApiError> {
        let place = Arc::clone(&self.places).try_acquire_owned().map_err(|_| ApiError::overloaded())?;
        Ok(Permit { place, _constrained: None, running: Metrics::request_started(&self.metrics) })
    }

    /// Whether so many answers can be made at once, however many are made now.
    ///
    /// # Errors
    /// 400.
    pub(crate) fn check_most(&self, answers: usize) -> Result<(), ApiError> {
        if answers > self.most {
            let message = format!("n asks for {answers} answers; this server makes {} at once.", self.most);
            return Err(ApiError::invalid(message).param("n"));
        }
        Ok(())
    }

    /// Takes as many places for a request that was admitted as it has answers: each is a request of its own to the engine.
    /// Those whose form is `constrained` take others beside.
    ///
    /// # Errors
    /// 400 if there are not so many places at all, 503 with `Retry-After` if they are not free.
    pub(crate) fn widen(&self, permit: &mut Permit, answers: usize, constrained: bool) -> Result<(), ApiError> {
        self.check_most(answers)?;
        permit.place.merge(take(&self.places, answers.saturating_sub(1))?);
        if constrained {
            if answers > self.most_constrained {
                let message = format!(
                    "{answers} answers whose form is constrained are asked for; this server's limit sequences is {}.",
                    self.most_constrained
                );
                return Err(ApiError::invalid(message).param("n"));
            }
            permit._constrained = Some(take(&self.constrained_places, answers)?);
        }
        Ok(())
    }

    /// Waits for a place for one of many inputs of a request that was admitted. As many of all requests together as there are
    /// places are with the engine, which is what its queue holds; all others wait in the order in which they came.
    ///
    /// # Errors
    /// None in practice: 500 if there are no places any more.
    pub(crate) async fn place_for_input(&self) -> Result<SemaphorePermit<'_>, ApiError> {
        self.input_places.acquire().await.map_err(|_| ApiError::internal("places for inputs are not to be had"))
    }
}

fn take(places: &Arc<Semaphore>, count: usize) -> Result<OwnedSemaphorePermit, ApiError> {
    let count = u32::try_from(count).map_err(|_| ApiError::overloaded())?;
    Arc::clone(places).try_acquire_many_owned(count).map_err(|_| ApiError::overloaded())
}

impl Permit {
    /// The request's measurements.
    pub(crate) const fn running(&mut self) -> &mut RunningRequest {
        &mut self.running
    }
}
