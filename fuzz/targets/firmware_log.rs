//! TCG event logs: parsing, replay in each bank and the words for each event.
#![no_main]

use blindllama_attest::firmware::FirmwareLog;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(log) = FirmwareLog::parse(bytes) else { return };
    for bank in log.banks() {
        for pcr in 0..24 {
            assert!(log.replay(*bank, pcr).is_some(), "a bank of the log replays");
        }
    }
    for event in log.events() {
        assert!(event.description().chars().count() <= 120);
    }
});
