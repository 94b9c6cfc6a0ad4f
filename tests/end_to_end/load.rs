//! Under full load, whoever asks whether the gateway lives is answered at once.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use blindllama_tests::http::{self, KeptAlive};
use serde_json::json;
use tokio::task::JoinSet;

use crate::world::{World, run};

/// Clients that ask one thing after the other; every fourth has a long text tokenised, the others have answers streamed.
const CLIENTS: usize = 64;
const LONG_TEXT: usize = 600_000;

/// Within which `/livez` has to answer.
const IN_TIME: Duration = Duration::from_millis(50);
/// How often it is asked in a round, and how many others are answered meanwhile at least, so that the load is really there.
const QUESTIONS: usize = 100;
const OTHERS: usize = CLIENTS / 2;
/// The clients run on the same cores as the gateway, and whatever else the machine does can hold an answer up. So one of a few
/// rounds has to be in time, with 19 of 20 answers: long work on a thread that serves connections would be in each of them.
const ROUNDS: usize = 5;

pub fn livez_answers_in_time_under_full_load(world: &World) {
    let (address, answered) = (world.machine.address(), Arc::new(AtomicUsize::new(0)));
    let long = json!({"prompt": "Paris is old. ".repeat(LONG_TEXT / 14)}).to_string();
    let chat = world.chat("Tell me a story.", json!({"stream": true, "max_tokens": 200, "ignore_eos": true}));
    let rounds = run(async {
        let mut clients = JoinSet::new();
        for number in 0..CLIENTS {
            let (path, body) = if number % 4 == 0 { ("/tokenize", &long) } else { ("/v1/chat/completions", &chat) };
            clients.spawn(keep_asking(address, path, body.clone(), Arc::clone(&answered)));
        }
        let answered = Arc::clone(&answered);
        let asking = tokio::task::spawn_blocking(move || ask(address, &answered));
        tokio::select! {
            rounds = asking => rounds.expect("rounds"),
            ended = clients.join_next() => panic!("a client ended: {ended:?}"),
        }
    });
    assert!(rounds.iter().any(|most| *most <= IN_TIME), "19 of 20 answers took at most, by round: {rounds:?}");
}

async fn keep_asking(address: SocketAddr, path: &'static str, body: String, answered: Arc<AtomicUsize>) {
    let mut connection = KeptAlive::connect(address).await;
    loop {
        let answer = connection.send(http::post(path, body.clone())).await.expect("an answer");
        assert_eq!(answer.status, 200, "{path}");
        answered.fetch_add(1, Ordering::SeqCst);
    }
}

/// Asks in rounds, with a thread of its own, until one is in time. Gives what 19 of 20 answers took at most in each.
fn ask(address: SocketAddr, answered: &AtomicUsize) -> Vec<Duration> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let (mut connection, mut rounds) = (KeptAlive::connect(address).await, Vec::new());
        for _ in 0..ROUNDS {
            let (mut times, others) = (Vec::new(), answered.load(Ordering::SeqCst) + OTHERS);
            while times.len() < QUESTIONS || answered.load(Ordering::SeqCst) < others {
                let asked = Instant::now();
                assert_eq!(connection.send(http::get("/livez")).await.expect("an answer").status, 200);
                times.push(asked.elapsed());
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            times.sort_unstable();
            let share = |of_twenty: usize| times[(times.len() - 1) * of_twenty / 20];
            let (median, most, worst) = (share(10), share(19), share(20));
            eprintln!("  /livez, asked {} times: {median:?} in the median, 95 % in {most:?}, {worst:?} at worst", times.len());
            rounds.push(most);
            if most <= IN_TIME {
                break;
            }
        }
        rounds
    })
}
