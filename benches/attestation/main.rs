//! How many evidences one TPM's gateway serves: each with a fresh nonce, over TLS, from a real (software) TPM.
//!
//! One run prints one table, with the TPM as fast as it is and slowed to what chips need. Clients and server share the
//! machine's cores. Nonces that wait at the same time share a quote: what is compared is evidences with quotes, in one run.

// A benchmark fails by panicking, and prints what it finds.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod gateway;
mod load;
mod machine;
#[path = "../ready_engine.rs"]
mod ready_engine;

use std::{sync::Arc, time::Duration};

use blindllama_attest_tpm::AkKind;
use tokio::runtime::Runtime;

use gateway::Gateway;
use load::Load;
use machine::Machine;

/// How many clients ask at the same time, each for its next evidence as soon as it has one.
const CLIENTS: usize = 256;
/// How long each measurement of the TPM at its own speed takes.
const DURATION: Duration = Duration::from_secs(4);
/// How many quotes each measurement of a slowed TPM takes.
const SLOW_QUOTES: u32 = 12;
/// No nonce waits longer than the quote that is being made and its own; half a one is for the way there and back.
const LONGEST_WAIT: f64 = 2.5;
/// A firmware log of 49,088 bytes; swtpm itself has none.
const FIRMWARE_LOG: &[u8] = include_bytes!("../../attest/tests/vectors/eventlog/thinkpad-n40et41w/eventlog.bin");

fn main() {
    // `cargo test --benches` asks only whether this builds.
    if std::env::args().any(|argument| argument == "--test") {
        return;
    }
    let runtime = Runtime::new().unwrap();
    let slow = |milliseconds| Case::boot(AkKind::EcdsaP256, None, Duration::from_millis(milliseconds));
    // All before the first load, which leaves few ports that swtpm could listen on.
    let cases = [
        ("P-256", Case::boot(AkKind::EcdsaP256, None, Duration::ZERO)),
        ("P-256, 48 KiB log", Case::boot(AkKind::EcdsaP256, Some(FIRMWARE_LOG), Duration::ZERO)),
        ("RSA-2048", Case::boot(AkKind::Rsassa2048, None, Duration::ZERO)),
        ("P-256, 100 ms a quote", slow(100)),
        ("P-256, 600 ms a quote", slow(600)),
    ];
    println!("{}", Load::HEADER);
    for (name, case) in cases {
        runtime
            .block_on(async { if case.delay.is_zero() { case.at_its_own_speed(name).await } else { case.slowed(name).await } });
    }
}

/// A machine, and the gateway on it.
struct Case {
    machine: Machine,
    gateway: Gateway,
    delay: Duration,
}

impl Case {
    fn boot(ak: AkKind, firmware_log: Option<&[u8]>, delay: Duration) -> Self {
        let machine = Machine::boot(ak);
        let gateway = Gateway::launch(&machine, firmware_log);
        machine.slow_down(delay);
        Self { machine, gateway, delay }
    }

    /// The TPM alone, behind the attester, and behind the whole server.
    async fn at_its_own_speed(self, name: &str) {
        let Self { machine, gateway, .. } = self;
        Load::measure(&machine, vec![machine.tpm.clone()], DURATION).await.print(name, "TPM alone");
        let clients = vec![Arc::clone(&gateway.attester); CLIENTS];
        Load::measure(&machine, clients, DURATION).await.print(name, "attester");
        let server = gateway.serve();
        Load::measure(&machine, server.connect(CLIENTS).await, DURATION).await.print(name, "HTTPS");
        server.stop().await;
    }

    /// A TPM that takes its time. Clients that come back just after a quote has begun wait for the next, so that half of them
    /// share each quote: twice as many clients fill it.
    async fn slowed(self, name: &str) {
        let Self { machine, gateway, delay } = self;
        Load::measure(&machine, vec![machine.tpm.clone()], delay * 4).await.print(name, "TPM alone");
        let server = gateway.serve();
        for clients in [CLIENTS, 2 * CLIENTS] {
            let load = Load::measure(&machine, server.connect(clients).await, delay * SLOW_QUOTES).await;
            load.print(name, "HTTPS");
            assert!(load.longest_wait_in_quotes() <= LONGEST_WAIT, "a nonce waited for more than two quotes");
        }
        server.stop().await;
    }
}
