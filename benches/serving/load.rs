//! Clients that ask, each for its next answer as soon as it has one; all on one thread, which is to take as little as possible of
//! what is measured.

use std::{
    thread,
    time::{Duration, Instant},
};

use blindllama_tests::http::{KeptAlive, post};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::Request;
use memchr::memmem;
use rustix::thread::{CpuSet, sched_setaffinity};
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
    /// Pieces in which answers came.
    pub(crate) pieces: usize,
    /// From a request to its first text.
    pub(crate) first: Vec<Duration>,
    /// Processor time of the server while that came.
    pub(crate) usage: Usage,
    /// Processor time of the clients' thread.
    pub(crate) clients: Duration,
}

/// How one answer came.
#[derive(Debug, Default)]
pub(crate) struct Arrival {
    /// From the request to the first text.
    pub(crate) first: Duration,
    /// From each piece to the next.
    pub(crate) gaps: Vec<Duration>,
}

impl Load {
    /// Puts the load on `server`.
    pub(crate) async fn measure(self, server: &Server) -> Sample {
        let mut connections = Vec::new();
        for _ in 0..self.clients {
            connections.push(server.connect().await);
        }
        // A first answer each, so that no client's first request pays for what is made once.
        let first = Self { tokens: 2, answers: 1, ..self };
        first.run(&mut connections, server.model).await;
        let (usage, clients, started) = (server.usage(), processes::thread_time(), Instant::now());
        let mut sample = self.run(&mut connections, server.model).await;
        sample.elapsed = started.elapsed();
        sample.clients = processes::thread_time() - clients;
        sample.usage = server.usage().since(usage);
        sample
    }

    async fn run(self, connections: &mut Vec<KeptAlive>, model: &'static str) -> Sample {
        let mut clients = JoinSet::new();
        for (index, connection) in std::mem::take(connections).into_iter().enumerate() {
            clients.spawn_local(self.client(connection, index, model));
        }
        let mut sample = Sample { answers: self.clients * self.answers, ..Sample::default() };
        while let Some(client) = clients.join_next().await {
            let (connection, tokens, arrivals) = client.unwrap();
            connections.push(connection);
            sample.tokens += tokens;
            sample.pieces += arrivals.iter().map(|arrival| arrival.gaps.len() + 1).sum::<usize>();
            sample.first.extend(arrivals.iter().map(|arrival| arrival.first));
        }
        sample
    }

    /// One client: its connection, its tokens, and how its answers came.
    pub(crate) async fn client(
        self,
        mut connection: KeptAlive,
        index: usize,
        model: &'static str,
    ) -> (KeptAlive, usize, Vec<Arrival>) {
        let (mut tokens, mut arrivals) = (0, Vec::new());
        for answer in 0..self.answers {
            // Answers of different lengths at first, so that clients do not go in step.
            let length = if answer == 0 { (self.tokens * (index + 1)).div_ceil(self.clients) } else { self.tokens };
            let request = chat(model, (index, answer), length, self.stream);
            arrivals.push(ask(&mut connection, request).await.expect("an answer"));
            tokens += length;
        }
        (connection, tokens, arrivals)
    }
}

/// A chat whose prompt no other has.
pub(crate) fn chat(model: &str, (client, answer): (usize, usize), tokens: usize, stream: bool) -> Request<Full<Bytes>> {
    let body = json!({
        "model": model,
        "messages": [{"role": "user", "content": format!("Client {client:4} asks for story {answer:4}, a long one.")}],
        "max_tokens": tokens,
        "ignore_eos": true,
        "temperature": 0,
        "stream": stream,
    });
    post("/v1/chat/completions", body.to_string())
}

/// Waits for the whole answer; `None` if the server has no place for the request.
///
/// # Panics
/// If the answer is another refusal, or is cut off.
pub(crate) async fn ask(connection: &mut KeptAlive, request: Request<Full<Bytes>>) -> Option<Arrival> {
    let sent = Instant::now();
    let answer = connection.open(request).await.unwrap();
    let status = answer.status();
    let (mut body, mut last, mut first, mut gaps, mut ended) = (answer.into_body(), None, None, Vec::new(), false);
    while let Some(frame) = body.frame().await {
        let data = frame.unwrap().into_data().unwrap();
        let now = Instant::now();
        if first.is_none() && says(&data) {
            first = Some(now - sent);
        }
        gaps.extend(last.replace(now).map(|last| now - last));
        ended |= memmem::find(&data, br#""finish_reason":"length""#).is_some();
    }
    if status == 503 {
        return None;
    }
    assert!(status.is_success() && ended, "an answer with status {status} was cut off");
    // An answer of one token may have no text.
    Some(Arrival { first: first.unwrap_or_else(|| sent.elapsed()), gaps })
}

/// Whether a piece of an answer has text: an event that only opens an answer has none.
fn says(data: &[u8]) -> bool {
    const CONTENT: &[u8] = br#""content":""#;
    memmem::find_iter(data, CONTENT).any(|at| data.get(at + CONTENT.len()).is_some_and(|next| *next != b'"'))
}

/// Runs clients on a thread of their own, and on the last core where servers have more than two.
pub(crate) fn on_own_thread<T: Send>(clients: impl AsyncFnOnce() -> T + Send) -> T {
    thread::scope(|scope| {
        let thread = scope.spawn(|| {
            let cores = thread::available_parallelism().map_or(1, usize::from);
            if cores > 3 {
                let mut last = CpuSet::new();
                last.set(cores - 1);
                sched_setaffinity(None, &last).expect("a core for the clients");
            }
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            tokio::task::LocalSet::new().block_on(&runtime, clients())
        });
        thread.join().unwrap_or_else(|panicked| std::panic::resume_unwind(panicked))
    })
}

/// The value below which a share of `values` lies; zero where there are none.
pub(crate) fn percentile(values: &[Duration], share: f64) -> Duration {
    let mut values = values.to_vec();
    values.sort_unstable();
    let rank = (values.len() as f64 * share).ceil() as usize;
    values.get(rank.saturating_sub(1)).copied().unwrap_or_default()
}
