//! Clients that ask, each for its next answer as soon as it has one.

use std::{
    thread,
    time::{Duration, Instant},
};

use blindllama_tests::http::{KeptAlive, post};
use http_body_util::BodyExt as _;
use memchr::memmem;
use serde_json::json;
use tokio::task::JoinSet;

use crate::{
    processes::{self, Usage},
    server::Server,
};

/// What is asked of a server.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Load {
    /// Clients at the same time.
    pub(crate) clients: usize,
    /// Tokens of each answer.
    pub(crate) tokens: usize,
    /// Answers that each client wants, one after the other.
    pub(crate) answers: usize,
    /// As events, or whole.
    pub(crate) stream: bool,
}

/// What came.
#[derive(Debug, Default)]
pub(crate) struct Sample {
    pub(crate) elapsed: Duration,
    pub(crate) answers: usize,
    pub(crate) tokens: usize,
    /// From a request to its first text.
    pub(crate) first: Vec<Duration>,
    /// From one piece of an answer to the next.
    pub(crate) gaps: Vec<Duration>,
    /// Processor time of the server while that came.
    pub(crate) usage: Usage,
    /// Processor time of the clients' thread.
    pub(crate) clients: Duration,
}

/// What one client saw.
#[derive(Default)]
struct Seen {
    tokens: usize,
    first: Vec<Duration>,
    gaps: Vec<Duration>,
}

impl Load {
    /// Puts the load on `server`, from one thread: clients are to take as little as possible of what they measure.
    pub(crate) async fn measure(self, server: &Server, model: &'static str) -> Sample {
        let mut connections = Vec::new();
        for _ in 0..self.clients {
            connections.push(server.connect().await);
        }
        // A first answer each, so that no client's first request pays for what is made once.
        self.warmed_up(model).run(&mut connections, model).await;
        let (usage, clients, started) = (server.usage(), processes::thread_time(), Instant::now());
        let mut sample = self.run(&mut connections, model).await;
        sample.elapsed = started.elapsed();
        sample.clients = processes::thread_time() - clients;
        sample.usage = server.usage().since(usage);
        sample
    }

    const fn warmed_up(self, _: &str) -> Self {
        Self { tokens: 2, answers: 1, ..self }
    }

    async fn run(self, connections: &mut Vec<KeptAlive>, model: &'static str) -> Sample {
        let mut clients = JoinSet::new();
        for (index, connection) in std::mem::take(connections).into_iter().enumerate() {
            clients.spawn_local(self.client(connection, index, model));
        }
        let mut sample = Sample { answers: self.clients * self.answers, ..Sample::default() };
        while let Some(client) = clients.join_next().await {
            let (connection, seen) = client.unwrap();
            sample.tokens += seen.tokens;
            sample.first.extend(seen.first);
            sample.gaps.extend(seen.gaps);
            connections.push(connection);
        }
        sample
    }

    async fn client(self, mut connection: KeptAlive, index: usize, model: &'static str) -> (KeptAlive, Seen) {
        let mut seen = Seen::default();
        for answer in 0..self.answers {
            // Answers of different lengths at first, so that clients do not go in step.
            let tokens = if answer == 0 { (self.tokens * (index + 1)).div_ceil(self.clients) } else { self.tokens };
            let body = json!({
                "model": model,
                "messages": [{"role": "user", "content": format!("Client {index} asks for story {answer}, a long one.")}],
                "max_tokens": tokens,
                "ignore_eos": true,
                "temperature": 0,
                "stream": self.stream,
            });
            let sent = Instant::now();
            let answer = connection.open(post("/v1/chat/completions", body.to_string())).await.unwrap();
            assert!(answer.status().is_success(), "{answer:?}");
            let (mut body, mut last, mut said) = (answer.into_body(), None, false);
            let mut ended = false;
            while let Some(frame) = body.frame().await {
                let data = frame.unwrap().into_data().unwrap();
                let now = Instant::now();
                if !said && says(&data) {
                    said = true;
                    seen.first.push(now - sent);
                }
                seen.gaps.extend(last.replace(now).map(|last| now - last));
                ended |= memmem::find(&data, br#""finish_reason":"length""#).is_some();
            }
            assert!(ended, "an answer was cut off");
            seen.tokens += tokens;
        }
        (connection, seen)
    }
}

/// Whether a piece of an answer has text: an event that only opens an answer has none.
fn says(data: &[u8]) -> bool {
    const CONTENT: &[u8] = br#""content":""#;
    memmem::find_iter(data, CONTENT).any(|at| data.get(at + CONTENT.len()).is_some_and(|next| *next != b'"'))
}

/// Runs `load` on a thread of its own, on the last core where there are more than the servers' engines need.
pub(crate) fn on_own_thread<T: Send>(load: impl AsyncFnOnce() -> T + Send) -> T {
    thread::scope(|scope| {
        let clients = scope.spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            tokio::task::LocalSet::new().block_on(&runtime, load())
        });
        clients.join().unwrap_or_else(|panicked| std::panic::resume_unwind(panicked))
    })
}

/// The value below which a share of `values` lies.
pub(crate) fn percentile(values: &[Duration], share: f64) -> Duration {
    let mut values = values.to_vec();
    values.sort_unstable();
    let index = ((values.len() as f64 * share).ceil() as usize).clamp(1, values.len());
    values[index - 1]
}
