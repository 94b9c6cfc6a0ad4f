//! The queue with a TPM made of paper: it writes down what it is asked for.

use std::{
    collections::BTreeMap,
    pin::Pin,
    sync::{Arc, Mutex, mpsc::channel},
    task::{Context, Waker},
    thread,
};

use blindllama_attest::nonce::qualifying_data;
use tokio::runtime::{Builder, Runtime};

use super::*;

/// What was done, in order: quotes by their qualifying data.
type Done = Vec<String>;

fn runtime() -> Runtime {
    Builder::new_current_thread().build().unwrap()
}

fn leaf(number: u32) -> Sha256Digest {
    Sha256Digest::of(&[&number.to_be_bytes()])
}

fn signed(data: Sha256Digest) -> Quote {
    Quote { attest: data.as_bytes().to_vec(), signature: Vec::new(), pcrs: BTreeMap::new() }
}

/// Serves what waits, until the queue is dropped.
fn serve(commands: Commands<Done>) -> Done {
    let mut done = Done::new();
    runtime().block_on(commands.serve(&mut done, |done, data| {
        done.push("quote".to_owned());
        Ok(signed(data))
    }));
    done
}

fn note(text: &'static str) -> impl FnOnce(&mut Done) -> Result<(), TpmError> + Send {
    move |done| {
        done.push(text.to_owned());
        Ok(())
    }
}

/// A command in the queue, by where its outcome comes out.
type Queued<T> = Pin<Box<dyn Future<Output = Result<T, TpmError>> + Send>>;

/// Polls a future once: a command is in the queue then.
fn queued<T>(future: impl Future<Output = Result<T, TpmError>> + Send + 'static) -> Queued<T> {
    let mut future = Box::pin(future);
    assert!(future.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    future
}

fn nonce<O: 'static>(queue: &Arc<Queue<O>>, number: u32) -> Queued<(Arc<Quote>, NonceProof)> {
    let queue = Arc::clone(queue);
    queued(async move { queue.quote(leaf(number)).await })
}

fn activation<O: 'static, T: Send + 'static>(
    queue: &Arc<Queue<O>>,
    work: impl FnOnce(&mut O) -> Result<T, TpmError> + Send + 'static,
) -> Queued<T> {
    let queue = Arc::clone(queue);
    queued(async move { queue.call_later(work).await })
}

/// A queue that commands can be put in from anywhere.
fn shared<O>(max_nonces: usize) -> (Arc<Queue<O>>, Commands<O>) {
    let (queue, commands) = queue(max_nonces);
    (Arc::new(queue), commands)
}

#[test]
fn all_that_wait_share_one_quote_and_each_is_proven() {
    let (queue, commands) = shared::<Done>(300);
    let waiting: Vec<_> = (0..256).map(|number| nonce(&queue, number)).collect();
    let served = thread::spawn(|| serve(commands));
    let mut quotes = Vec::new();
    for (number, answer) in (0..).zip(waiting) {
        let (quote, proof) = runtime().block_on(answer).unwrap();
        assert_eq!((proof.leaf_index, proof.leaf_count), (number, 256));
        let root = proof.root(leaf(number)).unwrap();
        assert_eq!(quote.attest, qualifying_data(256, root).as_bytes());
        quotes.push(quote);
    }
    assert!(quotes.iter().all(|quote| Arc::ptr_eq(quote, &quotes[0])));
    drop(queue);
    assert_eq!(served.join().unwrap(), ["quote"]);
}

#[test]
fn those_who_come_during_a_quote_share_the_next() {
    let (queue, commands) = shared::<u32>(8);
    let late = Arc::clone(&queue);
    let (sender, late_answers) = channel();
    let sender = Mutex::new(Some((late, sender)));
    let first = nonce(&queue, 0);
    drop(queue);
    let serve = move || {
        let mut quotes = 0;
        let quote = |quotes: &mut u32, data| {
            *quotes += 1;
            if let Some((late, sender)) = sender.lock().unwrap().take() {
                // While the first quote is being made.
                (1..4).for_each(|number| sender.send(nonce(&late, number)).unwrap());
            }
            Ok(signed(data))
        };
        runtime().block_on(commands.serve(&mut quotes, quote));
        quotes
    };
    let served = thread::spawn(serve);
    assert_eq!(runtime().block_on(first).unwrap().1.leaf_count, 1);
    for answer in late_answers {
        assert_eq!(runtime().block_on(answer).unwrap().1.leaf_count, 3);
    }
    assert_eq!(served.join().unwrap(), 2);
}

#[test]
fn own_work_first_then_quotes_then_one_activation_after_each() {
    let (queue, commands) = shared::<Done>(8);
    let waiting = (
        activation(&queue, note("activation")),
        activation(&queue, note("activation")),
        nonce(&queue, 0),
        queued({
            let queue = Arc::clone(&queue);
            async move { queue.call(note("extend")).await }
        }),
    );
    let served = thread::spawn(|| serve(commands));
    runtime().block_on(async { tokio::try_join!(waiting.0, waiting.1, waiting.3) }).unwrap();
    runtime().block_on(waiting.2).unwrap();
    drop(queue);
    assert_eq!(served.join().unwrap(), ["extend", "quote", "activation", "activation"]);
}

#[test]
fn quotes_without_end_do_not_starve_an_activation() {
    let (queue, commands) = shared::<u32>(8);
    let later = activation(&queue, |quotes: &mut u32| Ok(*quotes));
    let nonces = Mutex::new(Some(Arc::clone(&queue)));
    let first = nonce(&queue, 0);
    drop(queue);
    let serve = move || {
        let quote = |quotes: &mut u32, data| {
            *quotes += 1;
            // During each quote another nonce comes, a hundred times.
            let mut nonces = nonces.lock().unwrap();
            if let Some(queue) = nonces.as_ref() {
                let (waiter, answer) = Waiter::new(leaf(*quotes));
                assert!(queue.nonces.try_send(waiter).is_ok());
                std::mem::forget(answer);
            }
            if *quotes == 100 {
                *nonces = None;
            }
            Ok(signed(data))
        };
        let mut quotes = 0;
        runtime().block_on(commands.serve(&mut quotes, quote));
        quotes
    };
    let served = thread::spawn(serve);
    runtime().block_on(first).unwrap();
    assert_eq!(runtime().block_on(later).unwrap(), 1, "after the first quote");
    assert_eq!(served.join().unwrap(), 101);
}

#[test]
fn clients_that_have_gone_cost_nothing() {
    let (queue, commands) = shared::<Done>(8);
    let stays = nonce(&queue, 0);
    drop([nonce(&queue, 1), nonce(&queue, 2)]);
    drop(activation(&queue, note("activation")));
    drop(queue.quote(leaf(3)));
    let served = thread::spawn(|| serve(commands));
    assert_eq!(runtime().block_on(stays).unwrap().1, NonceProof::single());
    drop(queue);
    assert_eq!(served.join().unwrap(), ["quote"]);

    let (queue, commands) = shared::<Done>(8);
    drop(nonce(&queue, 0));
    drop(queue);
    assert_eq!(serve(commands), Done::new(), "nobody waits, so nothing is quoted");
}

#[test]
fn there_is_room_for_so_many_and_no_more() {
    let (queue, _commands) = shared::<Done>(2);
    let _waiting = [nonce(&queue, 0), nonce(&queue, 1)];
    assert!(matches!(runtime().block_on(queue.quote(leaf(2))), Err(TpmError::Busy)));
    let _activations: Vec<_> = (0..ACTIVATIONS).map(|_| activation(&queue, note("activation"))).collect();
    assert!(matches!(runtime().block_on(queue.call_later(note("activation"))), Err(TpmError::Busy)));
}

#[test]
fn when_a_quote_fails_all_are_told_and_the_next_is_made() {
    let (queue, commands) = shared::<u32>(8);
    let waiting = [nonce(&queue, 0), nonce(&queue, 1)];
    let served = thread::spawn(|| {
        let mut quotes = 0;
        runtime().block_on(commands.serve(&mut quotes, |quotes, data| {
            *quotes += 1;
            if *quotes == 1 { Err(TpmError::PcrsChanging { attempts: 5 }) } else { Ok(signed(data)) }
        }));
    });
    for answer in waiting {
        let error = runtime().block_on(answer).unwrap_err();
        assert!(matches!(&error, TpmError::Shared(cause) if matches!(**cause, TpmError::PcrsChanging { .. })), "{error:?}");
        assert!(error.to_string().contains("5 quotes"), "{error}");
    }
    runtime().block_on(queue.quote(leaf(2))).unwrap();
    drop(queue);
    served.join().unwrap();
}

#[test]
fn a_dead_thread_leaves_nobody_waiting() {
    let (queue, commands) = shared::<Done>(8);
    let waiting = [nonce(&queue, 0), nonce(&queue, 1)];
    let later = activation(&queue, note("activation"));
    drop(commands);
    for answer in waiting {
        assert!(matches!(runtime().block_on(answer), Err(TpmError::Stopped)));
    }
    assert!(matches!(runtime().block_on(later), Err(TpmError::Stopped)));
    assert!(matches!(runtime().block_on(queue.quote(leaf(2))), Err(TpmError::Stopped)));
}
