//! What is accepted, and what the verdict says.

use blindllama_attest::{
    hash::HashAlgorithm,
    pcr_banks::PcrBanks,
    policy::{ApplicationMeasurements, ReleaseStatus, TpmKind, Weakening},
    tpm::TpmClock,
    verify::{Established, UnixTime},
};

use crate::{
    eventlog_vector::Vector,
    kit::{Scenario, digest, launch, release},
};

#[test]
fn honest_evidence_passes_all_sixteen_checks_in_order() {
    let scenario = Scenario::honest();
    let peer = scenario.verify().unwrap();
    let numbers: Vec<u8> = peer.checks().iter().map(|check| check.number()).collect();
    assert_eq!(numbers, (1..=16).collect::<Vec<u8>>());
    assert_eq!(peer.binding(), &scenario.binding);
    assert_eq!(peer.binding_digest(), scenario.binding.digest());
    assert_eq!(peer.ak_name(), scenario.policy.trusted_ak[0].name);
    assert_eq!((peer.machine(), peer.tpm_kind()), ("my laptop", TpmKind::Software));
    assert_eq!((peer.platform(), peer.release()), ("swtpm", "dev"));
    assert_eq!(peer.application_measurements(), ApplicationMeasurements::SelfReported);
    assert_eq!(peer.weakenings(), [Weakening::SoftwareTpm, Weakening::SelfReported]);
    assert_eq!((peer.established(), peer.verified_at()), (scenario.establishes(), UnixTime(1_800_000_000)));
}

#[test]
fn a_strict_policy_names_no_weakening() {
    let mut scenario = Scenario::honest();
    scenario.policy.weakening = Default::default();
    scenario.policy.trusted_ak[0].kind = TpmKind::Hardware;
    scenario.policy.platform[0].application_measurements = ApplicationMeasurements::Enforced;
    assert_eq!(scenario.verify().unwrap().weakenings(), []);
}

/// A machine with this firmware log, which a policy wants explained in full.
pub(crate) fn booted_as_in(vector: &Vector) -> Scenario {
    let mut scenario = Scenario::honest();
    let sha256 = &vector.pcrs()[&HashAlgorithm::Sha256];
    scenario.boot_pcrs = sha256.iter().map(|(pcr, value)| (*pcr, value.as_sha256().unwrap())).collect();
    scenario.policy.platform[0].pcrs = PcrBanks::sha256(scenario.boot_pcrs.clone());
    scenario.policy.platform[0].firmware_log_pcrs = scenario.boot_pcrs.keys().copied().collect();
    scenario.firmware = Some(vector.log().to_vec());
    scenario
}

#[test]
fn a_real_firmware_log_explains_the_boot_pcrs() {
    for name in ["arch-linux-workstation", "laptop-startup-locality-3", "sha256-only-intel-board"] {
        booted_as_in(&Vector::read(&format!("eventlog/{name}"))).verify().unwrap_or_else(|error| panic!("{name}: {error}"));
    }
}

#[test]
fn the_platform_and_the_release_that_fit_are_found_among_others() {
    let mut scenario = Scenario::honest();
    let mut other = scenario.policy.platform[0].clone();
    other.name = "other".to_owned();
    other.pcrs.insert(0, digest(0xff).into());
    scenario.policy.platform.insert(0, other);
    let mut old = release("old", ReleaseStatus::Serving);
    old.config = digest(1);
    scenario.policy.release.insert(0, old);
    let peer = scenario.verify().unwrap();
    assert_eq!((peer.platform(), peer.release()), ("swtpm", "dev"));
}

#[test]
fn earlier_launches_of_the_policys_releases_are_accepted_wherever_they_were_cut_off() {
    for events in 1..=9 {
        let mut scenario = Scenario::honest();
        scenario.log = launch(1, &launch(2, &[])[..events]);
        let peer = scenario.verify().unwrap_or_else(|error| panic!("cut off after {events}: {error}"));
        assert_eq!(peer.release(), "dev");
    }
}

#[test]
fn an_established_session_goes_on_while_the_clock_does() {
    let mut scenario = Scenario::honest();
    let clock = TpmClock { clock: 4000, safe: false, ..scenario.clock };
    scenario.established = Some(Established { clock, ..scenario.establishes() });
    scenario.verify().unwrap();
    scenario.established = Some(scenario.establishes());
    scenario.verify().unwrap();
}
