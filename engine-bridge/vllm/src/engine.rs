//! The engine as the gateway sees it, and the thread behind it.

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use blindllama_engine::{
    EmbedRequest, EmbeddingReply, Engine, EngineError, GenerateRequest, ModelInfo, TokenStream, Work, WorkDone, embedding_reply,
    token_stream,
};
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};
use tokio::sync::watch;

use crate::{
    core::{LoadError, LoadedCore, VllmCore},
    interpreter::{self, InterpreterError},
    open_request::OpenRequest,
    private_folder::PrivateFolder,
    queue::{Queue, Waiting, queue},
    relay_loop::{Outputs, RelayLoop},
    requests::Fatal,
    settings::VllmSettings,
    step_loop::StepLoop,
};

/// How long a shutdown waits for the step under way and for vLLM to free the model.
const SHUTDOWN_LIMIT: Duration = Duration::from_secs(30);
/// Steps of the engine's own processes that are read before they are delivered.
const OUTPUTS_AHEAD: usize = 16;

/// Why the engine did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// There is no place for what this launch caches.
    #[error("no private folder for caches could be made below {}: {source}", std::env::temp_dir().display())]
    PrivateFolder {
        /// What the operating system says.
        source: std::io::Error,
    },
    /// The interpreter did not start, or the process has one already.
    #[error("Python environment of {path}: {reason}")]
    Interpreter {
        /// The interpreter's path.
        path: PathBuf,
        /// What Python said.
        reason: String,
    },
    /// vLLM refused its arguments or could not load the model.
    #[error("vLLM did not load: {0}")]
    Load(String),
    /// The operating system refused a thread.
    #[error("the engine's thread could not be started: {0}")]
    Thread(#[source] std::io::Error),
    /// The thread ended without a word.
    #[error("the engine's thread ended while loading; this is a defect")]
    Lost,
}

/// How the engine's loop ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// [`VllmEngine::shutdown`] was called.
    ShutDown,
    /// The engine failed; the process should exit with an error.
    Died,
}

/// vLLM, running on a thread of this process.
#[derive(Debug)]
pub struct VllmEngine {
    model: ModelInfo,
    /// Closing it is what ends the loop.
    queue: Queue,
    active: Arc<AtomicUsize>,
    work: Arc<Work>,
    exit: watch::Receiver<Option<Exit>>,
    private_folder: PathBuf,
    mapped: Vec<Vec<u8>>,
    /// Disconnected when the thread has ended, vLLM's own shutdown included.
    ended: Mutex<Receiver<()>>,
}

impl VllmEngine {
    /// Starts the process's Python interpreter, loads vLLM and the model, and returns when it takes requests: after seconds to
    /// minutes, blocking. Sets environment variables for vLLM, so call it before other threads read them.
    ///
    /// # Errors
    /// [`StartError`]. A process can start an engine only once, even if the first start failed after Python was up.
    pub fn start(settings: VllmSettings) -> Result<Self, StartError> {
        let private = PrivateFolder::new().map_err(|source| StartError::PrivateFolder { source })?;
        let private_folder = private.path().to_owned();
        let (queue, requests) = queue(settings.queue.max(1));
        let (ready, loaded) = bounded(1);
        let (exit, exit_seen) = watch::channel(None);
        let (ends, ended) = bounded(0);
        let work = Arc::new(Work::new(!settings.own_process));
        let counted = Arc::clone(&work);
        thread::Builder::new()
            .name("engine".to_owned())
            .spawn(move || {
                let _ends: Sender<()> = ends;
                match load(&settings, &private) {
                    Ok(LoadedCore { core, model, mapped }) => {
                        if ready.send(Ok((model, mapped))).is_ok() {
                            serve(core, settings.own_process, requests, counted, &exit);
                        }
                    }
                    Err(error) => drop(ready.send(Err(error))),
                }
            })
            .map_err(StartError::Thread)?;
        let (model, mapped) = loaded.recv().map_err(|_| StartError::Lost)??;
        let (active, ended) = (Arc::default(), Mutex::new(ended));
        Ok(Self { model, queue, active, work, exit: exit_seen, private_folder, mapped, ended })
    }

    /// What the kernel says is mapped into each of the engine's own processes (`proc_pid_maps(5)`), as they said themselves when they
    /// were ready; none where the engine runs in this process.
    #[must_use]
    pub fn mapped(&self) -> &[Vec<u8>] {
        &self.mapped
    }

    /// The folder of this launch's caches: fresh when the engine started, removed when it ends.
    #[must_use]
    pub fn private_folder(&self) -> &Path {
        &self.private_folder
    }

    /// Waits until the engine's loop has ended, and says how.
    pub async fn stopped(&self) -> Exit {
        // The sender goes away without a word only if the thread panicked.
        let mut exit = self.exit.clone();
        exit.wait_for(Option::is_some).await.ok().and_then(|exit| *exit).unwrap_or(Exit::Died)
    }

    /// Stops the loop after the step under way, ends all streams, and waits (blocking, up to 30 seconds) until vLLM has freed
    /// the model. Later calls do nothing.
    pub fn shutdown(&self) {
        self.queue.close();
        let ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        if ended.recv_timeout(SHUTDOWN_LIMIT) == Err(RecvTimeoutError::Timeout) {
            tracing::error!(limit_s = SHUTDOWN_LIMIT.as_secs(), "the engine did not shut down in time and is left behind");
        }
    }

    fn enqueue(&self, request: OpenRequest) -> Result<(), EngineError> {
        if self.is_alive() { self.queue.push(request) } else { Err(EngineError::Stopped) }
    }
}

impl Engine for VllmEngine {
    fn model(&self) -> &ModelInfo {
        &self.model
    }

    fn generate(&self, request: GenerateRequest) -> Result<TokenStream, EngineError> {
        let (sender, stream) = token_stream(request.max_tokens.min(self.model.max_model_len));
        self.enqueue(OpenRequest::generate(request, sender, Arc::clone(&self.active)))?;
        Ok(stream)
    }

    fn embed(&self, request: EmbedRequest) -> Result<EmbeddingReply, EngineError> {
        let (sender, reply) = embedding_reply();
        self.enqueue(OpenRequest::embed(request, sender, Arc::clone(&self.active)))?;
        Ok(reply)
    }

    fn is_alive(&self) -> bool {
        self.exit.has_changed().is_ok() && self.exit.borrow().is_none()
    }

    fn active_requests(&self) -> usize {
        self.active.load(Ordering::Relaxed)
    }

    fn work_done(&self) -> WorkDone {
        self.work.done()
    }
}

impl Drop for VllmEngine {
    fn drop(&mut self) {
        self.shutdown();
    }
}

fn load(settings: &VllmSettings, private: &PrivateFolder) -> Result<LoadedCore, StartError> {
    interpreter::start(&settings.python).map_err(|error: InterpreterError| StartError::Interpreter {
        path: settings.python.executable().to_owned(),
        reason: error.to_string(),
    })?;
    VllmCore::load(settings, private.path()).map_err(|error: LoadError| StartError::Load(error.to_string()))
}

fn serve(core: VllmCore, own_process: bool, requests: Waiting, work: Arc<Work>, exit: &watch::Sender<Option<Exit>>) {
    let announce = |ended: Result<(), Fatal>| {
        let end = match ended {
            Ok(()) => Exit::ShutDown,
            Err(fatal) => {
                tracing::error!(%fatal, "the engine has failed");
                Exit::Died
            }
        };
        // Before the streams end: whoever sees its stream fail must not find the engine alive.
        exit.send_replace(Some(end));
    };
    let (core, reader) = if own_process {
        let (outputs, reader) = read_outputs(core.clone());
        let mut relay = RelayLoop::new(core, requests, outputs, work);
        announce(relay.run());
        (relay.into_core(), reader)
    } else {
        let mut steps = StepLoop::new(core, requests, work);
        announce(steps.run());
        (steps.into_core(), None)
    };
    match core.shutdown() {
        Ok(()) => tracing::info!("vLLM has shut down"),
        Err(error) => tracing::error!(%error, "vLLM did not shut down cleanly"),
    }
    // It ends with vLLM's client. A process that exits should have nobody in Python any more.
    if reader.is_some_and(|reader| reader.join().is_err()) {
        tracing::error!("the thread that reads the engine's outputs has panicked; this is a defect");
    }
}

/// Reads outputs on a thread of its own, until there are none any more or nobody wants them.
fn read_outputs(core: VllmCore) -> (Receiver<Result<Outputs, Fatal>>, Option<JoinHandle<()>>) {
    let (sender, outputs) = bounded(OUTPUTS_AHEAD);
    let read = move || {
        loop {
            let outputs = core.outputs();
            let failed = outputs.is_err();
            if sender.send(outputs).is_err() || failed {
                break;
            }
        }
    };
    let reader = thread::Builder::new().name("outputs".to_owned()).spawn(read).inspect_err(|error| {
        // Whoever receives finds that nobody sends.
        tracing::error!(%error, "the thread that reads the engine's outputs could not be started");
    });
    (outputs, reader.ok())
}

#[cfg(test)]
mod tests {
    use blindllama_engine::{ModelTask, SamplingDefaults};

    use super::*;

    /// An engine without a thread behind it: what is queued stays queued.
    fn engine(room: usize) -> (VllmEngine, Waiting, watch::Sender<Option<Exit>>) {
        let (queue, requests) = queue(room);
        let (exit, exit_seen) = watch::channel(None);
        let model = ModelInfo {
            task: ModelTask::Generate,
            max_model_len: 16,
            vocab_size: 10,
            max_logprobs: 0,
            schedules_by_priority: false,
            prefix_caching: false,
            dtype: "float32".to_owned(),
            engine: "none".to_owned(),
            sampling_defaults: SamplingDefaults::default(),
            adapters: Vec::new(),
        };
        let ended = Mutex::new(bounded(0).1);
        let work = Arc::new(Work::new(true));
        let (active, private_folder, mapped) = (Arc::default(), PathBuf::new(), Vec::new());
        (VllmEngine { model, queue, active, work, exit: exit_seen, private_folder, mapped, ended }, requests, exit)
    }

    fn request() -> GenerateRequest {
        GenerateRequest::new(vec![1], usize::MAX)
    }

    #[test]
    fn a_full_queue_refuses() {
        let (engine, requests, _exit) = engine(1);
        let _first = engine.generate(request()).unwrap();
        assert_eq!(engine.generate(request()).unwrap_err(), EngineError::Overloaded);
        assert_eq!(engine.active_requests(), 1);
        drop(requests.requests.recv());
        assert_eq!(engine.active_requests(), 0);
        assert!(engine.generate(request()).is_ok());
    }

    #[tokio::test]
    async fn a_dead_engine_says_so() {
        let (engine, _requests, exit) = engine(1);
        assert!(engine.is_alive());
        exit.send_replace(Some(Exit::Died));
        assert_eq!(engine.stopped().await, Exit::Died);
        assert!(!engine.is_alive());
        assert_eq!(engine.generate(request()).unwrap_err(), EngineError::Stopped);
    }

    #[tokio::test]
    async fn a_thread_that_panicked_counts_as_dead() {
        let (engine, _requests, exit) = engine(1);
        drop(exit);
        assert_eq!(engine.stopped().await, Exit::Died);
        assert!(!engine.is_alive());
    }

    #[test]
    fn nothing_is_taken_after_shutdown() {
        let (engine, _requests, _exit) = engine(1);
        engine.shutdown();
        assert_eq!(engine.generate(request()).unwrap_err(), EngineError::Stopped);
    }
}
