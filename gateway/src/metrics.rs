//! What is counted: requests, tokens and durations. The types take nothing else, so no content can get in.

use std::{
    fmt,
    sync::{Arc, atomic::AtomicU64},
    time::{Duration, Instant},
};

use actix_web::{HttpResponse, http::StatusCode, web};
use blindllama_engine::{Engine, WorkDone};
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeLabelSet, EncodeLabelValue, EncodeMetric as _, text::encode},
    metrics::{
        counter::{ConstCounter, Counter},
        family::Family,
        gauge::{ConstGauge, Gauge},
        histogram::{Histogram, exponential_buckets},
    },
    registry::{Registry, Unit},
};

use crate::{App, openai::error::ApiError, routes::Route};

/// The gateway's metrics.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    requests: Family<RequestLabels, Counter>,
    running: Gauge,
    prompt_tokens: Counter<u64, AtomicU64>,
    completion_tokens: Counter<u64, AtomicU64>,
    time_to_first_token: Histogram,
    duration: Histogram,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct RequestLabels {
    route: Route,
    status: StatusClass,
}

#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq, EncodeLabelValue)]
enum StatusClass {
    Success,
    ClientError,
    ServerError,
    ClientGone,
}

impl From<StatusCode> for StatusClass {
    fn from(status: StatusCode) -> Self {
        if status.is_server_error() {
            Self::ServerError
        } else if status.is_client_error() {
            Self::ClientError
        } else {
            Self::Success
        }
    }
}

/// Asks the engine at each scrape.
struct EngineState(Arc<dyn Engine>);

impl fmt::Debug for EngineState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EngineState")
    }
}

impl Collector for EngineState {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let active = ConstGauge::new(i64::try_from(self.0.active_requests()).unwrap_or(i64::MAX));
        let help = "Requests that the engine holds, waiting or running";
        active.encode(encoder.encode_descriptor("engine_requests_active", help, None, active.metric_type())?)?;
        let WorkDone { steps, stepping } = self.0.work_done();
        let steps = ConstCounter::new(steps);
        let help = "Steps in which the engine ran the model";
        steps.encode(encoder.encode_descriptor("engine_steps", help, None, steps.metric_type())?)?;
        let Some(stepping) = stepping else { return Ok(()) };
        let stepping = ConstCounter::new(stepping.as_secs_f64());
        let help = "Time inside the engine's steps: its rate is the share of time in which the engine is busy";
        let unit = Some(&Unit::Seconds);
        stepping.encode(encoder.encode_descriptor("engine_stepping", help, unit, stepping.metric_type())?)
    }
}

impl Metrics {
    /// Registers every metric; those of the engine are asked for when scraped.
    #[must_use]
    pub fn new(engine: Arc<dyn Engine>) -> Self {
        let mut metrics = Self {
            registry: Registry::default(),
            requests: Family::default(),
            running: Gauge::default(),
            prompt_tokens: Counter::default(),
            completion_tokens: Counter::default(),
            time_to_first_token: Histogram::new(exponential_buckets(0.005, 2.0, 14)),
            duration: Histogram::new(exponential_buckets(0.01, 2.0, 16)),
        };
        metrics.register(engine);
        metrics
    }

    fn register(&mut self, engine: Arc<dyn Engine>) {
        let mut registry = Registry::with_prefix("blindllama");
        registry.register("requests", "Requests that ended, by route and class of status", self.requests.clone());
        registry.register("requests_running", "Inference requests from admission to the end of the answer", self.running.clone());
        registry.register("prompt_tokens", "Tokens in prompts", self.prompt_tokens.clone());
        registry.register("completion_tokens", "Tokens in answers", self.completion_tokens.clone());
        let help = "From admission to the first token";
        registry.register_with_unit("time_to_first_token", help, Unit::Seconds, self.time_to_first_token.clone());
        let help = "From admission to the end of the answer";
        registry.register_with_unit("request_duration", help, Unit::Seconds, self.duration.clone());
        registry.register_collector(Box::new(EngineState(engine)));
        self.registry = registry;
    }

    /// Counts an answered request.
    pub(crate) fn answered(&self, route: Route, status: StatusCode) {
        self.requests.get_or_create(&RequestLabels { route, status: status.into() }).inc();
    }

    /// Counts a request whose client went away before it was answered.
    pub(crate) fn abandoned(&self, route: Route) {
        self.requests.get_or_create(&RequestLabels { route, status: StatusClass::ClientGone }).inc();
    }

    /// Starts measuring an inference request.
    pub(crate) fn request_started(metrics: &Arc<Self>) -> RunningRequest {
        metrics.running.inc();
        RunningRequest { metrics: Arc::clone(metrics), started: Instant::now(), first_token: None }
    }
}

/// An inference request in progress; dropping it ends the measurement, however the request ended.
#[derive(Debug)]
pub(crate) struct RunningRequest {
    metrics: Arc<Metrics>,
    started: Instant,
    first_token: Option<Duration>,
}

impl RunningRequest {
    /// The prompt went to the engine.
    pub(crate) fn prompt(&self, tokens: usize) {
        self.metrics.prompt_tokens.inc_by(tokens as u64);
    }

    /// The engine made `tokens` more.
    pub(crate) fn completed(&mut self, tokens: usize) {
        self.metrics.completion_tokens.inc_by(tokens as u64);
        if self.first_token.is_none() && tokens > 0 {
            let elapsed = self.started.elapsed();
            self.first_token = Some(elapsed);
            self.metrics.time_to_first_token.observe(elapsed.as_secs_f64());
        }
    }
}

impl Drop for RunningRequest {
    fn drop(&mut self) {
        self.metrics.running.dec();
        self.metrics.duration.observe(self.started.elapsed().as_secs_f64());
    }
}

/// `GET /metrics`, in the OpenMetrics text format.
pub(crate) async fn metrics(app: web::Data<App>) -> Result<HttpResponse, ApiError> {
    let mut text = String::new();
    encode(&mut text, &app.metrics.registry).map_err(|error| ApiError::internal(format!("metrics: {error}")))?;
    Ok(HttpResponse::Ok().content_type("application/openmetrics-text; version=1.0.0; charset=utf-8").body(text))
}
