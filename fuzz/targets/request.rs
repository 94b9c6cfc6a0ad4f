//! Requests, from their bytes to what the engine would be asked: the first byte names the route.
#![no_main]

use std::sync::LazyLock;

use blindllama_gateway::fuzzing::{FuzzedRoute, Gateways};
use libfuzzer_sys::fuzz_target;

static GATEWAYS: LazyLock<Gateways> = LazyLock::new(|| Gateways::new().unwrap());

fuzz_target!(|bytes: &[u8]| {
    let Some((route, body)) = bytes.split_first() else { return };
    let Some(route) = FuzzedRoute::ALL.get(usize::from(route.wrapping_sub(b'0'))) else { return };
    let _refused = GATEWAYS.read(*route, body);
});
